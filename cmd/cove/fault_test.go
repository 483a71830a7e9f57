package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Faults: whenever cove or its pid 1 is killed, nothing of the sandbox stays but its box, which can be used, and holds
// what was written until then.

// faults is how many kills of TestKilled must have met somebody alive.
const faults = 200

// A victim is who is killed.
type victim int

const (
	supervisor victim = iota
	pid1
)

func (v victim) String() string { return [...]string{"supervisor", "pid 1"}[v] }

// A fault is one kill: of whom, in which kind of run, and when.
type fault struct {
	n        int
	victim   victim
	box      []string // flags that say what box
	writes   bool     // the program goes on writing, and is killed as it does
	after    time.Duration
	overlay  string
	detached bool // the program leaves a process in a session of its own
}

func (f fault) String() string {
	when := "from the start"
	if f.writes {
		when = "from the program's first file"
	}
	return fmt.Sprintf("fault %d: %v killed %v %s, overlay %s, flags %q", f.n, f.victim, f.after, when, f.overlay, f.box)
}

// A ward is a home in which faults happen one after the other, all with the same named box.
type ward struct {
	t      *testing.T
	home   string
	before string
	kept   []string      // what was surely written in the box "same"
	last   string        // the standard error of the last run
	whole  time.Duration // what a run takes: how late a kill makes sense
}

func (w *ward) cove(args ...string) *exec.Cmd {
	cmd := coveIn(w.home, args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	return cmd
}

// must runs cove, to the end.
func (w *ward) must(f fault, codes []int, args ...string) string {
	w.t.Helper()
	var out, errs bytes.Buffer
	cmd := w.cove(args...)
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); !slices.Contains(codes, cmd.ProcessState.ExitCode()) {
		w.t.Fatalf("%v\nafter it, cove %s: %v\n%s%s\nthe killed one had printed:\n%s", f, strings.Join(args, " "), err, out.String(), errs.String(), w.last)
	}
	return out.String()
}

// suffer lets f happen, looks at what is left, and tells whether it did happen: whether the sandbox still lived.
func (w *ward) suffer(f fault) bool {
	w.t.Helper()
	mark := fmt.Sprintf("mark-%d-%d", os.Getpid(), f.n)
	script := fmt.Sprintf("touch f%d", f.n)
	if f.writes {
		// Each name is printed when the file is there.
		script = fmt.Sprintf("n=0; while :; do n=$((n+1)); echo $n > f%d-$n; mkdir -p d%[1]d/$n; echo f%[1]d-$n; done", f.n)
	}
	if f.detached {
		script = "setsid sleep 1000 & " + script
	}
	args := append([]string{"run", "--env", "MARK=" + mark, "--overlay", f.overlay}, f.box...)
	cmd := w.cove(append(args, "--", "sh", "-c", script)...)
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.StdoutPipe()
	if err != nil {
		w.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	pid := cmd.Process.Pid
	var written []string
	lines := bufio.NewScanner(out)
	if f.writes && lines.Scan() {
		written = append(written, lines.Text())
	}
	var reading sync.WaitGroup
	reading.Go(func() {
		for lines.Scan() {
			written = append(written, lines.Text())
		}
	})
	target := pid
	if f.victim == pid1 {
		for target = 0; target == 0 && !isZombie(pid); {
			target = childOf(pid)
		}
	}
	if f.writes || f.victim == supervisor {
		time.Sleep(f.after)
	} else {
		for end := time.Now().Add(f.after); time.Now().Before(end); { // finer than Sleep
		}
	}
	if target > 0 {
		unix.Kill(target, unix.SIGKILL)
	}
	reading.Wait()
	cmd.Wait()
	w.last = errs.String()
	ended := cmd.ProcessState.Sys().(syscall.WaitStatus)
	if code := cmd.ProcessState.ExitCode(); f.victim == pid1 && code != 0 && code != 128+9 && (code != exitFailed || strings.Contains(w.last, "bug")) {
		w.t.Errorf("%v: cove ended with status %d\n%s", f, code, w.last)
	}

	// All of it is in the session that cove was started in, or has the mark in its command line.
	var left []string
	for end := time.Now().Add(5 * time.Second); ; time.Sleep(2 * time.Millisecond) {
		// The environment last: to read it of all processes takes longer than the fault did.
		if left = processesOf(pid, ""); len(left) == 0 {
			left = processesOf(pid, mark)
		}
		if len(left) == 0 || time.Now().After(end) {
			break
		}
	}
	if len(left) > 0 {
		w.t.Errorf("%v: processes are left: %q", f, left)
	}
	if text, err := os.ReadFile("/proc/self/mountinfo"); err != nil || strings.Contains(string(text), w.home) {
		w.t.Errorf("%v: a mount is left, or %v", f, err)
	}
	if now := treeOf(w.t, w.home); now != w.before {
		w.t.Errorf("%v: the home changed; before:\n%s\nnow:\n%s", f, w.before, now)
	}
	if f.same() {
		w.kept = append(w.kept, written...)
	}
	// The next one works, and finds what was written before.
	if len(w.kept) > 40 {
		w.kept = w.kept[len(w.kept)-40:]
	}
	start := time.Now()
	list := w.must(f, []int{0}, append([]string{"run", "--overlay", f.overlay, "--box", w.same(f), "--", "ls"}, w.keptFor(f)...)...)
	w.whole = (3*w.whole + time.Since(start)) / 4
	for _, name := range w.keptFor(f) {
		if !strings.Contains(list, name) {
			w.t.Errorf("%v: lost %s", f, name)
		}
	}
	if f.n%4 == 0 {
		if text := w.must(f, []int{0}, "ls"); strings.Contains(text, "damaged") || strings.Contains(text, "running") {
			w.t.Errorf("%v: cove ls prints\n%s", f, text)
		}
		text := w.must(f, []int{0, 1}, "diff", w.same(f))
		for _, name := range w.keptFor(f) {
			if !strings.Contains(text, " "+name+"\n") {
				w.t.Errorf("%v: cove diff lacks %s", f, name)
			}
		}
	}
	return ended.Signaled() || ended.ExitStatus() != 0
}

// same is the box that is used again; it belongs to one backend.
func (w *ward) same(f fault) string { return "same-" + f.overlay }
func (f fault) same() bool          { return len(f.box) == 2 }

func (w *ward) keptFor(f fault) (names []string) {
	if f.overlay == "kernel" {
		return w.kept
	}
	return nil
}

func TestKilled(t *testing.T) {
	t.Parallel()
	suffer(t, "kernel", faults)
}

// The same where a sandboxed fuse-overlayfs keeps the copy: two sandboxes then.
func TestKilledFuse(t *testing.T) {
	t.Parallel()
	if have, err := condition("need:fuse"); err != nil {
		t.Fatal(err)
	} else if !have {
		t.Skip("needs /dev/fuse and fuse-overlayfs")
	}
	suffer(t, "fuse", faults/6)
}

func suffer(t *testing.T, backend string, n int) {
	const wards = 2
	var next, hit atomic.Int64
	for i := range wards {
		t.Run(strconv.Itoa(i), func(t *testing.T) {
			t.Parallel()
			home := t.TempDir()
			w := &ward{t: t, home: home}
			if err := errors.Join(os.MkdirAll(filepath.Join(home, ".local/share/cove"), 0o755), os.Mkdir(filepath.Join(home, "dir"), 0o755),
				os.WriteFile(filepath.Join(home, "dir/real"), []byte("real\n"), 0o644)); err != nil {
				t.Fatal(err)
			}
			w.before = treeOf(t, home)
			start := time.Now()
			w.must(fault{}, []int{0}, "run", "--overlay", backend, "--box", "same-"+backend, "--", "touch", "first")
			w.whole = time.Since(start)
			for {
				k := int(next.Add(1))
				if int(hit.Load()) >= n || t.Failed() {
					break
				} else if k > 3*n {
					t.Errorf("of %d kills only %d met somebody alive", k, hit.Load())
					break
				}
				f := fault{n: k, overlay: backend, victim: victim(k % 2), writes: k%5 == 0, detached: k%3 == 0}
				f.box = [][]string{{"--box", "same-" + backend}, nil, {"--rm"}, {"--box", "same-" + backend}}[k/2%4]
				f.after = rand.N(w.whole)
				if f.writes {
					f.after = rand.N(8 * time.Millisecond)
				}
				if w.suffer(f) {
					hit.Add(1)
				}
			}
			// Whatever boxes the others have left can be dropped.
			w.must(fault{}, []int{0}, "rm", "--all", "--yes")
			if names, err := filepath.Glob(filepath.Join(home, ".local/share/cove/boxes/*")); err != nil || len(names) > 0 {
				var full []string
				for _, name := range names {
					// A box that was killed before it held anything is an empty one to whoever makes the next; cove ls
					// does not show it.
					if inside, _ := filepath.Glob(name + "/upper/*"); len(inside) > 0 {
						full = append(full, name)
					}
				}
				if len(full) > 0 {
					t.Errorf("boxes are left: %q", full)
				}
				t.Logf("%d unfinished boxes are left", len(names))
			}
			t.Logf("%d kills of %d met somebody alive", hit.Load(), next.Load())
		})
	}
}

// childOf is the child of a process, or 0.
func childOf(pid int) int {
	tasks, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	for _, task := range tasks {
		text, _ := os.ReadFile(task)
		if first, _, ok := strings.Cut(string(text), " "); ok {
			child, _ := strconv.Atoi(first)
			return child
		}
	}
	return 0
}

func isZombie(pid int) bool {
	_, fields := statOf(strconv.Itoa(pid))
	return len(fields) == 0 || fields[0] == "Z"
}

// statOf is the name of a process, and what follows it in proc_pid_stat(5).
func statOf(pid string) (name string, fields []string) {
	text, _ := os.ReadFile("/proc/" + pid + "/stat")
	open, end := bytes.IndexByte(text, '('), bytes.LastIndexByte(text, ')')
	if open < 0 || end < open {
		return "", nil
	}
	return string(text[open+1 : end]), strings.Fields(string(text[end+1:]))
}

// processesOf lists those that are in the session, or have the mark, where it is not empty, on their command line or in
// their environment.
func processesOf(session int, mark string) (list []string) {
	dir, err := os.Open("/proc")
	if err != nil {
		return []string{err.Error()}
	}
	defer dir.Close()
	pids, _ := dir.Readdirnames(-1)
	for _, pid := range pids {
		if pid[0] < '0' || pid[0] > '9' {
			continue
		}
		name, fields := statOf(pid)
		if len(fields) < 4 || fields[0] == "Z" {
			continue
		}
		ours := fields[3] == strconv.Itoa(session)
		for _, file := range []string{"/cmdline", "/environ"} {
			if !ours && mark != "" {
				text, _ := os.ReadFile("/proc/" + pid + file)
				ours = bytes.Contains(text, []byte("MARK="+mark+"\x00"))
			}
		}
		if ours {
			list = append(list, pid+" "+name+" "+fields[0])
		}
	}
	return list
}

// treeOf is a home as text: names, modes, sizes, inode numbers, times of change; without cove's own.
func treeOf(t *testing.T, home string) string {
	var text strings.Builder
	err := filepath.WalkDir(home, func(p string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if p == filepath.Join(home, ".local/share/cove") {
			return filepath.SkipDir
		}
		var st unix.Stat_t
		if err := unix.Lstat(p, &st); err != nil {
			return err
		}
		fmt.Fprintln(&text, p, st.Mode, st.Size, st.Ino, st.Ctim.Nano())
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return text.String()
}
