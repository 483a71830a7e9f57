package main

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// hangUp closes the user's side of the terminal, as a window that is closed. (The goroutine that reads it holds it open
// until the program prints something.)
func (s *seat) hangUp() {
	s.t.Helper()
	null, err := os.Open(os.DevNull)
	if err != nil {
		s.t.Fatal(err)
	}
	defer null.Close()
	if err := unix.Dup3(int(null.Fd()), int(s.master.Fd()), unix.O_CLOEXEC); err != nil {
		s.t.Fatal(err)
	}
}

// After its terminal hung up, a program has a while to end, and is ended then, whatever it ignores.
func TestHangUp(t *testing.T) {
	const stubborn = `trap "" HUP TERM; (while :; do echo; sleep 0.05; done) & echo here; while :; do echo; sleep 0.05; done`
	const tidy = `trap "sleep 0.1; echo tidy > tidied; exit 3" HUP; echo here; while :; do echo; sleep 0.05; done`
	for _, mode := range []string{"new", "keep"} {
		for name, script := range map[string]string{"stubborn": stubborn, "tidy": tidy} {
			t.Run(mode+" "+name, func(t *testing.T) {
				t.Parallel()
				home := t.TempDir()
				dir := filepath.Join(home, "d")
				if err := os.Mkdir(dir, 0o755); err != nil {
					t.Fatal(err)
				}
				cmd := coveIn(home, "run", "--tty", mode, "--rw", dir, "--workdir", dir, "--", "sh", "-c", script)
				cmd.Env = append(cmd.Env, "COVE_GRACE=1s")
				s := sit(t, cmd)
				s.sees("here")
				start := time.Now()
				s.hangUp()
				_, code := s.rest()
				took := time.Since(start)
				text, err := os.ReadFile(filepath.Join(dir, "tidied"))
				switch {
				case name == "stubborn" && (code != 137 || took < 900*time.Millisecond || took > 8*time.Second):
					t.Errorf("status %d after %v", code, took)
				case name == "tidy" && (code != 3 || err != nil || string(text) != "tidy\n"):
					t.Errorf("status %d after %v: %q, %v", code, took, text, err)
				}
			})
		}
	}
}

// A SIGHUP from somebody else is passed on, and no more.
func TestHangUpWithoutOne(t *testing.T) {
	cmd := coveIn(t.TempDir(), "run", "--", "sh", "-c", `trap "echo reloaded" HUP; echo here; until read x && [ "$x" ]; do :; done; echo got $x`)
	cmd.Env = append(cmd.Env, "COVE_GRACE=100ms")
	s := sit(t, cmd)
	s.sees("here")
	if err := cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	time.Sleep(700 * time.Millisecond)
	s.types("word\n")
	if text, code := s.rest(); code != 0 || !strings.Contains(text, "got word") {
		t.Errorf("status %d, printed %q", code, text)
	}
}
