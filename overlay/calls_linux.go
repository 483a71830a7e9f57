package overlay

import (
	"strconv"
	"unsafe"

	"golang.org/x/sys/unix"

	"cove/internal/box"
)

// Whatever apply, undo and discard change on disk, they change by the calls in this file: so a test can stop before
// each of them, as a kill or a power cut would, or let it fail, as a full disk would; and so can a reader see all that
// may happen to a home. (What is thrown away in the end goes by box.RemoveTree, when nothing names it any more.)

// beforeCall is for tests. It is asked before each call that changes something.
var beforeCall func(call string) error

func calling(call string) error {
	if beforeCall == nil {
		return nil
	}
	return beforeCall(call)
}

func retry(do func() error) error {
	for {
		if err := do(); err != unix.EINTR {
			return err
		}
	}
}

// createAt makes a regular file, new, open for writing.
func createAt(dirfd int, name string) (fd int, err error) {
	if err := calling("openat"); err != nil {
		return -1, err
	}
	err = retry(func() (err error) {
		fd, err = unix.Openat(dirfd, name, unix.O_RDWR|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
		return err
	})
	return fd, err
}

func mkdirAt(dirfd int, name string) error {
	if err := calling("mkdirat"); err != nil {
		return err
	}
	return unix.Mkdirat(dirfd, name, 0o700)
}

func symlinkAt(target string, dirfd int, name string) error {
	if err := calling("symlinkat"); err != nil {
		return err
	}
	return unix.Symlinkat(target, dirfd, name)
}

func mknodAt(dirfd int, name string, mode uint32) error {
	if err := calling("mknodat"); err != nil {
		return err
	}
	return unix.Mknodat(dirfd, name, mode, 0)
}

func linkAt(olddir int, old string, newdir int, name string) error {
	if err := calling("linkat"); err != nil {
		return err
	}
	return unix.Linkat(olddir, old, newdir, name, 0)
}

func unlinkAt(dirfd int, name string, flags int) error {
	if err := calling("unlinkat"); err != nil {
		return err
	}
	return unix.Unlinkat(dirfd, name, flags)
}

// moveAt renames, and replaces nothing.
func moveAt(olddir int, old string, newdir int, name string) error {
	if err := calling("renameat2 noreplace"); err != nil {
		return err
	}
	err := unix.Renameat2(olddir, old, newdir, name, unix.RENAME_NOREPLACE)
	if err != unix.EINVAL {
		return err
	}
	// A file system without RENAME_NOREPLACE. We look first; what comes between is replaced only if it is a file.
	var st unix.Stat_t
	if err := unix.Fstatat(newdir, name, &st, unix.AT_SYMLINK_NOFOLLOW); err != unix.ENOENT {
		if err == nil {
			err = unix.EEXIST
		}
		return err
	}
	return unix.Renameat(olddir, old, newdir, name)
}

// exchangeAt swaps two names, atomically.
func exchangeAt(olddir int, old string, newdir int, name string) error {
	if err := calling("renameat2 exchange"); err != nil {
		return err
	}
	return unix.Renameat2(olddir, old, newdir, name, unix.RENAME_EXCHANGE)
}

// renameOver renames, and replaces what is there.
func renameOver(olddir int, old string, newdir int, name string) error {
	if err := calling("renameat"); err != nil {
		return err
	}
	return unix.Renameat(olddir, old, newdir, name)
}

func writeAll(fd int, b []byte, off int64) error {
	if err := calling("pwrite64"); err != nil {
		return err
	}
	for len(b) > 0 {
		n, err := unix.Pwrite(fd, b, off)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return err
		}
		b, off = b[n:], off+int64(n)
	}
	return nil
}

func truncateTo(fd int, size int64) error {
	if err := calling("ftruncate"); err != nil {
		return err
	}
	return retry(func() error { return unix.Ftruncate(fd, size) })
}

// clone makes dst share the bytes of src: ioctl_ficlone(2).
func clone(dst, src int) error {
	if err := calling("ioctl FICLONE"); err != nil {
		return err
	}
	return unix.IoctlFileClone(dst, src)
}

// copyRange is copy_file_range(2).
func copyRange(src, dst int, off, n int64) (int, error) {
	if err := calling("copy_file_range"); err != nil {
		return 0, err
	}
	from, to := off, off
	return unix.CopyFileRange(src, &from, dst, &to, int(min(n, 1<<30)), 0)
}

func syncFile(fd int) error {
	if err := calling("fsync"); err != nil {
		return err
	}
	return retry(func() error { return unix.Fsync(fd) })
}

// syncAll is syncfs(2): all of the file system that fd is on.
func syncAll(fd int) error {
	if err := calling("syncfs"); err != nil {
		return err
	}
	return unix.Syncfs(fd)
}

// What changes attributes takes any descriptor, also one that is only O_PATH, by way of its link in /proc: fchmod(2)
// takes none of those, and fchmodat2(2) came with Linux 6.6.

func fdPath(fd int) string { return "/proc/self/fd/" + strconv.Itoa(fd) }

func chmodFD(fd int, mode uint32) error {
	if err := calling("chmod"); err != nil {
		return err
	}
	return unix.Chmod(fdPath(fd), mode)
}

func chmodOpen(fd int, mode uint32) error {
	if err := calling("fchmod"); err != nil {
		return err
	}
	return unix.Fchmod(fd, mode)
}

func chgrpFD(fd int, gid uint32) error {
	if err := calling("chown"); err != nil {
		return err
	}
	return unix.Chown(fdPath(fd), -1, int(gid))
}

func chgrpAt(dirfd int, name string, gid uint32) error {
	if err := calling("fchownat"); err != nil {
		return err
	}
	return unix.Fchownat(dirfd, name, -1, int(gid), unix.AT_SYMLINK_NOFOLLOW)
}

// omitTime leaves a time as it is.
var omitTime = unix.Timespec{Nsec: unix.UTIME_OMIT}

func timesFD(fd int, atime, mtime unix.Timespec) error {
	if err := calling("utimensat"); err != nil {
		return err
	}
	return unix.UtimesNanoAt(unix.AT_FDCWD, fdPath(fd), []unix.Timespec{atime, mtime}, 0)
}

// timesOpen is futimens(3), of a descriptor that is open.
func timesOpen(fd int, atime, mtime unix.Timespec) error {
	if err := calling("utimensat"); err != nil {
		return err
	}
	ts := [2]unix.Timespec{atime, mtime}
	_, _, e := unix.Syscall6(unix.SYS_UTIMENSAT, uintptr(fd), 0, uintptr(unsafe.Pointer(&ts[0])), 0, 0, 0)
	if e != 0 {
		return e
	}
	return nil
}

func timesAt(dirfd int, name string, atime, mtime unix.Timespec) error {
	if err := calling("utimensat"); err != nil {
		return err
	}
	return unix.UtimesNanoAt(dirfd, name, []unix.Timespec{atime, mtime}, unix.AT_SYMLINK_NOFOLLOW)
}

func setXattr(f xfile, name string, value []byte) error {
	if err := calling("setxattr"); err != nil {
		return err
	}
	switch {
	case f.handle:
		return unix.Setxattr(f.path, name, value, 0)
	case f.path != "":
		return unix.Lsetxattr(f.path, name, value, 0)
	}
	return unix.Fsetxattr(f.fd, name, value, 0)
}

func removeXattr(f xfile, name string) error {
	if err := calling("removexattr"); err != nil {
		return err
	}
	switch {
	case f.handle:
		return unix.Removexattr(f.path, name)
	case f.path != "":
		return unix.Lremovexattr(f.path, name)
	}
	return unix.Fremovexattr(f.fd, name)
}

// removeTree removes what nothing names any more.
func removeTree(dirfd int, name string) error {
	if err := calling("remove tree"); err != nil {
		return err
	}
	return box.RemoveTree(dirfd, name)
}
