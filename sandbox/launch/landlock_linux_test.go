package launch

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"cove/internal/mount"
	"cove/internal/stage"
	"cove/internal/testenv"
	"cove/sandbox"
)

// needLandlock ends a test where the kernel has no Landlock that could be used.
func needLandlock(t *testing.T) {
	t.Helper()
	if _, why := landlockABI(); why != "" {
		testenv.Need(t, "landlock", errors.New(why))
	}
}

// caught is CatchSignals, which a process can do once.
var caught = sync.OnceValues(CatchSignals)

// openedAs adds opening a file of the host as a standard stream. (Other descriptors do not come as far as the program.)
func openedAs(l *stage.List, file string, flags, fd int) {
	slot := l.NewSlot()
	l.Call(0, unix.SYS_OPENAT, unix.AT_FDCWD, file, flags|unix.O_CLOEXEC, 0).Into(slot)
	l.Call(0, unix.SYS_DUP3, slot, fd, 0)
	l.Call(0, unix.SYS_CLOSE, slot)
}

// A leak is what Compile would never plan: a way to a directory of the host that no rule knows of.
type leak struct {
	name   string
	grants func(dir string) []sandbox.Grant
	ops    func(dir string) []mount.Op // besides the plan's
	root   bool                        // the host's root is left open
	at     func(dir string) string     // where dir is by it
	open   string                      // what can be done there
	still  string                      // and what under Landlock
}

// What the plan does not let in stays closed when a mount leaks or a descriptor is left open, and what it lets in
// read-only is not written to where it shows up once more without that flag. That each is a leak is shown by doing
// without Landlock.
func TestLandlockHoldsWhatLeaks(t *testing.T) {
	needLandlock(t)
	bind := func(dir string) []mount.Op {
		return []mount.Op{mount.Dir("/leak"), mount.Bind(dir, "/leak").With("nosuid", "nodev")}
	}
	here := func(string) string { return "/leak" }
	for _, l := range []leak{
		// Names are seen: the root can be listed, and a rule is for all that is below its path.
		{name: "a mount", ops: bind, at: here, open: "list read change make", still: "list"},
		{
			name: "a descriptor of the host's root, past checkStreams",
			root: true, open: "list read change make",
			at: func(dir string) string { return "/proc/self/fd/0" + dir },
		},
		{
			name: "what is read-only, writable", ops: bind, at: here, open: "list read change make", still: "list read",
			grants: func(dir string) []sandbox.Grant {
				return []sandbox.Grant{{Source: dir, Target: "/shown", Access: sandbox.ReadOnly}}
			},
		},
	} {
		for _, without := range []string{"", "mount_setattr"} {
			for _, landlocked := range []bool{true, false} {
				t.Run(fmt.Sprintf("%s, landlocked %v, without %q", l.name, landlocked, without), func(t *testing.T) {
					t.Setenv("COVE_WITHOUT", without)
					want := l.open
					if landlocked {
						want = l.still
					}
					if got := l.try(t, landlocked); got != want {
						t.Errorf("by the leak the program could %q, not %q", got, want)
					}
				})
			}
		}
	}
}

// try tells what a program can do by the leak.
func (l *leak) try(t *testing.T, landlocked bool) string {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(dir+"/f", []byte("secret\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	spec := sandbox.Spec{Home: sandbox.Set(sandbox.HomeNone, sandbox.Origin{}), TTY: sandbox.Set(sandbox.TTYKeep, sandbox.Origin{}), Workdir: sandbox.Set("/", sandbox.Origin{}),
		Command: []string{"/bin/sh", "-c", `cd /
for n in $0/*; do [ "$n" = $0/f ] && echo list; done
read line < $0/f && echo read
echo x >> $0/f && echo change
echo x > $0/new && echo make`, l.at(dir)}}
	if l.grants != nil {
		spec.Grants = l.grants(dir)
	}
	dirs, err := FindDirs(func(string) string { return "" }, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	host, err := Probe(dirs, spec)
	if err != nil {
		t.Fatal(err)
	}
	host.Cwd = "/"                     // this directory may be one that cannot be seen inside
	host.Streams = [3]sandbox.Stream{} // they will be others
	plan, err := sandbox.Compile(spec, host)
	if err != nil {
		t.Fatal(err)
	}
	if len(plan.Landlock.Rules) == 0 {
		t.Fatalf("no Landlock: %s", plan.Landlock.Why)
	}
	if !landlocked {
		plan.Landlock = sandbox.LandlockPlan{}
	}
	if l.ops != nil { // before the root is sealed
		i := slices.IndexFunc(plan.Ops, func(op mount.Op) bool { return op.Do == mount.Seal })
		plan.Ops = slices.Insert(plan.Ops, i, l.ops(dir)...)
	}
	begun := Begin(spec)
	if begun.err != nil {
		t.Fatal(begun.err)
	}
	defer begun.Abandon()
	var printed [2]string
	for i := range printed {
		printed[i] = filepath.Join(t.TempDir(), "out")
		if err := os.WriteFile(printed[i], nil, 0o600); err != nil {
			t.Fatal(err)
		}
		openedAs(&begun.script.Setup, printed[i], unix.O_WRONLY, i+1)
	}
	if l.root {
		openedAs(&begun.script.Setup, "/", unix.O_PATH, 0)
	}
	if err := lay(begun, plan, host); err != nil {
		t.Fatal(err)
	}
	signals, err := caught()
	if err != nil {
		t.Fatal(err)
	}
	s := &supervisor{plan: plan, opt: Options{Signals: signals}, proc: begun.proc, tty: host.TTY, host: host}
	begun.proc = nil
	s.proc.Perform()
	if _, err := s.supervise(); err != nil {
		t.Fatal(err)
	}
	var texts [2]string
	for i, f := range printed {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		texts[i] = string(text)
	}
	for line := range strings.Lines(texts[1]) {
		if !strings.Contains(line, "Permission denied") {
			t.Errorf("refused, but not for want of a permission: %s", line)
		}
	}
	could := strings.Join(strings.Fields(texts[0]), " ")
	text, err := os.ReadFile(dir + "/f")
	if err != nil || strings.Contains(could, "change") != (string(text) != "secret\n") {
		t.Errorf("the host's file holds %q, %v", text, err)
	}
	if _, err := os.Stat(dir + "/new"); strings.Contains(could, "make") != (err == nil) {
		t.Errorf("the host has a new file: %v", err)
	}
	return could
}
