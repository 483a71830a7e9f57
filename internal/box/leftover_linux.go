package box

import (
	"errors"
	"io/fs"
	"math/rand/v2"
	"strconv"

	"golang.org/x/sys/unix"
)

// leftover removes the box if it is what a run left that was killed, with cove, before anything had changed: it holds
// nothing, nobody gave it a name, and no run has ever ended in it. That run would have removed it itself, at its end. It
// tells whether it did.
//
// Who makes or takes the box meanwhile is not in the way: he holds the lock, or waits for ours and then finds the box
// gone (Store.lock). And of what a program writes that is still about to die nothing is lost: rmdir(2) refuses.
func (s *Store) leftover(fd int, name string) bool {
	if !empty(fd, "upper") || !empty(fd, "root-upper") {
		return false
	}
	// Two of us would both have the lock, as it is shared, and the slower one might move aside a new box of the same name.
	if unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB) != nil {
		return false
	}
	defer unix.Flock(fd, unix.LOCK_UN)
	lock, err := unix.Openat(fd, "lock", unix.O_RDONLY|unix.O_CREAT|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return false
	}
	defer unix.Close(lock)
	if unix.Flock(lock, unix.LOCK_SH|unix.LOCK_NB) != nil {
		return false
	}
	if same, err := s.is(fd, name); err != nil || !same {
		return false
	}
	var m Meta
	err = readJSON(fd, "box.json", &m)
	var unread *fs.PathError
	switch {
	case errors.As(err, &unread) && !errors.Is(err, fs.ErrNotExist):
		return false
	case err != nil || m.Home == "":
		// It was never finished (Box.load).
	case !m.Generated || m.Subids || len(m.Runs) != 1 || m.Runs[0].End != nil:
		return false
	}
	if !s.ours(fd) {
		return false
	}
	for _, upper := range []string{"upper", "root-upper"} {
		if err := unix.Unlinkat(fd, upper, unix.AT_REMOVEDIR); err != nil && err != unix.ENOENT {
			return false
		}
	}
	aside := trash + name + "-" + strconv.FormatUint(rand.Uint64(), 36)
	if unix.Renameat(s.fd, name, s.fd, aside) != nil {
		return false
	}
	RemoveTree(s.fd, aside) // what cannot be removed is not in the way
	return true
}

// ours tells whether there is nothing in a box but what cove makes: somebody else may have a directory there.
func (s *Store) ours(fd int) bool {
	names, err := readNames(fd)
	if err != nil {
		return false
	}
	for _, n := range names {
		switch n {
		case "lock", "box.json", "plan.json", "report.json", ".box.json", ".plan.json", ".report.json",
			"upper", "work", "front", "root-upper", "root-work":
		default:
			return false
		}
	}
	return true
}
