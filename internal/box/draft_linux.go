package box

import (
	"io/fs"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// BaseFile says what the home was like where the box changes it (overlay.Settle). It may be empty, which is as none.
const BaseFile = "base"

// A Draft is a file of a box while it is written. The old one of that name is there until Keep.
type Draft struct {
	*os.File
	b           *Box
	name, aside string
}

// Draft begins to write a file of the box.
func (b *Box) Draft(name string) (*Draft, error) {
	// We have the lock: nobody else uses this name.
	aside := "." + name
	if err := unix.Unlinkat(b.fd, aside, 0); err != nil && err != unix.ENOENT {
		return nil, &fs.PathError{Op: "unlink", Path: b.path + "/" + aside, Err: err}
	}
	fd, err := unix.Openat(b.fd, aside, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return nil, &fs.PathError{Op: "create", Path: b.path + "/" + aside, Err: err}
	}
	return &Draft{os.NewFile(uintptr(fd), b.path+"/"+aside), b, name, aside}, nil
}

// Keep puts it in the place of the old one. It is not waited for the disk: after a power failure it may be empty.
func (d *Draft) Keep() error {
	if err := d.Close(); err != nil {
		unix.Unlinkat(d.b.fd, d.aside, 0)
		return err
	}
	if err := unix.Renameat(d.b.fd, d.aside, d.b.fd, d.name); err != nil {
		unix.Unlinkat(d.b.fd, d.aside, 0)
		return &fs.PathError{Op: "rename", Path: d.b.path + "/" + d.name, Err: err}
	}
	return nil
}

// Drop forgets it.
func (d *Draft) Drop() {
	d.Close()
	unix.Unlinkat(d.b.fd, d.aside, 0)
}

// Open opens a file of the box for reading. Where there is none, errors.Is(err, fs.ErrNotExist) holds.
func (b *Box) Open(name string) (*os.File, error) { return openFile(b.fd, name) }

// Open is the same without the lock.
func (v *View) Open(name string) (*os.File, error) { return openFile(v.fd, name) }

func openFile(dirfd int, name string) (*os.File, error) {
	fd, err := unix.Openat(dirfd, name, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	return os.NewFile(uintptr(fd), name), nil
}

// OpenDir opens a directory of the box, which with make is made where it does not exist. It is the caller's to close.
func (b *Box) OpenDir(name string, make bool) (int, error) {
	const flags = unix.O_RDONLY | unix.O_DIRECTORY | unix.O_NOFOLLOW | unix.O_CLOEXEC
	fd, err := unix.Openat(b.fd, name, flags, 0)
	if err == unix.ENOENT && make {
		if err = unix.Mkdirat(b.fd, name, 0o700); err == nil || err == unix.EEXIST {
			fd, err = unix.Openat(b.fd, name, flags, 0)
		}
	}
	if err != nil {
		return -1, &fs.PathError{Op: "open", Path: b.path + "/" + name, Err: err}
	}
	return fd, nil
}

// ID tells a box from another one of the same name, at another time.
func (m *Meta) ID() string { return strconv.FormatInt(m.Created.UnixNano(), 36) }

// Since is when the first of the runs began of which it was not yet settled what they did: the last, and those before it
// that did not come to their end.
func (m *Meta) Since() time.Time {
	n := len(m.Runs)
	if n == 0 {
		return time.Time{}
	}
	for n > 1 && m.Runs[n-2].End == nil {
		n--
	}
	return m.Runs[n-1].T0
}
