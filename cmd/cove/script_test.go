package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/sys/unix"

	"cove/internal/landlock"
	"cove/internal/testenv"
	"cove/userns"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"cove": main})
}

// Scripts that a person could type: testdata/script. Each runs twice, with the newest calls of the kernel and without,
// so that yesterday's kernel is tested on today's.
func TestScripts(t *testing.T) { runScripts(t, "") }

func TestScriptsClassicMounts(t *testing.T) { runScripts(t, "mount_setattr") }

func runScripts(t *testing.T, without string) {
	var missing sync.Map // needs of single lines, which are passed over
	t.Cleanup(func() {   // after the scripts, which run beside one another
		missing.Range(func(need, _ any) bool { t.Logf("in part: needs %s, which is missing here", need); return true })
	})
	testscript.Run(t, testscript.Params{
		Dir: "../../testdata/script",
		Setup: func(e *testscript.Env) error {
			home := filepath.Join(e.WorkDir, "home")
			// The place for boxes is there, so that making it changes nothing in the home; state.txtar begins without.
			if err := os.MkdirAll(filepath.Join(home, ".local/share/cove"), 0o755); err != nil {
				return err
			}
			e.Setenv("HOME", home)
			e.Setenv("COVE_WITHOUT", without)
			e.Setenv("USER", os.Getenv("USER"))
			e.Setenv("UID", fmt.Sprint(os.Getuid()))
			e.Setenv("GID", fmt.Sprint(os.Getgid()))
			e.Setenv("LANG", "C.UTF-8")
			for _, v := range []string{"GOMODCACHE", "GOPROXY"} {
				e.Setenv(v, os.Getenv(v))
			}
			e.Cd = home
			return nil
		},
		Condition: func(cond string) (bool, error) {
			have, err := condition(cond)
			if need, ok := strings.CutPrefix(cond, "need:"); ok && !have && err == nil {
				missing.Store(need, true)
			}
			return have, err
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"unchanged": unchanged,
			"status":    status,
		},
	})
}

// condition answers what a script needs. A need that is missing is said, and with COVE_REQUIRE is a failure: a test
// that was skipped in silence has tested nothing.
func condition(cond string) (bool, error) {
	switch cond {
	case "root":
		return os.Getuid() == 0, nil
	}
	kind, need, ok := strings.Cut(cond, ":")
	if kind == "landlock" { // no need: with another kernel another thing is true
		abi, _ := landlock.ABI()
		want, err := strconv.Atoi(need)
		return abi >= want, err
	}
	if !ok || kind != "need" {
		return false, fmt.Errorf("unknown condition %q", cond)
	}
	have := false
	switch need {
	case "fuse":
		f, err := os.OpenFile("/dev/fuse", os.O_RDWR, 0)
		if have = err == nil; have {
			f.Close()
			_, err = exec.LookPath("fuse-overlayfs")
			have = err == nil
		}
	case "subids":
		_, err := exec.LookPath("newuidmap")
		user, err2 := userns.CurrentUser(os.Getenv)
		subs, err3 := userns.ReadRanges(user)
		have = err == nil && err2 == nil && err3 == nil && len(subs.UIDs) > 0 && len(subs.GIDs) > 0
	case "tmpfs-xattrs":
		// user.* extended attributes, which the kernel's overlay needs of an ordinary user's upper layer: Linux 6.6,
		// commit 2daf18a7884d ("tmpfs,xattr: enable limited user extended attributes").
		var u unix.Utsname
		var major, minor int
		unix.Uname(&u)
		fmt.Sscanf(unix.ByteSliceToString(u.Release[:]), "%d.%d", &major, &minor)
		have = major > 6 || major == 6 && minor >= 6
	default:
		_, err := exec.LookPath(need)
		have = err == nil
	}
	if !have && testenv.Required(need) {
		return false, fmt.Errorf("this test needs %s, which is missing here, and COVE_REQUIRE says that it must not be", need)
	}
	return have, nil
}

// status runs a program and compares its exit status.
func status(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) < 2 || neg {
		ts.Fatalf("usage: status N PROGRAM ARGS...")
	}
	code := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		exit := new(exec.ExitError)
		if !errors.As(err, &exit) {
			ts.Fatalf("%v", err)
		}
		code = exit.ExitCode()
	}
	if fmt.Sprint(code) != args[0] {
		ts.Fatalf("%s ended with status %d, not %s", strings.Join(args[1:], " "), code, args[0])
	}
}

// unchanged remembers a directory tree, or with a second call on it, compares: names, types, modes, sizes, times of
// change included. Nothing that a sandbox does may show there.
func unchanged(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: unchanged NAME DIR")
	}
	out, err := exec.Command("find", ts.MkAbs(args[1]), "-path", "*/.local/share/cove", "-prune", "-o", "-printf", "%P %y %m %U:%G %n %i %s %T@ %C@ %l\n").Output()
	ts.Check(err)
	lines := strings.Split(string(out), "\n")
	slices.Sort(lines)
	now := strings.Join(lines, "\n")
	file := ts.MkAbs("../unchanged-" + args[0])
	before, err := os.ReadFile(file)
	if err != nil {
		ts.Check(os.WriteFile(file, []byte(now), 0o644))
		return
	}
	if same := string(before) == now; same == neg {
		ts.Fatalf("%s changed: %v\nbefore:\n%s\nnow:\n%s", args[1], !same, before, now)
	}
}
