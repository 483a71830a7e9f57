package seccomp

import (
	"slices"
	"strings"
	"testing"
)

// FuzzPolicy takes names as people write them, and picks of real ones so that long lists come about too.
func FuzzPolicy(f *testing.F) {
	f.Add("", "", []byte(nil), false, false)
	f.Add("clone3 bpf", "ptrace mount", []byte{1, 2, 3, 200, 100}, true, false)
	f.Add("opennat", "\x00 SYS_READ ü", []byte{0, 255}, false, true)
	f.Add("umount ioctl", "socketcall clone3", slices.Repeat([]byte{0, 7, 1, 9}, 100), true, true)
	f.Fuzz(func(t *testing.T, allowed, denied string, picks []byte, nesting, chroot bool) {
		p := Policy{Allow: strings.Split(allowed, " "), Deny: strings.Split(denied, " "), Nesting: nesting, Chroot: chroot}
		p.Allow = slices.DeleteFunc(p.Allow, func(s string) bool { return s == "" })
		p.Deny = slices.DeleteFunc(p.Deny, func(s string) bool { return s == "" })
		for i, pick := range picks {
			name := calls[(i*7+int(pick))%len(calls)].name
			if pick%2 == 0 {
				p.Allow = append(p.Allow, name)
			} else {
				p.Deny = append(p.Deny, name)
			}
		}
		known := true
		for _, name := range slices.Concat(p.Allow, p.Deny) {
			suggestion, ok := Check(name)
			known = known && ok
			if ok && suggestion != "" {
				t.Errorf("Check(%q) knows it and suggests %q", name, suggestion)
			}
			if _, right := find(suggestion); suggestion != "" && !right {
				t.Errorf("Check(%q) suggests %q", name, suggestion)
			}
		}
		for _, m := range machines {
			prog, err := p.Compile(m.name)
			if (err == nil) != known {
				t.Fatalf("%+v: %v, though Check says %v", p, err, known)
			}
			if err != nil {
				continue
			}
			if err := validate(prog); err != nil {
				t.Fatalf("%+v: %v\n%s", p, err, Dump(prog))
			}
			s := newSimulator(t, prog)
			for _, name := range p.Deny {
				i, ok := find(name)
				if !ok || calls[i].number[m.column] == none {
					continue
				}
				if got := s.run(m.audit, uint32(calls[i].number[m.column]), [6]uint64{}); got == retAllow {
					t.Errorf("%+v: %s is allowed", p, name)
				}
			}
		}
	})
}
