package overlay

import (
	"fmt"
	"os"
	"path"

	"golang.org/x/sys/unix"

	"cove/internal/mount"
)

// Build makes the layer of entries, as Front.Entries lists them, in frontDir, anew: for fuse-overlayfs, which reads
// layers from directories. For the kernel the stage makes one in memory.
func Build(frontDir string, entries []mount.Entry) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("cannot make the layer before the home in %s: %w", frontDir, err)
		}
	}()
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
	for _, e := range entries {
		if err := makeEntry(front, e); err != nil {
			return fmt.Errorf("%s: %w", e.Name, err)
		}
	}
	// Modes and times last, children before parents: making a child needs the one and changes the other.
	for i := len(entries) - 1; i >= 0; i-- {
		if err := finishDir(front, entries[i]); err != nil {
			return fmt.Errorf("%s: %w", entries[i].Name, err)
		}
	}
	return nil
}

func makeEntry(front int, e mount.Entry) error {
	// The directory is ours and new, so there are no links in it to be followed.
	switch e.Kind {
	case mount.Hide:
		// The one device that everybody may make (Linux 5.8, a3c751a50fe6), but not on every file system: an overlay
		// has none. fuse-overlayfs knows another sort.
		err := unix.Mknodat(front, e.Name, unix.S_IFCHR, 0)
		if err != nil && makeFile(front, path.Join(path.Dir(e.Name), filePrefix+path.Base(e.Name))) == nil {
			return nil
		}
		return err
	case mount.EntryFile:
		return makeFile(front, e.Name)
	}
	if err := unix.Mkdirat(front, e.Name, 0o755); err != nil {
		return err
	}
	if e.Kind != mount.EntryOpaque {
		return nil
	}
	fd, err := unix.Openat(front, e.Name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	for _, name := range Fuse.opaqueAttrs() {
		if err = unix.Fsetxattr(fd, name, []byte("y"), 0); err != nil {
			return makeFile(fd, fileOpaque)
		}
	}
	return nil
}

func makeFile(dir int, name string) error {
	fd, err := unix.Openat(dir, name, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_CLOEXEC, 0o644)
	if err != nil {
		return err
	}
	return unix.Close(fd)
}

func finishDir(front int, e mount.Entry) error {
	if e.Kind != mount.EntryDir || e.Mode == 0 {
		return nil
	}
	if err := unix.Fchmodat(front, e.Name, e.Mode, 0); err != nil {
		return err
	}
	times := []unix.Timespec{{Nsec: unix.UTIME_OMIT}, unix.NsecToTimespec(e.MTime)}
	return unix.UtimesNanoAt(front, e.Name, times, unix.AT_SYMLINK_NOFOLLOW)
}
