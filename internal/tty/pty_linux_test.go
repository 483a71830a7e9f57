package tty

import (
	"bufio"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// longEnough is when a test gives up. Nothing waits for it but a failure.
const longEnough = 20 * time.Second

func TestMain(m *testing.M) {
	switch os.Getenv("TTY_TEST_ROLE") {
	case "supervisor":
		supervise()
	case "idle":
		os.Stdin.Read(make([]byte, 1))
	default:
		os.Exit(m.Run())
	}
}

// supervise is a process that relays between its standard streams and a terminal of its own, and does as it is told on
// descriptor 3, a line for each order. Descriptor 4 has the answers.
func supervise() {
	inner, err := openPTY()
	if err != nil {
		panic(err)
	}
	r, err := Start(os.Stdin, os.Stdout, inner.master)
	if err != nil {
		panic(err)
	}
	signals := make(chan os.Signal, 16)
	signal.Notify(signals, unix.SIGCONT)
	go func() {
		for range signals {
			r.Resume()
		}
	}()
	typed := bufio.NewReader(inner.slave)
	answers := os.NewFile(4, "answers")
	orders := bufio.NewScanner(os.NewFile(3, "orders"))
	for orders.Scan() {
		verb, text, _ := strings.Cut(orders.Text(), " ")
		answer := "ok"
		switch verb {
		case "print":
			inner.slave.WriteString(text)
		case "read":
			answer, _ = typed.ReadString('\n')
			answer = strings.TrimSuffix(answer, "\n")
		case "size":
			size, _ := unix.IoctlGetWinsize(int(inner.slave.Fd()), unix.TIOCGWINSZ)
			answer = fmt.Sprint(size.Row, size.Col)
		case "modes":
			m, _ := unix.IoctlGetTermios(int(inner.slave.Fd()), unix.TCGETS)
			answer = fmt.Sprintf("isig %t iutf8 %t", m.Lflag&unix.ISIG != 0, m.Iflag&unix.IUTF8 != 0)
		case "suspend":
			r.Suspend()
		case "finish":
			r.Finish()
		}
		fmt.Fprintln(answers, answer)
	}
}

// A pty is both ends of a pseudo-terminal.
type pty struct{ master, slave *os.File }

func openPTY() (p pty, err error) {
	const flags = unix.O_RDWR | unix.O_NOCTTY | unix.O_CLOEXEC
	m, err := unix.Open("/dev/ptmx", flags|unix.O_NONBLOCK, 0)
	if err != nil {
		return p, fmt.Errorf("cannot open /dev/ptmx: %w", err)
	}
	p.master = os.NewFile(uintptr(m), "master")
	if err = unix.IoctlSetPointerInt(m, unix.TIOCSPTLCK, 0); err != nil {
		return p, err
	}
	s, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(m), unix.TIOCGPTPEER, flags)
	if errno != 0 {
		return p, fmt.Errorf("cannot open the slave: %w", errno)
	}
	p.slave = os.NewFile(s, "slave")
	return p, nil
}

func newPTY(t *testing.T) pty {
	t.Helper()
	p, err := openPTY()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.master.Close(); p.slave.Close() })
	p.master.SetDeadline(time.Now().Add(longEnough))
	return p
}

func (p pty) modes(t *testing.T) unix.Termios {
	t.Helper()
	m, err := unix.IoctlGetTermios(int(p.slave.Fd()), unix.TCGETS)
	if err != nil {
		t.Fatal(err)
	}
	return *m
}

func (p pty) change(t *testing.T, change func(m *unix.Termios)) unix.Termios {
	t.Helper()
	m := p.modes(t)
	change(&m)
	if err := unix.IoctlSetTermios(int(p.slave.Fd()), unix.TCSETS, &m); err != nil {
		t.Fatal(err)
	}
	return p.modes(t)
}

func (p pty) resize(t *testing.T, rows, cols uint16) {
	t.Helper()
	if err := unix.IoctlSetWinsize(int(p.slave.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: rows, Col: cols}); err != nil {
		t.Fatal(err)
	}
}

func (p pty) size(t *testing.T) string {
	t.Helper()
	s, err := unix.IoctlGetWinsize(int(p.slave.Fd()), unix.TIOCGWINSZ)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprint(s.Row, s.Col)
}

func (p pty) wantRaw(t *testing.T, want bool) {
	t.Helper()
	if m := p.modes(t); raw(m) != want {
		t.Errorf("raw is %t, modes are %+v", !want, m)
	}
}

func raw(m unix.Termios) bool {
	return m.Lflag&(unix.ICANON|unix.ECHO|unix.ISIG|unix.IEXTEN) == 0 && m.Iflag&(unix.ICRNL|unix.IXON) == 0 && m.Oflag&unix.OPOST == 0
}

// types is what the user does.
func (p pty) types(t *testing.T, text string) {
	t.Helper()
	if _, err := p.master.WriteString(text); err != nil {
		t.Fatalf("cannot type %q: %v", text, err)
	}
}

// sees is what the user expects on the screen.
func (p pty) sees(t *testing.T, want string) {
	t.Helper()
	var got []byte
	buf := make([]byte, 4096)
	for len(got) < len(want) {
		n, err := p.master.Read(buf)
		got = append(got, buf[:n]...)
		if err != nil {
			t.Fatalf("after %d of %d bytes: %v", len(got), len(want), err)
		}
	}
	same(t, "printed", got, want)
}

// reads is what a process expects to read from its terminal.
func (p pty) reads(t *testing.T, want string) {
	t.Helper()
	fd := int(p.slave.Fd())
	var got []byte
	buf := make([]byte, 4096)
	for len(got) < len(want) {
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, int(longEnough/time.Millisecond))
		if err == unix.EINTR {
			continue
		}
		if n == 0 {
			t.Fatalf("after %d of %d bytes there is nothing to read", len(got), len(want))
		}
		n, err = unix.Read(fd, buf)
		if err != nil || n == 0 {
			t.Fatalf("after %d of %d bytes: %d, %v", len(got), len(want), n, err)
		}
		got = append(got, buf[:n]...)
	}
	same(t, "read", got, want)
}

func same(t *testing.T, what string, got []byte, want string) {
	t.Helper()
	at := 0
	for at < len(got) && at < len(want) && got[at] == want[at] {
		at++
	}
	if at < len(got) || at < len(want) {
		t.Fatalf("%s was %q, not %q, from byte %d", what, got[at:min(at+80, len(got))], want[at:min(at+80, len(want))], at)
	}
}

func within(t *testing.T, what string, done <-chan struct{}) {
	t.Helper()
	select {
	case <-done:
	case <-time.After(longEnough):
		t.Fatalf("still waiting for %s", what)
	}
}

func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(longEnough); !is(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("still waiting for %s", what)
		}
	}
}

func async(f func()) <-chan struct{} {
	done := make(chan struct{})
	go func() { defer close(done); f() }()
	return done
}
