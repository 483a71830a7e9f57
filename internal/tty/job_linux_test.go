package tty

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// inSession runs the test that calls it in a process of its own, which leads a session whose terminal is user, as a
// login shell does.
func inSession(t *testing.T, test func(user pty)) {
	t.Helper()
	if os.Getenv("TTY_TEST_SESSION") == "" {
		t.Parallel()
		ctx, cancel := context.WithTimeout(t.Context(), 2*longEnough)
		defer cancel()
		cmd := exec.CommandContext(ctx, "/proc/self/exe", "-test.run=^"+t.Name()+"$", "-test.v")
		cmd.Env = append(os.Environ(), "TTY_TEST_SESSION=1")
		cmd.SysProcAttr = &unix.SysProcAttr{Setsid: true}
		out, err := cmd.CombinedOutput()
		if err != nil || !strings.Contains(string(out), "--- PASS") {
			t.Errorf("%v\n%s", err, out)
		}
		return
	}
	user := newPTY(t)
	if err := unix.IoctlSetInt(int(user.slave.Fd()), unix.TIOCSCTTY, 0); err != nil {
		t.Fatal("cannot take the terminal: ", err)
	}
	t.Cleanup(func() { signal.Ignore(unix.SIGHUP) }) // before user is closed
	test(user)
}

// A job is a supervisor that a shell has started.
type job struct {
	*testing.T
	user    pty
	cmd     *exec.Cmd
	pid     int
	orders  *os.File
	answers *bufio.Reader
	partner int // another process of the same process group
}

// startJob starts a job; in the foreground, if it should.
func startJob(t *testing.T, user pty, foreground bool) *job {
	t.Helper()
	j := &job{T: t, user: user}
	pipe := func() (r, w *os.File) {
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { r.Close(); w.Close() })
		return r, w
	}
	ordersIn, orders := pipe()
	answers, answersOut := pipe()
	j.cmd = exec.Command("/proc/self/exe")
	j.cmd.Env = append(os.Environ(), "TTY_TEST_ROLE=supervisor")
	j.cmd.Stdin, j.cmd.Stdout, j.cmd.Stderr = user.slave, user.slave, os.Stderr
	j.cmd.ExtraFiles = []*os.File{ordersIn, answersOut}
	j.cmd.SysProcAttr = &unix.SysProcAttr{Setpgid: true, Foreground: foreground, Ctty: int(user.slave.Fd())}
	if err := j.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	j.pid = j.cmd.Process.Pid
	t.Cleanup(func() { unix.Kill(-j.pid, unix.SIGKILL) })
	answersOut.Close()
	answers.SetReadDeadline(time.Now().Add(longEnough))
	j.orders, j.answers = orders, bufio.NewReader(answers)

	idleIn, idle := pipe()
	t.Cleanup(func() { idle.Close() })
	partner := exec.Command("/proc/self/exe")
	partner.Env = append(os.Environ(), "TTY_TEST_ROLE=idle")
	partner.Stdin = idleIn
	partner.SysProcAttr = &unix.SysProcAttr{Setpgid: true, Pgid: j.pid}
	if err := partner.Start(); err != nil {
		t.Fatal(err)
	}
	j.partner = partner.Process.Pid

	// As shells do, or taking the terminal back would stop us. The job has the default.
	signal.Ignore(unix.SIGTTOU)
	j.tell("hello")
	return j
}

// order tells the job what to do; answer is what it says when it has done it.
func (j *job) order(text string) { fmt.Fprintln(j.orders, text) }

func (j *job) answer() string {
	j.Helper()
	s, err := j.answers.ReadString('\n')
	if err != nil {
		j.Fatalf("no answer: %v; state of the job: %s", err, j.state())
	}
	return strings.TrimSuffix(s, "\n")
}

func (j *job) tell(text string) string {
	j.Helper()
	j.order(text)
	return j.answer()
}

// state is how the job stopped or ended, if it did.
func (j *job) state() string {
	var ws unix.WaitStatus
	pid, err := unix.Wait4(j.pid, &ws, unix.WNOHANG|unix.WUNTRACED, nil)
	switch {
	case err != nil:
		return err.Error()
	case pid == 0:
		return "running"
	case ws.Stopped():
		return "stopped by " + unix.SignalName(ws.StopSignal())
	}
	return fmt.Sprintf("ended, %x", uint32(ws))
}

func (j *job) wantStopped(by unix.Signal) {
	j.Helper()
	for _, pid := range []int{j.pid, j.partner} {
		var ws unix.WaitStatus
		eventually(j.T, fmt.Sprintf("%d of job %d to stop", pid, j.pid), func() bool {
			got, err := unix.Wait4(pid, &ws, unix.WUNTRACED|unix.WNOHANG, nil)
			return err == nil && got == pid
		})
		if !ws.Stopped() || ws.StopSignal() != by {
			j.Fatalf("job: %x", uint32(ws))
		}
	}
}

// give gives the terminal to a process group, as tcsetpgrp(3).
func (j *job) give(group int) {
	j.Helper()
	if err := unix.IoctlSetPointerInt(int(j.user.slave.Fd()), unix.TIOCSPGRP, group); err != nil {
		j.Fatal(err)
	}
}

func (j *job) signal(sig unix.Signal) { unix.Kill(-j.pid, sig) }

// suspend has the program inside stop, and the shell take the terminal.
func (j *job) suspend() {
	j.Helper()
	j.order("suspend")
	j.wantStopped(unix.SIGTSTP)
	j.give(unix.Getpgrp())
}

// untouched says that the job left the terminal to the shell, over the time in which it looks at it.
func (j *job) untouched(modes unix.Termios) {
	j.Helper()
	j.user.types(j.T, "the shell's\n")
	time.Sleep(2 * lookAgain * time.Millisecond)
	if s := j.state(); s != "running" {
		j.Errorf("in the background: %s", s)
	}
	if m := j.user.modes(j.T); m != modes {
		j.Errorf("in the background, modes became %+v\nfrom %+v", m, modes)
	}
	j.user.reads(j.T, "the shell's\n")
}

// reading says that what the user types reaches the program.
func (j *job) reading() {
	j.Helper()
	j.user.types(j.T, "the program's\n")
	if got := j.tell("read"); got != "the program's" {
		j.Errorf("read %q", got)
	}
}

func noEcho(m *unix.Termios) { m.Lflag &^= unix.ECHO }

func TestSuspend(t *testing.T) {
	inSession(t, func(user pty) {
		before := user.change(t, noEcho)
		j := startJob(t, user, true)
		user.wantRaw(t, true)
		j.order("print the last words")
		j.suspend()
		j.answer()
		user.sees(t, "the last words")
		if m := user.modes(t); m != before {
			t.Errorf("modes while stopped: %+v\nnot as before: %+v", m, before)
		}

		// The user changes his modes and the size, then fg.
		after := user.change(t, func(m *unix.Termios) { m.Cc[unix.VERASE] = '#' })
		user.resize(t, 33, 77)
		j.give(j.pid)
		j.signal(unix.SIGCONT)
		j.answer()
		user.wantRaw(t, true)
		if s := j.tell("size"); s != "33 77" {
			t.Errorf("size inside is %s", s)
		}
		j.reading()
		j.tell("finish")
		if m := user.modes(t); m != after {
			t.Errorf("modes in the end: %+v\nnot as the shell left them: %+v", m, after)
		}
	})
}

func TestBackground(t *testing.T) {
	inSession(t, func(user pty) {
		before := user.change(t, noEcho)
		j := startJob(t, user, true)
		j.suspend()
		j.signal(unix.SIGCONT) // bg
		j.answer()
		j.untouched(before)
		j.tell("print still printing")
		user.sees(t, "still printing")

		j.give(j.pid) // fg of bash: no SIGCONT
		eventually(t, "raw modes", func() bool { return raw(user.modes(t)) })
		j.reading()

		j.suspend()
		j.signal(unix.SIGCONT)
		j.answer()
		j.suspend() // in the background
		j.signal(unix.SIGCONT)
		j.answer()
		j.tell("finish")
		j.untouched(before)
	})
}

// TestTakenAway has the shell take the terminal without a stop, so that no SIGCONT tells us.
func TestTakenAway(t *testing.T) {
	inSession(t, func(user pty) {
		before := user.change(t, noEcho)
		j := startJob(t, user, true)
		take := func() {
			j.give(unix.Getpgrp())
			user.change(t, func(m *unix.Termios) { *m = before })
		}
		take()
		j.untouched(before)
		j.give(j.pid)
		eventually(t, "raw modes", func() bool { return raw(user.modes(t)) })
		j.reading()
		take()
		j.tell("finish")
		j.untouched(before)
	})
}

func TestStartInBackground(t *testing.T) {
	inSession(t, func(user pty) {
		editing := user.change(t, func(m *unix.Termios) { // as a line editor does, almost
			m.Lflag &^= unix.ECHO | unix.ISIG
			m.Iflag |= unix.IUTF8
		})
		j := startJob(t, user, false)
		if got := j.tell("modes"); got != "isig true iutf8 true" {
			t.Errorf("modes inside: %s", got)
		}
		j.untouched(editing)
		j.give(j.pid)
		eventually(t, "raw modes", func() bool { return raw(user.modes(t)) })
		j.reading()
		j.tell("finish")
		if m := user.modes(t); m != editing {
			t.Errorf("modes in the end: %+v\nnot as before: %+v", m, editing)
		}
	})
}

// TestStoppedFromOutside has someone send SIGSTOP, for which we can do nothing beforehand.
func TestStoppedFromOutside(t *testing.T) {
	inSession(t, func(user pty) {
		before := user.change(t, noEcho)
		j := startJob(t, user, true)
		stop := func() {
			t.Helper()
			j.signal(unix.SIGSTOP)
			j.wantStopped(unix.SIGSTOP)
			user.wantRaw(t, true)
			j.give(unix.Getpgrp())
		}
		fg := func() {
			t.Helper()
			j.give(j.pid)
			j.signal(unix.SIGCONT)
			eventually(t, "raw modes", func() bool { return raw(user.modes(t)) })
		}

		stop() // in a shell that does not care for modes (dash)
		fg()
		j.reading()

		stop() // and one that does
		user.change(t, func(m *unix.Termios) { *m = before })
		j.signal(unix.SIGCONT)
		j.untouched(before)
		fg()
		j.reading()

		j.tell("finish")
		if m := user.modes(t); m != before {
			t.Errorf("modes in the end: %+v\nnot as before: %+v", m, before)
		}
	})
}

// TestOrphan has nobody who could continue us: then we do not stop.
func TestOrphan(t *testing.T) {
	inSession(t, func(user pty) {
		program := newPTY(t)
		r := startIn(t, user.slave, user.slave, program)
		if !Foreground(int(user.slave.Fd())) {
			t.Fatal("not in the foreground: the test does not do what it should")
		}
		within(t, "Suspend", async(r.Suspend))
		user.wantRaw(t, true)
		user.types(t, "go on\n")
		program.reads(t, "go on\n")
	})
}
