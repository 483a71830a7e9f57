package overlay

import (
	"context"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"cove/internal/testenv"
)

// All that changes something goes through the calls of calls_linux.go, which TestCallsAreAll holds. A child applies, or
// takes back, and kills itself by SIGKILL before the Nth of those calls, for every N; which is the same as after the
// one before. Then the parent looks at what a next command would find.

const crashEnv = "COVE_TEST_CRASH" // DIR WHAT N

// A crasher is a box with changes of every sort, over and over: what is recovered must be exactly what it was.
type crasher struct {
	*rig
	dir           string
	original, box string
	old, new      map[string]string // what each path is
	calls         map[string]int    // how many calls an apply, or undo, makes
	near          bool              // files are copied, and get other inodes
	lax           bool              // where times of directories in the box cannot be set, that is no failure
}

func crashRig(t testing.TB, dir string) *rig {
	if data := dir + "/data"; isDirectory(data) { // another file system, for all that is cove's
		return newRigApart(t, data, dir, Kernel)
	}
	return newRig(t, dir, Kernel)
}

func isDirectory(p string) bool {
	st, err := os.Stat(p)
	return err == nil && st.IsDir()
}

// looks is what all paths of a home are, but for the times of directories, whose entries change one after the other,
// and attributes of what is amended in place.
func looks(t testing.TB, home string) map[string]string {
	t.Helper()
	m := map[string]string{}
	for p, s := range takeSnapshot(t, home) {
		m[p] = fmt.Sprintf("%o %q", s.kind, s.content)
		if s.kind == unix.S_IFREG {
			m[p] += fmt.Sprintf(" %o %v %s", s.mode, s.mtime, s.xattrs)
		}
	}
	return m
}

func newCrasher(t testing.TB, dir string, near bool) *crasher {
	t.Helper()
	c := &crasher{rig: crashRig(t, dir), dir: dir, calls: map[string]int{}, near: near}
	plantEverything(t, c.upper, c.home)
	c.original, c.box = exact(t, c.home), exact(t, c.upper)
	c.old = looks(t, c.home)
	c.calls["apply"] = c.count(func() { c.must(c.apply()) })
	c.new = looks(t, c.home)
	c.calls["undo"] = c.count(func() { c.must(c.undo(c.lastID(), false)) })
	c.isOriginal("at the beginning")
	return c
}

func (c *crasher) must(r Result) {
	c.t.Helper()
	if len(r.Refused) > 0 {
		c.t.Fatalf("refused: %v", r.Refused)
	}
}

func (c *crasher) count(do func()) (n int) {
	beforeCall = func(string) error { n++; return nil }
	defer func() { beforeCall = nil }()
	do()
	return n
}

func (c *crasher) lastID() int {
	h := c.history()
	defer h.Close()
	list, err := h.List()
	if err != nil || len(list) != 1 {
		c.t.Fatalf("the history: %+v, %v", list, err)
	}
	return list[0].ID
}

func (c *crasher) isOriginal(when string) {
	c.t.Helper()
	home, box := exact(c.t, c.home), exact(c.t, c.upper)
	if c.near { // what was copied has other inodes
		home = withoutInodes(home)
		same(c.t, when+": the home", home, withoutInodes(c.original))
	} else {
		same(c.t, when+": the home", home, c.original)
	}
	if c.lax {
		same(c.t, when+": the box", withoutDirTimes(box), withoutDirTimes(c.box))
	} else {
		same(c.t, when+": the box", box, c.box)
	}
	c.clean()
	list, err := os.ReadDir(c.data)
	for _, e := range list {
		if !slices.Contains([]string{"lock", "last", ".last"}, e.Name()) {
			err = errors.Join(err, errors.New(e.Name()))
		}
	}
	if err != nil {
		c.t.Errorf("%s: left in the history: %v", when, err)
	}
}

var dirTime = regexp.MustCompile(`kind:16384 (.*) mtime:\{[^}]*\}`)

func withoutDirTimes(s string) string { return dirTime.ReplaceAllString(s, "kind:16384 $1") }

func withoutInodes(s string) string {
	lines := strings.Split(s, "\n")
	for i, l := range lines {
		l, _, _ = strings.Cut(l, " ino ")
		lines[i] = l
	}
	return strings.Join(lines, "\n")
}

// oldOrNew looks at each path right after the stop.
func (c *crasher) oldOrNew(when string) {
	c.t.Helper()
	now := looks(c.t, c.home)
	for p, got := range now {
		if c.near && strings.Contains(p, ".cove-") {
			continue // on its way; recovery takes it away
		}
		if got != c.old[p] && got != c.new[p] {
			c.t.Errorf("%s: %q is %s, neither %s nor %s", when, p, got, c.old[p], c.new[p])
		}
	}
	for p := range c.old {
		if _, there := now[p]; !there && c.new[p] != "" {
			c.t.Errorf("%s: %q is gone", when, p)
		}
	}
}

// isNew looks whether all was applied, and nothing is a change any more.
func (c *crasher) isNew(when string) {
	c.t.Helper()
	if now := looks(c.t, c.home); fmt.Sprint(now) != fmt.Sprint(c.new) {
		c.t.Errorf("%s: not all was applied", when)
	}
	if rest := c.rig.changes(); rest != "" {
		c.t.Errorf("%s: still changes:\n%s", when, rest)
	}
	c.clean()
}

// recover goes on after a stop, as a next command would: to the end, or back.
func (c *crasher) recover(when string, forward bool) {
	c.t.Helper()
	h := c.history()
	defer h.Close()
	u := h.Unfinished()
	if u == nil {
		// It was not begun, or was ended; and perhaps not all is in the box again.
		list, err := h.List()
		if err != nil {
			c.t.Fatalf("%s: %v", when, err)
		}
		for _, a := range list {
			if _, err := h.Undo(context.Background(), a.ID, UndoOptions{Home: c.homefd, Upper: c.upperfd}, nil); err != nil {
				c.t.Errorf("%s: undo: %v", when, err)
			}
		}
		return
	}
	if forward {
		r, err := h.Finish(u.ID, FinishOptions{Options: c.opts.Options, Home: c.homefd, Upper: c.upperfd}, nil)
		if err != nil || len(r.Refused) > 0 {
			c.t.Errorf("%s: finish: %v %v", when, err, r.Refused)
		}
		c.isNew(when)
	}
	r, err := h.Undo(context.Background(), u.ID, UndoOptions{Home: c.homefd, Upper: c.upperfd}, nil)
	if err != nil || len(r.Refused) > 0 || r.Kept != "" {
		c.t.Errorf("%s: undo: %v %+v", when, err, r)
	}
}

// crashChild is the child.
func crashChild(t *testing.T) bool {
	var dir, what string
	var n int
	if _, err := fmt.Sscan(os.Getenv(crashEnv), &dir, &what, &n); err != nil {
		return false
	}
	r := crashRig(t, dir)
	beforeCall = func(string) error {
		if n--; n == 0 {
			unix.Kill(os.Getpid(), unix.SIGKILL)
			select {}
		}
		return nil
	}
	if what == "apply" {
		r.apply()
	} else {
		r.undo((&crasher{rig: r}).lastID(), false)
	}
	os.Exit(0)
	return true
}

// crashes stops before every call.
func crashes(t *testing.T, c *crasher, step int) {
	t.Helper()
	name := strings.Split(t.Name(), "/")[0]
	for _, what := range []string{"apply", "undo"} {
		stopped, open := 0, 0
		for n := 1; n <= c.calls[what]+20; n += step {
			for _, forward := range []bool{true, false} {
				when := fmt.Sprintf("%s, stopped before call %d, forward %v", what, n, forward)
				if what == "undo" {
					c.must(c.apply())
				}
				cmd := exec.Command("/proc/self/exe", "-test.run=^"+name+"$")
				cmd.Env = append(os.Environ(), crashEnv+"="+fmt.Sprint(c.dir, " ", what, " ", n))
				out, err := cmd.CombinedOutput()
				var exit *exec.ExitError
				killed := errors.As(err, &exit) && exit.Sys().(syscall.WaitStatus).Signal() == unix.SIGKILL
				if !killed && err != nil {
					t.Fatalf("%s: %v\n%s", when, err, out)
				}
				c.oldOrNew(when)
				h := c.history()
				if h.Unfinished() != nil {
					open++
				}
				h.Close()
				c.recover(when, forward)
				c.isOriginal(when)
				if t.Failed() {
					t.Fatal("see above")
				}
				if !killed {
					n = 1 << 20 // it makes no more calls
					break
				}
				stopped++
			}
		}
		t.Logf("%s: stopped %d times (%d calls), %d times midway", what, stopped, c.calls[what], open)
		if open*step < 50 {
			t.Errorf("%s was hardly ever stopped midway: this tests nothing", what)
		}
	}
}

func TestCrash(t *testing.T) {
	if crashChild(t) {
		return
	}
	step := 1
	if testing.Short() {
		step = 9
	}
	crashes(t, newCrasher(t, quickDir(t), false), step)
}

// The same where the journal is on another file system than the home, so that everything is copied twice.
func TestCrashNear(t *testing.T) {
	if crashChild(t) {
		return
	}
	if os.Getenv(dirEnv) == "" {
		t.Setenv(dirEnv, quickDir(t))
	}
	if !inUserns(t, os.Getuid()) {
		return
	}
	dir := os.Getenv(dirEnv)
	mkdirs(t, dir+"/data")
	testenv.Need(t, "tmpfs", unix.Mount("tmpfs", dir+"/data", "tmpfs", 0, "mode=755"))
	if err := unix.Lsetxattr(dir+"/data", "user.x", nil, 0); err != nil {
		testenv.Need(t, "user attributes on tmpfs (Linux 6.6)", err)
	}
	defer unix.Unmount(dir+"/data", unix.MNT_DETACH)
	step := 17
	if testing.Short() {
		step = 50
	}
	crashes(t, newCrasher(t, dir, true), step)
}

// Each call fails once, as on a full disk: then the home is as it was, or can be made so.
func TestFullDisk(t *testing.T) {
	step := 2
	if testing.Short() {
		step = 9
	}
	c := newCrasher(t, quickDir(t), false)
	c.lax = true
	for _, what := range []string{"apply", "undo"} {
		failed := 0
		for n := 1; n <= c.calls[what]; n += step {
			when := fmt.Sprintf("%s, call %d fails", what, n)
			if what == "undo" {
				c.must(c.apply())
			}
			left := n
			beforeCall = func(string) error {
				if left--; left == 0 {
					return unix.ENOSPC
				}
				return nil
			}
			err := c.try(what)
			beforeCall = nil
			if err != nil {
				failed++
			}
			c.oldOrNew(when)
			var unfinished *UnfinishedError
			if what == "apply" && err != nil && !errors.As(err, &unfinished) && c.nothingListed() {
				c.isOriginal(when + ": " + err.Error())
			}
			c.recover(when, n%2 == 0)
			c.isOriginal(when)
			if t.Failed() {
				t.Fatalf("see above; the error was %v", err)
			}
		}
		t.Logf("%s: %d of %d calls fail it", what, failed, c.calls[what])
		if failed == 0 {
			t.Error("nothing fails: this tests nothing")
		}
	}
}

func (c *crasher) nothingListed() bool {
	h := c.history()
	defer h.Close()
	list, err := h.List()
	return err == nil && len(list) == 0
}

func (c *crasher) try(what string) error {
	h, err := OpenHistory(c.data)
	if err != nil {
		return err
	}
	defer h.Close()
	if err := h.Lock(context.Background()); err != nil {
		return err
	}
	if what == "apply" {
		_, err = h.Apply(context.Background(), c.plan(), nil)
		return err
	}
	list, err := h.List()
	if err != nil {
		return err
	}
	_, err = h.Undo(context.Background(), list[0].ID, UndoOptions{Home: c.homefd, Upper: c.upperfd}, nil)
	return err
}

// What apply, undo and discard change, they change by calls_linux.go.
func TestCallsAreAll(t *testing.T) {
	changing := strings.Fields("Rename Renameat Renameat2 Unlink Unlinkat Rmdir Mkdir Mkdirat Mknod Mknodat Link Linkat Symlink Symlinkat Chmod Fchmod Fchmodat " +
		"Chown Fchown Fchownat Lchown UtimesNanoAt Futimes Setxattr Lsetxattr Fsetxattr Removexattr Lremovexattr Fremovexattr Write Pwrite Truncate Ftruncate " +
		"Fallocate CopyFileRange IoctlFileClone Fsync Syncfs WriteFile Remove RemoveAll Create Chtimes RemoveTree O_CREAT")
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	used := 0
	for _, name := range files {
		switch name {
		case "calls_linux.go", "build_linux.go", "probe_linux.go": // the latter are before a program runs
			continue
		}
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		fset := token.NewFileSet()
		f, err := parser.ParseFile(fset, name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(f, func(n ast.Node) bool {
			s, ok := n.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			pkg, ok := s.X.(*ast.Ident)
			if !ok || pkg.Name != "unix" && pkg.Name != "os" && pkg.Name != "box" || !slices.Contains(changing, s.Sel.Name) {
				return true
			}
			if s.Sel.Name == "O_CREAT" && (name == "history_linux.go" || name == "near_linux.go") {
				used++ // the lock, and a file that is only added to
				return true
			}
			t.Errorf("%v: %s.%s", fset.Position(s.Pos()), pkg.Name, s.Sel.Name)
			return true
		})
	}
	if used != 2 {
		t.Errorf("%d exceptions, not 2", used)
	}
}
