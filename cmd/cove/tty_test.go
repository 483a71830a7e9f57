package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"cove/internal/landlock"
	"cove/internal/testenv"
)

// A seat is a user at a terminal: a pseudo-terminal, and what was printed on it so far.
type seat struct {
	t      *testing.T
	master *os.File
	cmd    *exec.Cmd

	mu      sync.Mutex
	printed bytes.Buffer
}

// sit starts a program on a terminal of its own.
func sit(t *testing.T, cmd *exec.Cmd) *seat {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	fd := int(master.Fd())
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	slave, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	s := &seat{t: t, master: master, cmd: cmd}
	s.resize(24, 80)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = slave, slave, slave
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	slave.Close()
	go func() {
		buf := make([]byte, 4096)
		for {
			n, err := master.Read(buf)
			s.mu.Lock()
			s.printed.Write(buf[:n])
			s.mu.Unlock()
			if err != nil {
				return
			}
		}
	}()
	t.Cleanup(func() {
		cmd.Process.Kill()
		master.Close()
	})
	return s
}

func (s *seat) resize(rows, cols uint16) {
	if err := unix.IoctlSetWinsize(int(s.master.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: rows, Col: cols}); err != nil {
		s.t.Fatal(err)
	}
}

// types types.
func (s *seat) types(text string) {
	if _, err := s.master.WriteString(text); err != nil {
		s.t.Fatal(err)
	}
}

// sees waits until text is printed, and forgets what was printed up to its end.
func (s *seat) sees(text string) {
	s.t.Helper()
	for range 1500 {
		s.mu.Lock()
		i := bytes.Index(s.printed.Bytes(), []byte(text))
		if i >= 0 {
			s.printed.Next(i + len(text))
		}
		s.mu.Unlock()
		if i >= 0 {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.t.Fatalf("%q was not printed, but\n%s", text, s.printed.String())
}

// rest waits for the end and returns what else was printed, and the exit status.
func (s *seat) rest() (string, int) {
	s.t.Helper()
	done := make(chan error, 1)
	go func() { done <- s.cmd.Wait() }()
	select {
	case <-done:
	case <-time.After(15 * time.Second):
		s.t.Fatalf("it does not end; printed\n%s", s.printed.String())
	}
	time.Sleep(20 * time.Millisecond)
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.printed.String(), s.cmd.ProcessState.ExitCode()
}

// shellWithCove is an interactive bash on a terminal, in which cove is this program.
func shellWithCove(t *testing.T) *seat {
	t.Helper()
	testenv.NeedProgram(t, "bash")
	home, bin := t.TempDir(), t.TempDir()
	if err := os.Symlink(os.Args[0], filepath.Join(bin, "cove")); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("bash", "--norc", "--noprofile", "-i")
	cmd.Dir = home
	cmd.Env = []string{"HOME=" + home, "PATH=" + bin + ":" + os.Getenv("PATH"), "LANG=C.UTF-8", "TERM=dumb", "PS1=ready> ", "SHELL=/bin/bash", "HISTFILE="}
	s := sit(t, cmd)
	s.sees("ready> ")
	return s
}

func TestCtrlC(t *testing.T) {
	s := sit(t, coveIn(t.TempDir(), "run", "--", "sh", "-c", "echo here; sleep 100"))
	s.sees("here")
	s.types("\x03")
	if text, code := s.rest(); code != 130 {
		t.Errorf("status %d, printed %q", code, text)
	}
}

// Ctrl-Z stops the job, the shell says so, and fg goes on with it; the terminal has the shell's modes in between.
func TestCtrlZ(t *testing.T) {
	for _, mode := range []string{"new", "keep"} {
		t.Run(mode, func(t *testing.T) {
			s := shellWithCove(t)
			s.types("cove run --tty " + mode + " -- sh -c 'echo he''re; read x; echo got $x; read y; echo and $y'\n")
			s.sees("here")
			s.types("\x1a")
			s.sees("Stopped")
			s.sees("ready> ")
			s.types("stty -a | grep -c '\\-icanon'; jobs | wc -l\n")
			s.sees("1\r\n")
			s.types("fg\n")
			s.sees("read y; echo and")
			s.types("one\n")
			s.sees("got one")
			s.types("\x1a")
			s.sees("Stopped")
			s.sees("ready> ")
			s.types("bg\n")
			s.sees("ready> ")
			s.types("echo in the shell\n")
			s.sees("\nin the shell")
			s.types("fg\n")
			s.sees("cove run")
			s.types("two\n")
			s.sees("and two")
			s.sees("ready> ")
			s.types("echo status $?; stty -a | tr ' ' '\\n' | grep -c '^echo$'\n")
			s.sees("\nstatus 0\r\n")
			s.types("exit\n")
			s.rest()
		})
	}
}

// A shell inside has job control of its own.
func TestNestedShell(t *testing.T) {
	s := shellWithCove(t)
	s.types("PS1='outer> '\n")
	s.sees("outer> ")
	// Quoted so that the shell's prompt is seen, and not the line that sets it.
	s.types("cove run --env PS1='in''ner> ' -- bash --norc --noprofile -i\n")
	s.sees("inner> ")
	s.types("echo st''arts; sleep 100\n")
	s.sees("starts")
	time.Sleep(300 * time.Millisecond)
	s.types("\x1a")
	s.sees("Stopped")
	s.sees("inner> ")
	s.types("jobs | grep -c sleep; kill %1; fg\n")
	s.sees("\n1\r\n")
	s.types("exit\n")
	s.sees("outer> ")
	s.types("exit\n")
	s.rest()
}

func TestWindowSize(t *testing.T) {
	s := sit(t, coveIn(t.TempDir(), "run", "--", "sh", "-c", "trap 'stty size' WINCH; stty size; while :; do sleep 0.05; done"))
	s.sees("24 80")
	s.resize(33, 101)
	s.sees("33 101")
	s.types("\x03")
	s.rest()
}

// An editor: it asks for the size, sets modes, and reads single keys.
func TestEditor(t *testing.T) {
	vim := testenv.NeedProgram(t, "vim.tiny")
	home := t.TempDir()
	dir := filepath.Join(home, "dir")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	s := sit(t, coveIn(home, "run", "--rw", dir, "--workdir", dir, "--", vim, "-u", "NONE", "file"))
	s.sees("file")
	s.types("ihello\x1b:wq\r")
	if text, code := s.rest(); code != 0 {
		t.Errorf("status %d, printed %q", code, text)
	}
	if text, err := os.ReadFile(filepath.Join(dir, "file")); string(text) != "hello\n" {
		t.Errorf("the file holds %q, %v", text, err)
	}
}

// CVE-2017-5226 (bubblewrap), CVE-2016-7545 (policycoreutils): the program puts words into the input of the caller's
// terminal. CVE-2019-10063 (flatpak): with high bits set in the number, which the kernel ignores and a filter may not.
// CVE-2023-28100 (flatpak): TIOCLINUX pastes.
func TestNothingIsTypedIntoTheCallersTerminal(t *testing.T) {
	python := "/usr/bin/python3"
	_, err := os.Stat(python)
	testenv.Need(t, "python3", err)
	script := `
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
tty = os.open("/dev/tty", os.O_RDWR)
for fd in (0, 1, 2, tty):
    for name, nr, arg in (("TIOCSTI", 0x5412, b"#"), ("TIOCSTI high", 0x5412 | 1 << 32, b"#"), ("TIOCLINUX", 0x541c, b"\3"), ("TIOCLINUX high", 0x541c | 7 << 40, b"\3")):
        ctypes.set_errno(0)
        r = libc.syscall(16, ctypes.c_long(fd), ctypes.c_ulong(nr), arg)
        print(name, fd, "worked" if r == 0 else os.strerror(ctypes.get_errno()))
print("tried")
`
	for _, mode := range []string{"auto", "new", "keep"} {
		t.Run(mode, func(t *testing.T) {
			s := sit(t, coveIn(t.TempDir(), "run", "--tty", mode, "--", python, "-c", script))
			text, code := s.rest()
			if code != 0 || !strings.Contains(text, "tried") || strings.Contains(text, "worked") || strings.Count(text, "Operation not permitted") < 16 {
				t.Errorf("status %d, printed\n%s", code, text)
			}
		})
	}
	// Without a filter, a terminal of its own is what holds: whatever is typed into it ends with it.
	t.Run("unfiltered", func(t *testing.T) {
		home := t.TempDir()
		profile := filepath.Join(home, "open.toml")
		os.WriteFile(profile, []byte("[seccomp]\nmode = \"none\"\n"), 0o644)
		s := sit(t, coveIn(home, "run", "-p", "default", "-p", profile, "--", python, "-c", script))
		text, _ := s.rest()
		if !strings.Contains(text, "tried") {
			t.Errorf("printed\n%s", text)
		}
		unix.IoctlSetInt(int(s.master.Fd()), unix.TCFLSH, 0)
		if n, _ := unix.IoctlGetInt(int(s.master.Fd()), unix.TIOCINQ); n != 0 {
			t.Errorf("%d bytes wait in the caller's terminal", n)
		}
	})
}

// With the caller's terminal, a program can use it as programs do, but neither lock others out nor change the console
// behind it. On one of its own it may do what it likes.
func TestSharedTerminalIsNotLocked(t *testing.T) {
	python := "/usr/bin/python3"
	_, err := os.Stat(python)
	testenv.Need(t, "python3", err)
	script := `
import ctypes, os, signal, struct
libc = ctypes.CDLL(None, use_errno=True)
tty = os.open("/dev/tty", os.O_RDWR)
def ask(name, nr, arg):
    ctypes.set_errno(0)
    r = libc.ioctl(tty, ctypes.c_ulong(nr), arg)
    print(name, "worked" if r == 0 else os.strerror(ctypes.get_errno()))
for name, nr in (("TIOCEXCL", 0x540c), ("TIOCNXCL", 0x540d), ("TIOCCONS", 0x541d), ("TIOCVHANGUP", 0x5437), ("KDSKBMODE", 0x4b45), ("KDSETMODE", 0x4b3a), ("VT_ACTIVATE", 0x5606)):
    ask(name, nr, 0)
ask("TIOCSETD", 0x5423, struct.pack("i", 0))
signal.signal(signal.SIGTTOU, signal.SIG_IGN)
os.setpgid(0, 0)
ask("TIOCSPGRP", 0x5410, struct.pack("i", os.getpgrp()))
ask("TIOCSWINSZ", 0x5414, struct.pack("HHHH", 24, 80, 0, 0))
print("tried")
`
	for mode, refused := range map[string]int{"new": 1, "keep": 8} {
		t.Run(mode, func(t *testing.T) {
			s := sit(t, coveIn(t.TempDir(), "run", "--tty", mode, "--", python, "-c", script))
			text, code := s.rest()
			if code != 0 || !strings.Contains(text, "tried") || strings.Contains(text, "TIOCSETD worked") || !strings.Contains(text, "TIOCSPGRP worked") || !strings.Contains(text, "TIOCSWINSZ worked") {
				t.Errorf("status %d, printed\n%s", code, text)
			}
			if n := strings.Count(text, "Operation not permitted"); mode == "keep" && n != refused || mode == "new" && (n < refused || !strings.Contains(text, "TIOCEXCL worked")) {
				t.Errorf("%d were refused:\n%s", n, text)
			}
		})
	}
}

// Whichever terminal it has, a program can open it once more by the names of its standard streams, and set it.
func TestTerminalOpenedAgain(t *testing.T) {
	for _, mode := range []string{"new", "keep"} {
		t.Run(mode, func(t *testing.T) {
			s := sit(t, coveIn(t.TempDir(), "run", "--tty", mode, "--", "sh", "-c",
				"stty rows 33 < /dev/stdin; stty size < /proc/self/fd/1; echo out > /dev/stdout; echo err > /dev/stderr; stty -echo < /dev/tty && echo set"))
			text, code := s.rest()
			if code != 0 || !strings.Contains(text, "33 80\r\nout\r\nerr\r\nset") {
				t.Errorf("status %d, printed %q", code, text)
			}
		})
	}
}

// A program that reads the caller's terminal shares its process group. With a later Landlock its signals stay inside all
// the same, and job control goes on: the signals of the terminal are the kernel's.
func TestSignalsStayInside(t *testing.T) {
	if abi, _ := landlock.ABI(); abi < landlock.ABIScopes {
		t.Skipf("needs Landlock with ABI %d, has %d; without it such signals go through, as docs/security.md says", landlock.ABIScopes, abi)
	}
	home := t.TempDir()
	if err := os.Symlink(os.Args[0], filepath.Join(home, "cove")); err != nil {
		t.Fatal(err)
	}
	script := `sleep 100 & p=$!; ./cove run -q --tty keep -- sh -c 'sleep 100 & kill -KILL 0; echo not reached'; echo status $?; kill $p && echo the others live`
	cmd := coveIn(home)
	cmd.Path, cmd.Args = "/bin/sh", []string{"sh", "-c", script}
	s := sit(t, cmd)
	text, code := s.rest()
	if code != 0 || !strings.Contains(text, "status 137") || !strings.Contains(text, "the others live") || strings.Contains(text, "not reached") {
		t.Errorf("status %d, printed %q", code, text)
	}
	// One that stops itself and its group, as vim does on Ctrl-Z, stops cove, and so the shell sees it.
	s = shellWithCove(t)
	s.types("cove run -q --tty keep -- sh -c 'echo he''re; kill -TSTP 0; echo on'\n")
	s.sees("here\r\n")
	s.sees("Stopped")
	s.sees("ready> ")
	s.types("fg\n")
	s.sees("\non\r\n")
	s.sees("ready> ")
	s.types("exit\n")
	s.rest()
}

// On a terminal cove apply shows what it would do, and asks; and so does cove discard.
func TestApplyAsks(t *testing.T) {
	home := t.TempDir()
	if out, err := coveIn(home, "run", "--box", "b", "--", "sh", "-c", "echo x > new; echo y > other").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	exists := func(name string) bool {
		_, err := os.Stat(filepath.Join(home, name))
		return err == nil
	}
	s := sit(t, coveIn(home, "apply", "b"))
	s.sees("  new\r\n")
	s.sees("apply 2 paths of the box b to your home? [y/N]")
	s.types("\n")
	if text, code := s.rest(); code != 125 || !strings.Contains(text, "nothing was done") || exists("new") {
		t.Errorf("status %d, printed %q", code, text)
	}
	s = sit(t, coveIn(home, "apply", "b", "new"))
	s.sees("apply 1 path of")
	s.types("y\n")
	if text, code := s.rest(); code != 0 || !strings.Contains(text, "1 path applied; 1 change is left in the box b; to take it back: cove undo 1") || !exists("new") || exists("other") {
		t.Errorf("status %d, printed %q", code, text)
	}
	s = sit(t, coveIn(home, "discard", "b"))
	s.sees("drop all changes from the box b? [y/N]")
	s.types("y\n")
	if text, code := s.rest(); code != 0 || !strings.Contains(text, "1 path dropped; nothing is left in the box b") {
		t.Errorf("status %d, printed %q", code, text)
	}
	s = sit(t, coveIn(home, "undo"))
	if text, code := s.rest(); code != 0 || !strings.Contains(text, "apply 1 is taken back; its changes are in the box b again") || exists("new") {
		t.Errorf("status %d, printed %q", code, text)
	}
}
