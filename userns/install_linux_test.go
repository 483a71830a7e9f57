package userns

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"cove/internal/testenv"
)

// columns reads a file of columns as MapText writes them.
func columns(path string) (string, error) {
	b, err := os.ReadFile(path)
	var s strings.Builder
	for line := range strings.Lines(string(b)) {
		s.WriteString(strings.Join(strings.Fields(line), " ") + "\n")
	}
	return s.String(), err
}

func TestInstall(t *testing.T) {
	u, subs := me(t)
	for _, who := range []string{"root", "keep", "65534"} {
		t.Run(who, func(t *testing.T) {
			m, err := Plan(u, subs, who, "subids")
			if err != nil {
				t.Fatal(err)
			}
			cmd := exec.Command("sleep", "60")
			inUserns(t, cmd)
			pid := cmd.Process.Pid
			if err := Install(pid, m); err != nil {
				t.Fatal(err)
			}
			for file, want := range map[string]string{"uid_map": MapText(m.UIDs), "gid_map": MapText(m.GIDs), "setgroups": "allow\n"} {
				got, err := columns(fmt.Sprintf("/proc/%d/%s", pid, file))
				if err != nil || got != want {
					t.Errorf("%s is\n%s%v, not\n%s", file, got, err, want)
				}
			}
			// A map can be written once.
			err = Install(pid, m)
			if e := new(Error); !errors.As(err, &e) || !strings.HasPrefix(e.Msg, "cannot map subordinate ids: newuidmap: ") {
				t.Errorf("once more: %v", err)
			}
		})
	}
}

func TestInstallRefused(t *testing.T) {
	u, subs := me(t)
	m, err := Plan(u, subs, "root", "subids")
	if err != nil {
		t.Fatal(err)
	}
	theirs := func(lines []Range) []Range {
		return append([]Range{{70000, 4000000000, 10}}, lines...)
	}
	for _, test := range []struct {
		name       string
		uids, gids []Range
		msg, hint  string
	}{
		{"uids of others", theirs(m.UIDs), m.GIDs, "cannot map subordinate ids: newuidmap: uid range [70000-70010) -> [4000000000-4000000010) not allowed",
			"newuidmap looks itself: the whole range must be yours in /etc/subuid"},
		{"gids of others", m.UIDs, theirs(m.GIDs), "cannot map subordinate ids: newgidmap: gid range [70000-70010) -> [4000000000-4000000010) not allowed",
			"newgidmap looks itself: the whole range must be yours in /etc/subgid"},
	} {
		t.Run(test.name, func(t *testing.T) {
			cmd := exec.Command("sleep", "60")
			inUserns(t, cmd)
			err := Install(cmd.Process.Pid, Map{UIDs: test.uids, GIDs: test.gids, Helper: true})
			e := new(Error)
			if !errors.As(err, &e) || e.Msg != test.msg || !strings.HasPrefix(e.Hint, test.hint) {
				t.Errorf("%v", err)
			}
		})
	}
	t.Run("a process that is gone", func(t *testing.T) {
		cmd := exec.Command("true")
		if err := cmd.Run(); err != nil {
			t.Fatal(err)
		}
		if err := Install(cmd.Process.Pid, m); err == nil || !strings.HasPrefix(err.Error(), "cannot map subordinate ids: newuidmap: ") {
			t.Errorf("%v", err)
		}
	})
}

// Under no_new_privs a setuid program gains nothing. Root's has all it needs.
func TestInstallNoNewPrivs(t *testing.T) {
	me(t)
	inUserns(t, exec.Command("sleep", "60")) // only to see whether that can be had
	out, err := testenv.Task("install").Output()
	if err != nil {
		t.Fatal(err)
	}
	want := "; cove was started under no_new_privs (by a sandbox, "
	if os.Getuid() == 0 {
		want = "<nil>"
	}
	if !strings.Contains(string(out), want) {
		t.Errorf("got %q, not %q", out, want)
	}
}

func taskInstall([]string) error {
	runtime.LockOSThread()
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return err
	}
	u, err := CurrentUser(os.Getenv)
	if err != nil {
		return err
	}
	subs, err := ReadRanges(u)
	if err != nil {
		return err
	}
	m, err := Plan(u, subs, "root", "subids")
	if err != nil {
		return err
	}
	cmd := exec.Command("sleep", "60")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWUSER}
	if err := cmd.Start(); err != nil {
		return err
	}
	fmt.Println(Install(cmd.Process.Pid, m))
	cmd.Process.Kill()
	cmd.Wait()
	return nil
}

func TestInstallTellsTheHelpers(t *testing.T) {
	m := Map{UIDs: []Range{{0, 1000, 1}, {1, 100000, 65536}}, GIDs: []Range{{0, 1000, 1}, {1, 200000, 65536}}, Helper: true}
	for _, test := range []struct{ name, uid, gid, err, ran string }{
		{"well", "", "", "<nil>", "newuidmap 42 0 1000 1 1 100000 65536\nnewgidmap 42 0 1000 1 1 200000 65536\n"},
		{"in C", `[ "$LC_ALL" = C ]`, `[ "$LC_ALL" = C ]`, "<nil>", "newuidmap 42 0 1000 1 1 100000 65536\nnewgidmap 42 0 1000 1 1 200000 65536\n"},
		{"the first fails", "echo newuidmap: Cannot determine your user name. >&2; exit 1", "",
			"cannot map subordinate ids: newuidmap: Cannot determine your user name.; newuidmap serves only users with an entry in the passwd database; use --ids single",
			"newuidmap 42 0 1000 1 1 100000 65536\n"},
		{"the second fails", "", "echo no more >&2; exit 3", "cannot map subordinate ids: newgidmap: no more",
			"newuidmap 42 0 1000 1 1 100000 65536\nnewgidmap 42 0 1000 1 1 200000 65536\n"},
		{"without a word", "exit 7", "", "cannot map subordinate ids: newuidmap: exit status 7", "newuidmap 42 0 1000 1 1 100000 65536\n"},
	} {
		t.Run(test.name, func(t *testing.T) {
			log := filepath.Join(t.TempDir(), "log")
			say := `echo "${0##*/} $*" >>` + log + "\n"
			programs(t, map[string]string{"newuidmap": say + test.uid, "newgidmap": say + test.gid})
			err := Install(42, m)
			ran, _ := os.ReadFile(log)
			if fmt.Sprint(err) != test.err || string(ran) != test.ran {
				t.Errorf("%v\nran %s", err, ran)
			}
		})
	}
	t.Run("not installed", func(t *testing.T) {
		programs(t, nil)
		err := Install(42, m)
		want := "cannot map subordinate ids: newuidmap is not installed; install it: sudo apt install uidmap"
		if e := new(Error); !errors.As(err, &e) || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%v", err)
		}
	})
	t.Run("not setuid", func(t *testing.T) {
		dir := programs(t, map[string]string{"newuidmap": "echo newuidmap: write to uid_map failed: Operation not permitted >&2; exit 1"})
		err := Install(42, m)
		want := dir + "/newuidmap is not setuid root" // which root does not need, and others lack last
		if os.Getuid() != 0 && !strings.Contains(fmt.Sprint(err), want) {
			t.Errorf("%v", err)
		}
	})
	for _, test := range []struct {
		pid  int
		m    Map
		want string
	}{
		{42, Map{UIDs: []Range{{0, 5, 1}}, GIDs: []Range{{0, 5, 1}}}, "cannot install the id map 5:5 → 0:0 from outside: it needs no helper (this is a bug in cove)"},
		{0, m, "cannot install an id map for process 0 (this is a bug in cove)"},
		{-1, m, "cannot install an id map for process -1 (this is a bug in cove)"},
	} {
		if err := Install(test.pid, test.m); fmt.Sprint(err) != test.want {
			t.Errorf("%v", err)
		}
	}
}

// TestKernelLimits asks the kernel for what Plan takes for granted: 340 lines, 4095 bytes, and no id twice.
func TestKernelLimits(t *testing.T) {
	u, subs := me(t)
	total := 0
	for _, s := range subs.UIDs {
		total += s.Count
	}
	if total < 1000 {
		testenv.Need(t, "subids", fmt.Errorf("/etc/subuid has only %d for %s", total, u.Name))
	}
	m, err := Plan(u, subs, "root", "subids")
	if err != nil {
		t.Fatal(err)
	}
	out, err := runMapped(t, testenv.Task("limits"), m)
	if err != nil {
		t.Fatal(err)
	}
	const want = `340 lines: <nil>
341 lines: EINVAL
4095 bytes: <nil>
4096 bytes: EINVAL
an outside id twice: EINVAL
an inside id twice: EINVAL
the last id: <nil>
no id: EINVAL
`
	if out != want {
		t.Errorf("got\n%swant\n%s", out, want)
	}
}

// runMapped runs a task in a user namespace with the map m, and returns what it printed. The task waits for a line first.
func runMapped(t testing.TB, cmd *exec.Cmd, m Map) (string, error) {
	t.Helper()
	var out strings.Builder
	cmd.Stdout = &out
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	inUserns(t, cmd)
	if err := Install(cmd.Process.Pid, m); err != nil {
		t.Fatal(err)
	}
	io.WriteString(in, "go\n")
	in.Close()
	err = cmd.Wait()
	return out.String(), err
}

func taskLimits([]string) error {
	if err := testenv.AwaitMap(); err != nil {
		return err
	}
	lines := func(n int) (r []Range) {
		for i := range n {
			r = append(r, Range{2 * i, 2 * i, 1})
		}
		return r
	}
	text := func(size int) string {
		var r []Range
		for i := 0; len(MapText(r)) < size-60; i++ {
			r = append(r, Range{4000000000 + 2*i, 500 + i, 1})
		}
		s := MapText(r)
		return s + strings.Repeat(" ", size-len(s)-len("7 5 1\n")) + "7 5 1\n"
	}
	for _, test := range []struct{ name, text string }{
		{"340 lines", MapText(lines(340))},
		{"341 lines", MapText(lines(341))},
		{"4095 bytes", text(4095)},
		{"4096 bytes", text(4096)},
		{"an outside id twice", MapText([]Range{{0, 0, 10}, {10, 9, 1}})},
		{"an inside id twice", MapText([]Range{{0, 0, 10}, {9, 10, 1}})},
		{"the last id", MapText([]Range{{maxID, 1, 1}})},
		{"no id", MapText([]Range{{maxID + 1, 1, 1}})},
	} {
		cmd := exec.Command("sleep", "60")
		cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWUSER}
		if err := cmd.Start(); err != nil {
			return err
		}
		err := os.WriteFile(fmt.Sprintf("/proc/%d/uid_map", cmd.Process.Pid), []byte(test.text), 0)
		if errno := syscall.Errno(0); errors.As(err, &errno) {
			fmt.Printf("%s: %s\n", test.name, unix.ErrnoName(errno))
		} else {
			fmt.Printf("%s: %v\n", test.name, err)
		}
		cmd.Process.Kill()
		cmd.Wait()
	}
	return nil
}
