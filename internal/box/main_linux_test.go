package box

import (
	"bufio"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"cove/internal/testenv"
)

// What another process must do, or what cannot be undone, a child does. A task ends when its stdin does: no test leaves one behind.
var tasks = map[string]testenv.Do{
	"nothing":    func([]string) error { return nil },
	"hold":       taskHold,
	"remove":     taskRemove,
	"stress":     taskStress,
	"short":      taskShort,
	"full":       taskFull,
	"mounts":     taskMounts,
	"deep":       taskDeep,
	"foreign":    taskForeign,
	"removetree": taskRemoveTree,
}

func TestMain(m *testing.M) { testenv.Main(m, tasks) }

// A process is a child at a task.
type process struct {
	*exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
}

func start(t testing.TB, attr *syscall.SysProcAttr, task string, args ...string) *process {
	t.Helper()
	p := &process{Cmd: testenv.Task(task, args...)}
	p.SysProcAttr = attr
	var err error
	if p.in, err = p.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := p.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	p.out = bufio.NewReader(out)
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		p.Process.Kill()
		p.Wait()
	})
	return p
}

// hears reads a line from a process, and fails if it is another.
func (p *process) hears(t testing.TB, want string) {
	t.Helper()
	if line, err := p.out.ReadString('\n'); line != want+"\n" {
		t.Fatalf("the child says %q (%v), not %q", line, err, want)
	}
}

// ends lets the process end, and returns what it had still to say.
func (p *process) ends(t testing.TB) string {
	t.Helper()
	p.in.Close()
	out, _ := io.ReadAll(p.out)
	if err := p.Wait(); err != nil {
		t.Fatalf("%v; it said: %s", err, out)
	}
	return string(out)
}

func (p *process) kill(t testing.TB) {
	t.Helper()
	if err := p.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	p.Wait()
}

// inUserns is a process that may mount. It needs userns.
func inUserns(t testing.TB, task string, args ...string) *process {
	t.Helper()
	attr := func() *syscall.SysProcAttr {
		return &syscall.SysProcAttr{
			Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS,
			UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
			GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
		}
	}
	try := testenv.Task("nothing")
	try.SysProcAttr = attr()
	testenv.Need(t, "userns", try.Run())
	return start(t, attr(), task, args...)
}

// inSubids is a process in a user namespace in which it is root, and 1 is one of the user's subordinate ids. It needs
// subids, and must begin with testenv.AwaitMap.
func inSubids(t testing.TB, task string, args ...string) *process {
	t.Helper()
	var first [2]string
	for i, file := range []string{"/etc/subuid", "/etc/subgid"} {
		for _, helper := range []string{"newuidmap", "newgidmap"} {
			_, err := exec.LookPath(helper)
			testenv.Need(t, "subids", err)
		}
		name, err := exec.Command("id", "-un").Output()
		if err != nil {
			t.Fatal(err)
		}
		text, _ := os.ReadFile(file)
		for line := range strings.Lines(string(text)) {
			f := strings.Split(strings.TrimSpace(line), ":")
			if len(f) == 3 && (f[0] == strings.TrimSpace(string(name)) || f[0] == fmt.Sprint(os.Getuid())) {
				first[i] = f[1]
				break
			}
		}
		if first[i] == "" {
			testenv.Need(t, "subids", fmt.Errorf("%s has no line for %s", file, name))
		}
	}
	p := start(t, &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWUSER}, task, args...)
	for i, helper := range []string{"newuidmap", "newgidmap"} {
		own := fmt.Sprint([]int{os.Getuid(), os.Getgid()}[i])
		if out, err := exec.Command(helper, fmt.Sprint(p.Process.Pid), "0", own, "1", "1", first[i], "1").CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	io.WriteString(p.in, "go\n")
	return p
}

// newData returns a data directory, and at the end of the test looks whether a descriptor was left open below it.
func newData(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	t.Cleanup(func() {
		fds, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Error(err)
		}
		for _, fd := range fds {
			if to, _ := os.Readlink("/proc/self/fd/" + fd.Name()); strings.HasPrefix(to, dir) {
				t.Errorf("descriptor %s is still open: %s", fd.Name(), to)
			}
		}
	})
	return dir
}

func newStore(t testing.TB, data string) *Store {
	t.Helper()
	s, err := Open(data)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// made makes a box that has been run once, and is free.
func made(t testing.TB, s *Store, name string) {
	t.Helper()
	b := taken(t, s, name)
	prepare(t, b, "/")
	closed(t, b)
}

func taken(t testing.TB, s *Store, name string) *Box {
	t.Helper()
	b, err := s.Acquire(name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.unlock)
	return b
}

func prepare(t testing.TB, b *Box, home string) {
	t.Helper()
	if err := b.Prepare(home, "kernel", false); err != nil {
		t.Fatal(err)
	}
}

func closed(t testing.TB, b *Box) {
	t.Helper()
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
}

func write(t testing.TB, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func read(t testing.TB, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// tree shows what is below dir: a line for each with its kind, mode and path.
func tree(t testing.TB, dir string) string {
	t.Helper()
	var b strings.Builder
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == dir {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(dir, path)
		fmt.Fprintf(&b, "%s %s\n", info.Mode(), rel)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// names shows the names in dir, hidden ones too.
func names(t testing.TB, dir string) string {
	t.Helper()
	list, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var s []string
	for _, e := range list {
		s = append(s, e.Name())
	}
	return strings.Join(s, " ")
}

func exists(path string) bool {
	var st unix.Stat_t
	return unix.Lstat(path, &st) == nil
}
