package tty

import (
	"errors"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// start relays between a user's terminal, which is not our controlling terminal, and one in which the test plays the
// program.
func start(t *testing.T) (user, program pty, r *Relay) {
	t.Helper()
	program, user = newPTY(t), newPTY(t) // the last is closed first, and ends what waits for it
	return user, program, startIn(t, user.slave, user.slave, program)
}

func startIn(t *testing.T, in, out *os.File, program pty) *Relay {
	t.Helper()
	r, err := Start(in, out, program.master)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { within(t, "Finish", async(r.Finish)) })
	return r
}

// plain makes a terminal that changes nothing.
func plain(m *unix.Termios) {
	makeRaw(m)
	m.Cc[unix.VMIN] = 1
}

func TestModes(t *testing.T) {
	t.Parallel()
	program, user := newPTY(t), newPTY(t)
	before := user.change(t, func(m *unix.Termios) {
		m.Iflag |= unix.IUTF8
		m.Cc[unix.VERASE] = '#'
	})
	r := startIn(t, user.slave, user.slave, program)
	user.wantRaw(t, true)
	if m := user.modes(t); m.Iflag&unix.IUTF8 == 0 || m.Cflag != before.Cflag {
		t.Errorf("raw modes lost what has to stay: %+v", m)
	}
	if m := program.modes(t); m != before {
		t.Errorf("modes inside: %+v\nnot the user's: %+v", m, before)
	}
	r.Resume() // nothing has happened
	user.wantRaw(t, true)
	r.Finish()
	if m := user.modes(t); m != before {
		t.Errorf("modes afterwards: %+v\nnot as before: %+v", m, before)
	}
	other := user.change(t, func(m *unix.Termios) { m.Lflag &^= unix.ECHO })
	r.Finish()
	r.Resume()
	r.Resize()
	r.Suspend()
	if m := user.modes(t); m != other {
		t.Errorf("touched after Finish: %+v", m)
	}
}

// TestFinishTwice is not parallel: the descriptor that it looks at must be nobody else's.
func TestFinishTwice(t *testing.T) {
	_, _, r := start(t)
	r.Finish()
	fd, err := unix.FcntlInt(0, unix.F_DUPFD_CLOEXEC, r.wake)
	if err != nil || fd != r.wake {
		t.Fatalf("descriptor %d was not closed: %v", r.wake, err)
	}
	r.Finish()
	if err := unix.Close(fd); err != nil {
		t.Error("closed a descriptor that was not ours any more")
	}
}

// TestResumeEarly has a SIGCONT from before a stop arrive when the modes have been given back already.
func TestResumeEarly(t *testing.T) {
	t.Parallel()
	user, _, r := start(t)
	r.mu.Lock()
	r.state = stopping
	r.claim.release()
	r.mu.Unlock()
	r.Resume()
	user.wantRaw(t, false)
}

// TestNothingTyped has another reader be faster than we are.
func TestNothingTyped(t *testing.T) {
	t.Parallel()
	user, program, r := start(t)
	var n int
	var err error
	within(t, "a read of nothing", async(func() { n, err = r.typed(make([]byte, 10), unix.POLLIN) }))
	if n != 0 || err != nil {
		t.Errorf("read %d, %v", n, err)
	}
	user.types(t, "still there\n")
	program.reads(t, "still there\n")
}

func TestSize(t *testing.T) {
	t.Parallel()
	program, user := newPTY(t), newPTY(t)
	user.resize(t, 31, 99)
	r := startIn(t, user.slave, user.slave, program)
	if s := program.size(t); s != "31 99" {
		t.Errorf("size is %s", s)
	}
	user.resize(t, 50, 120)
	r.Resize()
	if s := program.size(t); s != "50 120" {
		t.Errorf("size after Resize is %s", s)
	}
	user.resize(t, 51, 121)
	r.Resume()
	if s := program.size(t); s != "51 121" {
		t.Errorf("size after Resume is %s", s)
	}
}

func TestBothWays(t *testing.T) {
	t.Parallel()
	program, user := newPTY(t), newPTY(t)
	user.types(t, "typed ahead\n")
	user.sees(t, "typed ahead\r\n") // echo
	startIn(t, user.slave, user.slave, program)
	program.reads(t, "typed ahead\n")
	user.sees(t, "typed ahead\r\n") // echo inside
	program.slave.WriteString("répondu\n")
	user.sees(t, "répondu\r\n")

	// Keys that mean something to a terminal mean it inside only.
	program.change(t, plain)
	keys := "\x03\x04\x1a\x1c\x11\x13\x16\x7f\r\n\xff\x00."
	user.types(t, keys)
	program.reads(t, keys)
}

// pattern is text in which every part knows its place.
func pattern(n int) []byte {
	b := make([]byte, n)
	x := uint32(1)
	for i := range b {
		x = x*1664525 + 1013904223
		b[i] = byte(x >> 24)
	}
	return b
}

func TestLargeOutput(t *testing.T) {
	t.Parallel()
	user, program, _ := start(t)
	program.change(t, plain)
	text := pattern(4 << 20)
	go program.slave.Write(text)
	got := make([]byte, len(text))
	if n, err := io.ReadFull(user.master, got); err != nil {
		t.Fatalf("after %d bytes: %v", n, err)
	}
	same(t, "printed", got, string(text))
}

// stuff prints until nothing more fits, as nobody reads the user's terminal, and returns what was printed.
func stuff(t *testing.T, program pty) []byte {
	t.Helper()
	program.change(t, plain)
	fd := int(program.slave.Fd())
	unix.SetNonblock(fd, true)
	text := pattern(1 << 20)
	n := 0
	for idle := 0; idle < 20 && n < len(text); {
		k, err := unix.Write(fd, text[n:])
		if err == unix.EAGAIN {
			idle++
			time.Sleep(5 * time.Millisecond)
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		idle = 0
		n += k
	}
	if n < 8<<10 || n == len(text) {
		t.Fatalf("%d bytes fitted: the test does not do what it should", n)
	}
	return text[:n]
}

func TestFinishDrains(t *testing.T) {
	t.Parallel()
	for _, open := range []bool{false, true} {
		user, program, r := start(t)
		text := stuff(t, program)
		if !open {
			program.slave.Close()
		}
		finished := async(r.Finish)
		time.Sleep(10 * time.Millisecond)
		got := make([]byte, len(text))
		if n, err := io.ReadFull(user.master, got); err != nil {
			t.Fatalf("slave open %t: %d of %d bytes: %v", open, n, len(text), err)
		}
		same(t, "printed", got, string(text))
		within(t, "Finish", finished)
		if _, err := program.slave.WriteString("x"); open && !errors.Is(err, unix.EIO) {
			t.Errorf("master is still open: %v", err)
		}
	}
}

// TestFinishAtOnce prints and finishes in one breath, so that bytes are still on their way.
func TestFinishAtOnce(t *testing.T) {
	t.Parallel()
	text := pattern(9000)
	for range 50 {
		program, user := newPTY(t), newPTY(t)
		user.change(t, plain)
		r := startIn(t, nil, user.slave, program)
		got := make([]byte, len(text))
		seen := async(func() { io.ReadFull(user.master, got) })
		if n, err := program.slave.Write(text); err != nil {
			t.Fatal(n, err)
		}
		r.Finish()
		within(t, "what was printed", seen)
		same(t, "printed", got, string(text))
	}
}

// TestFinishTalker has somebody who never stops printing, and whom the end of the sandbox did not end. It is not
// parallel, so that he has no reason to pause.
func TestFinishTalker(t *testing.T) {
	user, program, r := start(t)
	stuff(t, program)
	go func() { // slowly, so that there is always something left
		for buf := make([]byte, 4096); ; time.Sleep(10 * time.Millisecond) {
			if _, err := user.master.Read(buf); err != nil {
				return
			}
		}
	}()
	stop := make(chan struct{})
	talked := async(func() {
		for text := pattern(4000); ; {
			select {
			case <-stop:
				return
			default:
				unix.Write(int(program.slave.Fd()), text)
			}
		}
	})
	t.Cleanup(func() { close(stop); <-talked })
	within(t, "Finish", async(r.Finish))
}

// TestTypedAfterEnd has the user type while the last output is stuck, and after the end. All of it is the shell's.
func TestTypedAfterEnd(t *testing.T) {
	t.Parallel()
	user, program, r := start(t)
	before := program.modes(t)
	user.types(t, "the program's\n")
	program.reads(t, "the program's\n")
	user.sees(t, "the program's\r\n")
	text := stuff(t, program)
	finished := async(r.Finish)
	eventually(t, "Finish to stop reading", func() bool { return !r.reading() })
	user.types(t, "during\n")
	eventually(t, "the modes to come back though output is stuck", func() bool { return user.modes(t) == before })
	select {
	case <-finished:
		t.Fatal("Finish has not waited for the terminal")
	default:
	}
	io.ReadFull(user.master, make([]byte, len(text)))
	within(t, "Finish", finished)
	user.types(t, "after\n")
	user.reads(t, "during\nafter\n")
}

// TestNotReading has a program that does not read what is typed: it can still print, gets all in the end, and does not
// hold up the end.
func TestNotReading(t *testing.T) {
	t.Parallel()
	for _, ever := range []bool{true, false} {
		user, program, r := start(t)
		program.change(t, plain)
		text := string(pattern(100 << 10))
		go user.master.WriteString(text)
		in := int(program.slave.Fd())
		eventually(t, "input to be full", func() bool {
			n, err := unix.IoctlGetInt(in, unix.TIOCINQ)
			return err == nil && n >= 4095
		})
		program.slave.WriteString("I am alive")
		user.sees(t, "I am alive")
		if ever {
			program.reads(t, text)
		}
		within(t, "Finish", async(r.Finish))
	}
}

func TestNil(t *testing.T) {
	t.Parallel()
	t.Run("neither", func(t *testing.T) {
		program := newPTY(t)
		r := startIn(t, nil, nil, program)
		within(t, "printing to nobody", async(func() { program.slave.Write(pattern(300 << 10)) }))
		r.Resize()
		r.Resume()
	})
	t.Run("nothing typed", func(t *testing.T) {
		program, user := newPTY(t), newPTY(t)
		before := user.modes(t)
		user.resize(t, 7, 70)
		startIn(t, nil, user.slave, program)
		program.slave.WriteString("hello")
		user.sees(t, "hello")
		if s := program.size(t); s != "7 70" {
			t.Errorf("size is %s", s)
		}
		user.types(t, "mine\n")
		user.reads(t, "mine\n")
		if m := user.modes(t); m != before {
			t.Errorf("modes were touched: %+v", m)
		}
	})
	t.Run("nothing printed", func(t *testing.T) {
		program, user := newPTY(t), newPTY(t)
		startIn(t, user.slave, nil, program)
		user.wantRaw(t, true)
		user.types(t, "hello\n")
		program.reads(t, "hello\n")
		within(t, "printing to nobody", async(func() { program.slave.Write(pattern(300 << 10)) }))
	})
}

func TestHangUp(t *testing.T) {
	t.Parallel()
	user, program, r := start(t)
	user.master.Close()
	within(t, "input to end", r.inputDone)
	within(t, "printing to nobody", async(func() { program.slave.Write(pattern(300 << 10)) }))
	r.Resize()
	r.Resume()
	within(t, "Finish", async(r.Finish))
}

func TestSlaveClosed(t *testing.T) {
	t.Parallel()
	user, program, r := start(t)
	program.slave.WriteString("bye")
	program.slave.Close()
	user.sees(t, "bye")
	within(t, "output to end", r.outputDone)
	user.wantRaw(t, true)
	r.Finish()
	user.wantRaw(t, false)
}

// TestNonBlocking has another process set the mode of the open file that we share with it.
func TestNonBlocking(t *testing.T) {
	t.Parallel()
	user, program, r := start(t)
	unix.SetNonblock(int(user.slave.Fd()), true)
	text := stuff(t, program)
	finished := async(r.Finish)
	got := make([]byte, len(text))
	if n, err := io.ReadFull(user.master, got); err != nil {
		t.Errorf("%d of %d bytes: %v", n, len(text), err)
	}
	same(t, "printed", got, string(text))
	within(t, "Finish", finished)
}

func TestStartRefuses(t *testing.T) {
	t.Parallel()
	p, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	defer w.Close()
	program := newPTY(t)
	if r, err := Start(p, nil, program.master); err == nil {
		t.Errorf("a pipe was taken for a terminal: %v", r)
	} else if !strings.HasPrefix(err.Error(), "cannot read the modes of") {
		t.Error(err)
	}
	blocking := os.NewFile(dup(t, program.slave), "blocking")
	defer blocking.Close()
	if _, err := Start(nil, nil, blocking); err == nil {
		t.Error("a blocking master was taken")
	}
}

func dup(t *testing.T, f *os.File) uintptr {
	t.Helper()
	fd, err := unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	return uintptr(fd)
}

func TestTerminal(t *testing.T) {
	t.Parallel()
	p, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	defer w.Close()
	user := newPTY(t)
	if IsTerminal(int(p.Fd())) || IsTerminal(-1) {
		t.Error("a pipe is a terminal")
	}
	if !IsTerminal(int(user.slave.Fd())) {
		t.Error("a terminal is none")
	}
	if Foreground(int(user.slave.Fd())) {
		t.Error("in the foreground of a terminal that is not ours")
	}
}
