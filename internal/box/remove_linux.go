package box

import (
	"errors"
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// RemoveTree removes name in the directory dirfd, with all that is in it, whatever the modes of its directories.
// It follows no links, crosses into no other file system, and holds a constant number of descriptors however deep
// the tree is. Something that vanishes meanwhile is not an error.
//
// The error is a *NeedsMapError, with only Name and UID set, where directories of another user are in the way.
func RemoveTree(dirfd int, name string) error {
	r := remover{left: -1}
	return r.tree(dirfd, name)
}

// window is how many directories on the way down stay open. Above them the way back leads through "..".
const window = 16

// A level is a directory being emptied.
type level struct {
	fd       int // -1 while closed
	dev, ino uint64
	name     string
	todo     []string // names that were read, but not yet removed
	removed  bool     // something was, since the directory was last read from its beginning
	again    bool     // its descriptor was reopened, or read to its end: read from the beginning
}

type remover struct {
	left  int // how many entries may be removed; < 0: any number
	races int // how often somebody changed what we were at
	stack []level
	buf   []byte
}

// maxRaces is how often a remover starts anew on a directory in which somebody makes files meanwhile. One file is
// usual: the lock of a box, made by a process that opened the box before it was moved aside (Store.lock).
const maxRaces = 100

// errEnough says that the number of entries was used up.
var errEnough = errors.New("cannot go on: enough was removed")

func (r *remover) tree(dirfd int, name string) error {
	isDir, err := r.unlink(dirfd, name)
	if err != nil || !isDir {
		return err
	}
	defer r.close()
	if err := r.descend(dirfd, name); err != nil {
		return err
	}
	for len(r.stack) > 0 {
		top := &r.stack[len(r.stack)-1]
		if len(top.todo) == 0 {
			if err := r.read(top); err != nil {
				return fmt.Errorf("cannot read directory %q: %w", top.name, err)
			}
		}
		if len(top.todo) == 0 {
			if err := r.ascend(dirfd); err != nil {
				return err
			}
			continue
		}
		n := len(top.todo) - 1
		child := top.todo[n]
		top.todo = top.todo[:n]
		isDir, err := r.unlink(top.fd, child)
		if err != nil {
			return err
		}
		if !isDir {
			top.removed = true
			continue
		}
		if err := r.descend(top.fd, child); err != nil {
			return err
		}
	}
	return nil
}

// unlink removes name, or tells that it is a directory with something in it.
func (r *remover) unlink(dirfd int, name string) (isDir bool, err error) {
	if r.left == 0 {
		return false, errEnough
	}
	r.left = max(r.left-1, -1)
	err = unix.Unlinkat(dirfd, name, 0)
	if err == unix.EISDIR || err == unix.EPERM { // EPERM is what POSIX has for directories
		if err2 := unix.Unlinkat(dirfd, name, unix.AT_REMOVEDIR); err2 == unix.ENOTEMPTY || err2 == unix.EEXIST || err2 == unix.EACCES || err2 == unix.EPERM {
			if err2 == unix.ENOTEMPTY || err2 == unix.EEXIST {
				return true, nil
			}
			err = err2
		} else if err2 != unix.ENOTDIR {
			err = err2
		} else if err == unix.EISDIR && r.races < maxRaces {
			r.races++ // a file or a link has its place now
			return r.unlink(dirfd, name)
		}
	}
	if ignoreGone(err) == nil {
		return false, nil
	}
	if err == unix.EBUSY {
		return false, mounted(name)
	}
	if err == unix.EACCES || err == unix.EPERM {
		if owner := foreign(dirfd); owner >= 0 {
			return false, &NeedsMapError{Name: name, UID: owner}
		}
	}
	return false, fmt.Errorf("cannot remove %q: %w", name, err)
}

// descend opens the directory name and makes it the top of the stack.
func (r *remover) descend(dirfd int, name string) error {
	// O_PATH first: a directory of mode 000 can be had by it, and then be given a mode to work with. It goes
	// through /proc because fchmod(2) takes no O_PATH descriptor and fchmodat2(2) came with Linux 6.6.
	p, err := unix.Openat(dirfd, name, unix.O_PATH|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err == unix.ENOTDIR && len(r.stack) > 0 && r.races < maxRaces {
		// A file or a link has its place now. It is found when the directory above is read again.
		r.races++
		r.stack[len(r.stack)-1].removed = true
		return nil
	} else if err == unix.ENOENT {
		return nil
	} else if err != nil {
		return fmt.Errorf("cannot open directory %q: %w", name, err)
	}
	defer unix.Close(p)
	var st unix.Stat_t
	if err := unix.Fstat(p, &st); err != nil {
		return err
	}
	if len(r.stack) > 0 && st.Dev != r.stack[len(r.stack)-1].dev {
		return mounted(name)
	}
	if st.Mode&0o700 != 0o700 {
		if err := unix.Chmod("/proc/self/fd/"+strconv.Itoa(p), 0o700); err == unix.EPERM {
			return &NeedsMapError{Name: name, UID: int(st.Uid)}
		} else if err != nil {
			return fmt.Errorf("cannot change the mode of %q: %w", name, err)
		}
	}
	fd, err := unix.Openat(p, ".", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err == unix.EACCES && int(st.Uid) != os.Geteuid() {
		return &NeedsMapError{Name: name, UID: int(st.Uid)}
	} else if err != nil {
		return fmt.Errorf("cannot open directory %q: %w", name, err)
	}
	r.stack = append(r.stack, level{fd: fd, dev: st.Dev, ino: st.Ino, name: name})
	if far := len(r.stack) - 1 - window; far >= 0 && r.stack[far].fd >= 0 {
		unix.Close(r.stack[far].fd)
		r.stack[far].fd, r.stack[far].again = -1, true
	}
	return nil
}

// read fills top.todo. It is empty when nothing is left.
func (r *remover) read(top *level) error {
	if r.buf == nil {
		r.buf = make([]byte, 64<<10)
	}
	for {
		if top.again {
			if _, err := unix.Seek(top.fd, 0, 0); err != nil {
				return err
			}
			top.again, top.removed = false, false
		}
		for {
			n, err := unix.ReadDirent(top.fd, r.buf)
			if err == unix.EINTR {
				continue
			}
			if err != nil && err != unix.ENOENT {
				return err
			}
			if n <= 0 {
				break
			}
			if _, _, top.todo = unix.ParseDirent(r.buf[:n], -1, top.todo[:0]); len(top.todo) > 0 {
				return nil
			}
		}
		// Some file systems skip entries when others are removed between two reads.
		if !top.removed {
			return nil
		}
		top.again = true
	}
}

// ascend removes the empty directory on top of the stack.
func (r *remover) ascend(dirfd int) error {
	top := r.stack[len(r.stack)-1]
	r.stack = r.stack[:len(r.stack)-1]
	defer unix.Close(top.fd)
	up := dirfd
	if n := len(r.stack); n > 0 {
		parent := &r.stack[n-1]
		if parent.fd < 0 {
			fd, err := unix.Openat(top.fd, "..", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
			if err != nil {
				return fmt.Errorf("cannot open directory %q: %w", parent.name, err)
			}
			parent.fd = fd
			var st unix.Stat_t
			if err := unix.Fstat(fd, &st); err != nil || st.Dev != parent.dev || st.Ino != parent.ino {
				return fmt.Errorf("cannot find the way back to directory %q: it was moved meanwhile", parent.name)
			}
		}
		parent.removed = true
		up = parent.fd
	}
	isDir, err := r.unlink(up, top.name)
	if !isDir {
		return err
	}
	if r.races++; r.races > maxRaces {
		return fmt.Errorf("cannot remove directory %q: somebody puts files there", top.name)
	}
	if len(r.stack) == 0 {
		return r.descend(dirfd, top.name)
	}
	return nil // it is found again, as the directory above is read again
}

func mounted(name string) error {
	return fmt.Errorf("cannot remove %q: another file system is mounted there; unmount it first", name)
}

func (r *remover) close() {
	for _, l := range r.stack {
		if l.fd >= 0 {
			unix.Close(l.fd)
		}
	}
	r.stack = nil
}

// foreign returns the owner of the directory, if that is somebody else; otherwise -1.
func foreign(dirfd int) int {
	var st unix.Stat_t
	if unix.Fstat(dirfd, &st) == nil && int(st.Uid) != os.Geteuid() {
		return int(st.Uid)
	}
	return -1
}

func ignoreGone(err error) error {
	if err == unix.ENOENT {
		return nil
	}
	return err
}
