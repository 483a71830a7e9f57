package tty

import "golang.org/x/sys/unix"

// IsTerminal reports whether fd is a terminal, as isatty(3).
func IsTerminal(fd int) bool {
	_, err := unix.IoctlGetTermios(fd, unix.TCGETS)
	return err == nil
}

// Columns is the width of the terminal fd in characters; 0 where it is no terminal, or does not know.
func Columns(fd int) int {
	size, err := unix.IoctlGetWinsize(fd, unix.TIOCGWINSZ)
	if err != nil {
		return 0
	}
	return int(size.Col)
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
