package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// crowd is how many sandboxes run at once.
const crowd = 200

// A member of a crowd is a sandbox whose program says that it runs, and ends when it is let go.
type member struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Scanner
}

// join starts cmd, to be spoken with, and kills it when the test ends.
func join(t testing.TB, cmd *exec.Cmd) member {
	t.Helper()
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill() })
	return member{cmd, in, bufio.NewScanner(out)}
}

// gather starts n sandboxes of one user at once, and returns when all of their programs run.
func gather(t testing.TB, n int, start func(i int) *exec.Cmd) []member {
	t.Helper()
	members := make([]member, n)
	for i := range members {
		cmd := start(i)
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
		members[i] = join(t, cmd)
	}
	for i, m := range members {
		if !m.out.Scan() || m.out.Text() != "ready" {
			t.Fatalf("sandbox %d of %d printed %q and not that it is ready", i, n, m.out.Text())
		}
	}
	return members
}

// scatter lets all go, and waits for them.
func scatter(t testing.TB, members []member) {
	t.Helper()
	for _, m := range members {
		m.in.Close()
	}
	for i, m := range members {
		if err := m.cmd.Wait(); err != nil {
			t.Errorf("sandbox %d: %v", i, err)
		}
	}
}

// Two hundred sandboxes at once start, run, each with changes of its own, and leave nothing but those.
func TestCrowd(t *testing.T) {
	home := t.TempDir()
	if err := os.MkdirAll(filepath.Join(home, ".local/share/cove"), 0o755); err != nil {
		t.Fatal(err)
	}
	boxes := filepath.Join(home, ".local/share/cove/boxes")
	before := treeOf(t, home)
	members := gather(t, crowd, func(i int) *exec.Cmd {
		if i%2 == 0 {
			return coveIn(home, "run", "--", "sh", "-c", "echo ready; read x; true")
		}
		return coveIn(home, "run", "--box", "b"+strconv.Itoa(i), "--", "sh", "-c", "echo ready; read x; echo "+strconv.Itoa(i)+" > mine")
	})
	scatter(t, members)
	for i, m := range members {
		var left []string
		for end := time.Now().Add(5 * time.Second); time.Now().Before(end); time.Sleep(2 * time.Millisecond) {
			if left = processesOf(m.cmd.Process.Pid, ""); len(left) == 0 {
				break
			}
		}
		if len(left) > 0 {
			t.Errorf("of sandbox %d are left: %q", i, left)
		}
		if i%2 == 1 {
			text, err := os.ReadFile(fmt.Sprintf("%s/b%d/upper/mine", boxes, i))
			if string(text) != fmt.Sprintln(i) {
				t.Errorf("box b%d holds %q, %v", i, text, err)
			}
		}
	}
	if names, _ := filepath.Glob(boxes + "/*"); len(names) != crowd/2 {
		t.Errorf("there are %d boxes and not the %d in which something changed", len(names), crowd/2)
	}
	if out, err := coveIn(home, "rm", "--all", "--yes").CombinedOutput(); err != nil {
		t.Errorf("cove rm --all: %v\n%s", err, out)
	}
	if names, _ := filepath.Glob(boxes + "/*"); len(names) > 0 {
		t.Errorf("are left: %q", names)
	}
	if now := treeOf(t, home); now != before {
		t.Errorf("the home changed; before:\n%s\nnow:\n%s", before, now)
	}
	if text, err := os.ReadFile("/proc/self/mountinfo"); err != nil || strings.Contains(string(text), home) {
		t.Errorf("a mount is left, or %v", err)
	}
}

// Two hundred that do nothing, as fast as they can be started.
func TestCrowdOfTrue(t *testing.T) {
	home := t.TempDir()
	var all sync.WaitGroup
	for range crowd {
		all.Go(func() {
			if out, err := coveIn(home, "run", "--", "true").CombinedOutput(); err != nil {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
	all.Wait()
	if names, _ := filepath.Glob(home + "/.local/share/cove/boxes/*"); len(names) > 0 {
		t.Errorf("boxes are left: %q", names)
	}
}

// The memory of sandboxes in which a program waits: cove's own processes, the supervisor and pid 1, as their shares of
// what is in memory (PSS, proc_pid_smaps(5)). The goal is 4 MB each. Only root can read it of pid 1.
func BenchmarkIdleMemory(b *testing.B) {
	if os.Getuid() != 0 {
		b.Skip("needs root, to read the memory of pid 1")
	}
	cove := filepath.Join(b.TempDir(), "cove")
	build := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", cove, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		b.Fatalf("%v\n%s", err, out)
	}
	for _, n := range []int{1, 10, crowd} {
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			for range b.N {
				home := b.TempDir()
				members := gather(b, n, func(int) *exec.Cmd {
					cmd := coveIn(home, "run", "--", "sh", "-c", "echo ready; read x")
					cmd.Path = cove
					return cmd
				})
				kB := 0
				for _, m := range members {
					kB += pss(b, m.cmd.Process.Pid) + pss(b, childOf(m.cmd.Process.Pid))
				}
				b.ReportMetric(float64(kB)/1024/float64(n), "MB/sandbox")
				for _, m := range members {
					m.in.Close()
				}
				for _, m := range members {
					m.cmd.Wait() // read x ends with status 1
				}
			}
		})
	}
}

// pss is the proportional set size of a process in kB.
func pss(t testing.TB, pid int) (kB int) {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "\nPss:")
	if fmt.Sscan(rest, &kB); kB == 0 {
		t.Fatalf("no Pss of process %d:\n%s", pid, text)
	}
	return kB
}
