package overlay

import (
	"path"
	"strings"

	"golang.org/x/sys/unix"
)

// statBeneath is fstatat(2), but follows no link on the way either: the way is ELOOP or ENOTDIR then.
func statBeneath(dirfd int, rel string, st *unix.Stat_t) error {
	dir, name := path.Split(rel)
	fd := dirfd
	for _, part := range strings.FieldsFunc(dir, func(r rune) bool { return r == '/' }) {
		next, err := unix.Openat(fd, part, unix.O_PATH|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
		if fd != dirfd {
			unix.Close(fd)
		}
		if err != nil {
			return err
		}
		fd = next
	}
	err := unix.Fstatat(fd, name, st, unix.AT_SYMLINK_NOFOLLOW)
	if fd != dirfd {
		unix.Close(fd)
	}
	return err
}
