package tty

import "golang.org/x/sys/unix"

// IsTerminal reports whether fd is a terminal, as isatty(3).
func IsTerminal(fd int) bool {
	_, err := unix.IoctlGetTermios(fd, unix.TCGETS)
	return err == nil
}

// Foreground reports whether fd is our controlling terminal and our process group is its foreground group, as
// tcgetpgrp(3).
func Foreground(fd int) bool {
	group, err := unix.IoctlGetInt(fd, unix.TIOCGPGRP)
	return err == nil && group == unix.Getpgrp()
}

// ours reports whether the kernel lets us read fd and change its modes without stopping us. Job control is about
// the controlling terminal: any other one (ENOTTY) is free for all, as under setsid(1) or in some containers.
func ours(fd int) bool {
	_, err := unix.IoctlGetInt(fd, unix.TIOCGPGRP)
	return Foreground(fd) || err == unix.ENOTTY && IsTerminal(fd)
}
