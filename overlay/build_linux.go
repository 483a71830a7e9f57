package overlay

import (
	"fmt"
	"os"
	"path"
	"strings"

	"golang.org/x/sys/unix"
)

// Build makes the layer f in frontDir, anew. Of home it reads the attributes of directories, and follows no links.
func Build(frontDir, home string, f Front) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("cannot make the layer before %s: %w", home, err)
		}
	}()
	homefd, err := unix.Open(home, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(homefd)
	var top unix.Stat_t
	if err := unix.Fstat(homefd, &top); err != nil {
		return err
	}
	if err := unix.Mkdir(frontDir, 0o700); err == unix.EEXIST {
		// Of an earlier run. No program ever had it as its upper layer, so all in it is ours.
		if err := os.RemoveAll(frontDir); err != nil {
			return err
		}
		err = unix.Mkdir(frontDir, 0o700)
		if err != nil {
			return err
		}
	} else if err != nil {
		return err
	}
	front, err := unix.Open(frontDir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(front)

	stats := map[string]unix.Stat_t{}
	entries := f.Entries(func(rel string) (uint32, bool) {
		st, ok := stats[rel]
		if !ok {
			if statBeneath(homefd, rel, &st) != nil {
				return 0, false
			}
			stats[rel] = st
		}
		return st.Mode, true
	})
	for _, e := range entries {
		if err := makeEntry(front, e); err != nil {
			return fmt.Errorf("%s: %w", e.Path, err)
		}
	}
	// Modes and times last, children before parents: making a child needs the one and changes the other.
	for i := len(entries) - 1; i >= 0; i-- {
		e := entries[i]
		if e.Kind != EmptyDir && e.Kind != OpaqueDir {
			continue
		}
		if err := finishDir(front, e, stats[e.Path]); err != nil {
			return fmt.Errorf("%s: %w", e.Path, err)
		}
	}
	// The top of the layer is not seen: upper lies before it. But work needs no more rights than this.
	return unix.Fchmod(front, top.Mode&0o777|0o700)
}

func makeEntry(front int, e FrontEntry) error {
	// The directory is ours and new, so there are no links in it to be followed.
	switch e.Kind {
	case Whiteout:
		// The one device that everybody may make (Linux 5.8, a3c751a50fe6), but not on every file system: an overlay
		// has none. fuse-overlayfs, the only one that reads this layer from a directory, knows another sort.
		err := unix.Mknodat(front, e.Path, unix.S_IFCHR, 0)
		if err != nil && makeFile(front, path.Join(path.Dir(e.Path), filePrefix+path.Base(e.Path)), 0o644) == nil {
			return nil
		}
		return err
	case EmptyFile:
		return makeFile(front, e.Path, e.Mode)
	}
	if err := unix.Mkdirat(front, e.Path, 0o700); err != nil {
		return err
	}
	if e.Kind != OpaqueDir {
		return nil
	}
	fd, err := unix.Openat(front, e.Path, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	for _, name := range []string{"user.overlay.opaque", "user.fuseoverlayfs.opaque"} {
		if err := unix.Fsetxattr(fd, name, []byte("y"), 0); err != nil {
			return fmt.Errorf("the file system takes no extended attributes: %w", err)
		}
	}
	return nil
}

func makeFile(dir int, name string, mode uint32) error {
	fd, err := unix.Openat(dir, name, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_CLOEXEC, mode)
	if err != nil {
		return err
	}
	return unix.Close(fd)
}

func finishDir(front int, e FrontEntry, like unix.Stat_t) error {
	if err := unix.Fchmodat(front, e.Path, e.Mode, 0); err != nil {
		return err
	}
	if !e.Like {
		return nil
	}
	times := []unix.Timespec{{Nsec: unix.UTIME_OMIT}, {Sec: like.Mtim.Sec, Nsec: like.Mtim.Nsec}}
	return unix.UtimesNanoAt(front, e.Path, times, unix.AT_SYMLINK_NOFOLLOW)
}

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
