package overlay

import (
	"strings"

	"golang.org/x/sys/unix"
)

// OpenAt opens what a path leads to below a directory, and follows no link, neither on the way nor at its end: openat2(2)
// with RESOLVE_BENEATH and RESOLVE_NO_SYMLINKS. Paths may be longer than PATH_MAX, as a program can make them. "." is the
// directory itself.
//
// Whatever is not to be waited for must be opened with O_NONBLOCK or O_PATH.
func OpenAt(root int, rel string, flags int) (fd int, err error) {
	const most = unix.PathMax - 1
	how := unix.OpenHow{Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_NO_MAGICLINKS}
	at := root
	for {
		part := rel
		how.Flags = uint64(flags | unix.O_CLOEXEC | unix.O_NOFOLLOW)
		if len(rel) > most {
			cut := strings.LastIndexByte(rel[:most], '/')
			if cut <= 0 {
				err = unix.ENAMETOOLONG
			} else {
				part = rel[:cut]
				how.Flags = unix.O_PATH | unix.O_DIRECTORY | unix.O_CLOEXEC | unix.O_NOFOLLOW
			}
		}
		fd = -1
		for err == nil {
			if fd, err = unix.Openat2(at, part, &how); err != unix.EINTR && err != unix.EAGAIN {
				break // EAGAIN: somebody renamed something meanwhile
			}
			err = nil
		}
		if at != root {
			unix.Close(at)
		}
		if err != nil {
			return -1, err
		}
		if len(part) == len(rel) {
			return fd, nil
		}
		at, rel = fd, rel[len(part)+1:]
	}
}

// OpenFile opens a regular file below a directory for reading, as OpenAt, and tells its size. Anything else that has come
// to its place is not waited for, and is an error.
func OpenFile(root int, rel string) (fd int, size int64, err error) {
	if fd, err = OpenAt(root, rel, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_NOCTTY); err != nil {
		return -1, 0, err
	}
	var st unix.Stat_t
	if err = unix.Fstat(fd, &st); err == nil && st.Mode&unix.S_IFMT != unix.S_IFREG {
		err = errChanged
	}
	if err != nil {
		unix.Close(fd)
		return -1, 0, err
	}
	return fd, st.Size, nil
}
