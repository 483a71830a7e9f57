package tty

import "golang.org/x/sys/unix"

// A claim is our hold on the caller's terminal: while we have it, the terminal is raw.
type claim struct {
	fd     int // or -1
	held   bool
	theirs unix.Termios // the modes to give back
	raw    unix.Termios // the modes that we set, as the driver took them
}

// take makes the terminal raw, if the shell has given it to us, and remembers the modes that it had. If the shell has
// not, we no longer hold it.
func (c *claim) take() error {
	c.held = false
	if !ours(c.fd) {
		return nil
	}
	now, err := unix.IoctlGetTermios(c.fd, unix.TCGETS)
	if err != nil {
		return err
	}
	// Not every shell sets its own modes when a job stops. Those which we then find are no user's.
	if *now != c.raw {
		theirs := *now
		makeRaw(now)
		if err := unix.IoctlSetTermios(c.fd, unix.TCSETS, now); err != nil {
			return err
		}
		c.theirs = theirs
		if now, err = unix.IoctlGetTermios(c.fd, unix.TCGETS); err != nil {
			return err
		}
		c.raw = *now
	}
	c.held = true
	return nil
}

// release gives the terminal its modes back, if it is still ours to give. TCSETS neither waits for output, which may
// never drain, nor drops what was typed ahead.
func (c *claim) release() {
	if c.held && ours(c.fd) {
		unix.IoctlSetTermios(c.fd, unix.TCSETS, &c.theirs)
	}
	c.held = false
}

// makeRaw is cfmakeraw(3), but leaves c_cflag alone: how many bits a serial line has is not ours to say. And a read
// does not wait (VMIN 0): poll(2) waits, and what it saw may meanwhile have gone to another reader.
func makeRaw(m *unix.Termios) {
	m.Iflag &^= unix.IGNBRK | unix.BRKINT | unix.PARMRK | unix.ISTRIP | unix.INLCR | unix.IGNCR | unix.ICRNL | unix.IXON
	m.Oflag &^= unix.OPOST
	m.Lflag &^= unix.ECHO | unix.ECHONL | unix.ICANON | unix.ISIG | unix.IEXTEN
	m.Cc[unix.VMIN], m.Cc[unix.VTIME] = 0, 0
}
