package tty

import (
	"io"

	"golang.org/x/sys/unix"
)

// lookAgain is how often we look whether the terminal has become ours, in ms: bash's fg sends no SIGCONT to a job that
// bg has already set running.
const lookAgain = 250

// input copies what is typed while the terminal is ours, until it hangs up or all is over.
func (r *Relay) input() {
	defer close(r.inputDone)
	buf := make([]byte, 4096) // a terminal holds no more (termios(3))
	for {
		// POLLHUP is always reported.
		fds := []unix.PollFd{{Fd: int32(r.wake), Events: unix.POLLIN}, {Fd: int32(r.claim.fd)}}
		patience := lookAgain
		if r.reading() {
			fds[1].Events, patience = unix.POLLIN, -1
		}
		_, err := unix.Poll(fds, patience)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return
		}
		if fds[0].Revents != 0 {
			unix.Read(r.wake, buf[:8])
		}
		n, err := r.typed(buf, fds[1].Revents)
		if err != nil {
			return
		}
		if n == 0 {
			continue
		}
		// The program may not be reading. Then we wait here, and output goes on.
		if _, err := r.master.Write(buf[:n]); err != nil {
			return
		}
	}
}

func (r *Relay) reading() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.state == running && r.claim.held
}

// typed reads what was typed, if it is for us. The lock is held meanwhile: once Suspend or Finish has moved the state
// on, no byte is taken from the shell.
func (r *Relay) typed(buf []byte, revents int16) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.state == over || revents&(unix.POLLHUP|unix.POLLERR|unix.POLLNVAL) != 0:
		return 0, io.EOF
	case r.state == stopping:
		return 0, nil
	case !r.claim.held || !ours(r.claim.fd):
		r.resume()
		return 0, nil
	case revents == 0:
		return 0, nil
	}
	n, err := unix.Read(r.claim.fd, buf)
	if err == unix.EAGAIN || err == unix.EINTR {
		return 0, nil
	}
	return n, err
}
