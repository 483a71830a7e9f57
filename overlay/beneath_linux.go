package overlay

import (
	"path"
	"strings"

	"golang.org/x/sys/unix"
)

// openBeneath opens the directory rel, which is clean and relative, by way of dirfd. No link is followed, neither on
// the way nor at its end, and whoever moves directories meanwhile cannot lead it out: that is ELOOP, ENOTDIR or EXDEV
// (openat2(2), RESOLVE_BENEATH). Any length will do.
func openBeneath(dirfd int, rel string, flags int) (fd int, err error) {
	how := unix.OpenHow{
		Flags:   uint64(flags | unix.O_DIRECTORY | unix.O_NOFOLLOW | unix.O_CLOEXEC),
		Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_NO_MAGICLINKS,
	}
	fd = dirfd
	for {
		part, rest := cutPath(rel)
		step := how
		if rest != "" {
			step.Flags = how.Flags&^unix.O_ACCMODE | unix.O_PATH
		}
		var next int
		next, err = openat2(fd, part, &step)
		if fd != dirfd {
			unix.Close(fd)
		}
		if err != nil || rest == "" {
			return next, err
		}
		fd, rel = next, rest
	}
}

// openat2 is openat2(2), which is EAGAIN where somebody renames on the way, and, where a container's filter does not
// know it, the same one name after the other.
func openat2(dirfd int, rel string, how *unix.OpenHow) (int, error) {
	var fd int
	err := unix.EAGAIN
	for tries := 0; (err == unix.EAGAIN || err == unix.EINTR) && tries < 100; tries++ {
		var e error
		fd, e = unix.Openat2(dirfd, rel, how)
		if e == nil {
			return fd, nil
		}
		err, _ = e.(unix.Errno)
	}
	if err != unix.ENOSYS && err != unix.EPERM && err != unix.EAGAIN {
		return -1, err
	}
	at := dirfd
	for parts := strings.Split(rel, "/"); ; parts = parts[1:] {
		flags := unix.O_PATH | unix.O_DIRECTORY | unix.O_NOFOLLOW | unix.O_CLOEXEC
		if len(parts) == 1 {
			flags = int(how.Flags)
		}
		next, err := unix.Openat(at, parts[0], flags, 0)
		if at != dirfd {
			unix.Close(at)
		}
		if err != nil || len(parts) == 1 {
			return next, err
		}
		at = next
	}
}

// cutPath cuts what one system call takes (PATH_MAX) off a path.
func cutPath(rel string) (part, rest string) {
	const most = 4000
	if len(rel) <= most {
		return rel, ""
	}
	i := strings.LastIndexByte(rel[:most], '/')
	if i < 0 {
		return rel, "" // a name that no file system has
	}
	return rel[:i], rel[i+1:]
}

// statBeneath is fstatat(2), but follows no link on the way either: the way is ELOOP or ENOTDIR then.
func statBeneath(dirfd int, rel string, st *unix.Stat_t) error {
	dir, name := path.Split(rel)
	if dir == "" {
		return unix.Fstatat(dirfd, name, st, unix.AT_SYMLINK_NOFOLLOW|unix.AT_NO_AUTOMOUNT)
	}
	fd, err := openBeneath(dirfd, path.Clean(dir), unix.O_PATH)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return unix.Fstatat(fd, name, st, unix.AT_SYMLINK_NOFOLLOW|unix.AT_NO_AUTOMOUNT)
}

// A opener opens directories below one, and remembers the last: what is done in a home is mostly done in one directory
// after the other.
type opener struct {
	root int
	rel  string
	fd   int // -1 where none is open
}

func newOpener(root int) opener { return opener{root: root, fd: -1} }

// dir returns a descriptor (O_PATH) of the directory rel; "." is the root. It is the opener's, until the next call.
func (o *opener) dir(rel string) (int, error) {
	if rel == "." {
		return o.root, nil
	}
	if o.fd >= 0 && o.rel == rel {
		return o.fd, nil
	}
	from, rest := o.root, rel
	if o.fd >= 0 && len(rel) > len(o.rel) && under(rel, o.rel) {
		from, rest = o.fd, rel[len(o.rel)+1:] // deep trees are gone down step by step
	}
	fd, err := openBeneath(from, rest, unix.O_PATH)
	if err != nil {
		return -1, err
	}
	o.close()
	o.rel, o.fd = rel, fd
	return fd, nil
}

// read opens the directory rel to read its names. It is the caller's.
func (o *opener) read(rel string) (int, error) {
	fd, err := o.dir(rel)
	if err != nil {
		return -1, err
	}
	return openDir(fd, ".", unix.O_RDONLY)
}

func (o *opener) close() {
	if o.fd >= 0 {
		unix.Close(o.fd)
	}
	o.fd, o.rel = -1, ""
}
