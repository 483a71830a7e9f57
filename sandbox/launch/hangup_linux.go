package launch

import (
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// grace is how long everything inside may live on after its terminal hung up and it was told so by SIGHUP. Nobody can
// reach it any more, nor see that it is there. (Who starts cove by nohup(1) has it otherwise: a SIGHUP that is ignored
// does not come here.)
//
// A SIGHUP or SIGTERM from anybody else is only passed on: to many daemons one says "read your configuration", the other
// "finish what you are at", and who sends it can send a second one, or SIGKILL.
const grace = 10 * time.Second

// hangUp notes that a SIGHUP came. Whether it was from the terminal is looked at when the time is over: where a shell
// died, its terminal's emulator closes the terminal a moment later.
func (s *supervisor) hangUp() {
	if s.tty.Stdin || s.tty.Stdout || s.tty.Stderr {
		s.deadline = time.Now().Add(graceTime())
	}
}

// graceTime is grace; for tests, COVE_GRACE can shorten it.
func graceTime() time.Duration {
	if d, err := time.ParseDuration(os.Getenv("COVE_GRACE")); err == nil {
		return min(d, grace)
	}
	return grace
}

// patience is how long poll(2) may wait, in ms; -1 is without end.
func (s *supervisor) patience() int {
	if s.deadline.IsZero() {
		return -1
	}
	return int(max(time.Until(s.deadline), 0).Milliseconds()) + 1
}

// hurry ends everything where the grace is over and the terminal is gone.
func (s *supervisor) hurry() {
	if s.deadline.IsZero() || time.Now().Before(s.deadline) {
		return
	}
	s.deadline = time.Time{}
	for fd, is := range []bool{s.tty.Stdin, s.tty.Stdout, s.tty.Stderr} {
		p := []unix.PollFd{{Fd: int32(fd)}} // POLLHUP is always reported
		if _, err := unix.Poll(p, 0); is && err == nil && p[0].Revents&unix.POLLHUP != 0 {
			s.proc.Kill()
			return
		}
	}
}
