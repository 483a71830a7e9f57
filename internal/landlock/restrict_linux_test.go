package landlock

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"cove/internal/stage"
	"cove/internal/testenv"
)

// Every ABI has rights of its own: on a later kernel, what an earlier one would do.
func TestABIs(t *testing.T) {
	kernel, err := ABI()
	testenv.Need(t, "landlock", err)
	python := testenv.NeedProgram(t, "/usr/bin/python3")
	const script = `
import errno, fcntl, os, sys
def attempt(name, f):
    try: f(); print(name, "ok")
    except OSError as e: print(name, errno.errorcode[e.errno])
os.chdir(sys.argv[1])
attempt("read", lambda: open("ro/f").read())
attempt("list", lambda: os.listdir("ro"))
attempt("write", lambda: open("ro/f", "r+"))
attempt("make", lambda: open("ro/new", "w"))
attempt("remove", lambda: os.unlink("ro/f"))
attempt("exec", lambda: print(end="" if os.spawnv(os.P_WAIT, "ro/f", ["f"]) == 0 else "not "))
attempt("truncate", lambda: os.truncate("ro/f", 0))
attempt("names outside", lambda: os.stat("../outside/f"))
attempt("read outside", lambda: open("../outside/f"))
attempt("list outside", lambda: os.listdir("../outside"))
attempt("rw write", lambda: open("rw/f", "r+"))
attempt("rw truncate", lambda: os.truncate("rw/f", 1))
attempt("rw rename", lambda: os.rename("rw/f", "rw/g"))
attempt("rw rename between directories", lambda: os.rename("rw/g", "rw/sub/g"))
attempt("rename out", lambda: os.rename("rw/sub/g", "../outside/g"))
attempt("terminal", lambda: fcntl.ioctl(os.open("/dev/ptmx", os.O_RDWR), 0x80045430, b"1234"))
attempt("memory", lambda: os.open("/proc/self/fd/%d" % os.memfd_create("m"), os.O_RDWR))
`
	for abi := 1; abi <= min(kernel, 7); abi++ {
		t.Run(fmt.Sprint(abi), func(t *testing.T) {
			top := t.TempDir()
			for _, d := range []string{"d/ro", "d/rw/sub", "outside"} {
				if err := os.MkdirAll(filepath.Join(top, d), 0o755); err != nil {
					t.Fatal(err)
				}
			}
			for _, f := range []string{"d/ro/f", "d/rw/f", "outside/f"} {
				if err := os.WriteFile(filepath.Join(top, f), []byte("#!/bin/true\n"), 0o755); err != nil {
					t.Fatal(err)
				}
			}
			ro := []Right{List, Read, Exec}
			rules := Ruleset{ABI: abi, Rules: []Rule{
				{Path: "/proc", Rights: ro},
				{Path: "/dev", Rights: []Right{List, Read, Write}}, // and no Ioctl
				{Path: filepath.Join(top, "d/ro"), Rights: ro},
				{Path: filepath.Join(top, "d/rw"), Rights: []Right{List, Read, Exec, Write, Make}},
			}}
			for _, p := range []string{"/usr", "/etc", "/bin", "/lib", "/lib64"} {
				if p, err := filepath.EvalSymlinks(p); err == nil {
					rules.Add(Rule{Path: p, Rights: ro})
				}
			}
			want := map[string]string{
				"read": "ok", "list": "ok", "write": "EACCES", "make": "EACCES", "remove": "EACCES", "truncate": "EACCES", "exec": "ok",
				"names outside": "ok", "read outside": "EACCES", "list outside": "EACCES",
				"rw write": "ok", "rw truncate": "ok", "rw rename": "ok", "rw rename between directories": "ok", "rename out": "EACCES",
				"terminal": "EACCES", "memory": "ok",
			}
			if abi < 5 {
				want["terminal"] = "ok"
			}
			if abi < 3 {
				want["truncate"] = "ok"
			}
			if abi < ABIRefer {
				want["rw rename between directories"] = "EXDEV"
				want["rename out"] = "ENOENT" // as it is not there
			}
			got := map[string]string{}
			for _, line := range run(t, &rules, python, "-c", script, filepath.Join(top, "d")) {
				at := strings.LastIndexByte(line, ' ')
				got[line[:max(at, 0)]] = line[at+1:]
			}
			if !maps.Equal(got, want) {
				t.Errorf("got  %v\nwant %v", got, want)
			}
		})
	}
}

// A rule that cannot be made is told by its own op.
func TestRuleThatFails(t *testing.T) {
	_, err := ABI()
	testenv.Need(t, "landlock", err)
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink("/usr", link); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		rule Rule
		want syscall.Errno
	}{
		{Rule{Path: "/usr/nowhere", Rights: []Right{Read}}, unix.ENOENT},
		{Rule{Path: link, Rights: []Right{Read}}, unix.ELOOP},
		{Rule{Path: "/dev/null", Rights: []Right{List}}, unix.EINVAL},
	} {
		rules := Ruleset{ABI: 1, Rules: []Rule{{Path: "/usr", Rights: []Right{Read}}, test.rule}}
		op, errno := perform(t, func(s *stage.Script) { rules.Restrict(&s.Setup, nil, func(rule int) int { return 10 + rule }) }, "/bin/true")
		if op != 11 || errno != test.want {
			t.Errorf("%s: op %d, %v", test.rule.Path, op, errno)
		}
	}
}

// run runs a program under rules, and returns the lines that it printed.
func run(t *testing.T, rules *Ruleset, argv ...string) []string {
	t.Helper()
	out := filepath.Join(t.TempDir(), "out")
	op, errno := perform(t, func(s *stage.Script) {
		fd := s.Setup.NewSlot()
		s.Setup.Call(0, unix.SYS_OPENAT, unix.AT_FDCWD, out, unix.O_WRONLY|unix.O_CREAT, 0o600).Into(fd)
		s.Setup.Call(0, unix.SYS_DUP3, fd, 1, 0)
		s.Setup.Call(0, unix.SYS_PRCTL, unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
		rules.Restrict(&s.Setup, nil, func(rule int) int { return 10 + rule })
	}, argv...)
	if errno != 0 {
		t.Fatalf("op %d: %v", op, errno)
	}
	text, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSpace(string(text)), "\n")
}

// perform runs a program in a stage, and returns what failed before it.
func perform(t *testing.T, lay func(*stage.Script), argv ...string) (op int32, errno syscall.Errno) {
	t.Helper()
	s, err := stage.New(unix.CLONE_NEWUSER | unix.CLONE_NEWPID)
	if err != nil {
		t.Fatal(err)
	}
	lay(s)
	s.Program.Unblock(2)
	if err := s.Exec(argv[:1], argv, []string{"PATH=/usr/bin:/bin"}); err != nil {
		t.Fatal(err)
	}
	p, err := s.Start()
	if err != nil {
		t.Fatal(err)
	}
	defer p.Wait()
	for m, _, ok := p.Hear(); ok; m, _, ok = p.Hear() {
		if m[0] == stage.MsgFailed {
			op, errno = m[1], syscall.Errno(m[2])
		}
	}
	return op, errno
}
