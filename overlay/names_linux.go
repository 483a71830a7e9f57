package overlay

import (
	"math"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// readNames returns the names in a directory that was just opened, in the order of their bytes.
func readNames(fd int, buf []byte) (names []string, err error) {
	names, _, err = readSome(fd, buf, math.MaxInt)
	return names, err
}

// readSome is readNames, but gives up, and tells so, where there are more than about most.
func readSome(fd int, buf []byte, most int) (names []string, all bool, err error) {
	for {
		n, err := unix.ReadDirent(fd, buf)
		switch {
		case err == unix.EINTR:
			continue
		case err != nil && err != unix.ENOENT: // ENOENT: it was removed meanwhile
			return nil, false, err
		case n <= 0:
			slices.Sort(names)
			return names, true, nil
		}
		if _, _, names = unix.ParseDirent(buf[:n], -1, names); len(names) > most {
			return nil, false, nil
		}
	}
}

// openDir opens a directory of another directory, and no link to one.
func openDir(dirfd int, name string, flags int) (int, error) {
	for {
		fd, err := unix.Openat(dirfd, name, flags|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
		if err != unix.EINTR {
			return fd, err
		}
	}
}

// attrAt is fstatat(2) of a name in a directory; TypeAbsent where there is none.
func attrAt(dirfd int, name string) (Attr, error) {
	var st unix.Stat_t
	err := unix.Fstatat(dirfd, name, &st, unix.AT_SYMLINK_NOFOLLOW|unix.AT_NO_AUTOMOUNT)
	if err == unix.ENOENT || err == unix.ENAMETOOLONG { // a name too long for this file system is not there
		return Attr{}, nil
	}
	if err != nil {
		return Attr{}, err
	}
	return attrOf(&st), nil
}

func attrOf(st *unix.Stat_t) Attr {
	a := Attr{
		Mode:   Mode(st.Mode & 0o7777),
		UID:    st.Uid,
		GID:    st.Gid,
		Links:  uint32(st.Nlink),
		MTime:  time.Unix(st.Mtim.Unix()).UTC(),
		Inode:  st.Ino,
		dev:    uint64(st.Dev),
		rdev:   uint64(st.Rdev),
		ctime:  st.Ctim.Nano(),
		blocks: st.Blocks,
	}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFREG:
		a.Type, a.Size, a.Disk = TypeFile, st.Size, st.Blocks*512
	case unix.S_IFDIR:
		a.Type = TypeDir
	case unix.S_IFLNK:
		a.Type = TypeSymlink
	case unix.S_IFIFO:
		a.Type = TypeFifo
	case unix.S_IFSOCK:
		a.Type = TypeSocket
	case unix.S_IFCHR:
		a.Type = TypeDevice
		if a.rdev == 0 {
			a.Type = TypeWhiteout
		}
	default:
		a.Type = TypeDevice
	}
	return a
}
