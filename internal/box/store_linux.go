package box

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// A Store is the directory that holds all boxes of a user. It is for one goroutine at a time; as many stores as you
// like can be of the same directory.
type Store struct {
	path string // data + "/boxes"
	fd   int    // of path; -1 until it is needed
}

// Open returns the store below the data directory, $XDG_DATA_HOME/cove. Nothing is made before a box is.
func Open(data string) (*Store, error) {
	if !filepath.IsAbs(data) {
		return nil, fmt.Errorf("cannot keep boxes in %q: it is not an absolute path", data)
	}
	return &Store{path: filepath.Join(data, "boxes"), fd: -1}, nil
}

// Path is the directory that holds the boxes.
func (s *Store) Path() string { return s.path }

// Close lets the directory go. Boxes taken from the store stay usable, but cannot be removed any more.
func (s *Store) Close() error {
	if s.fd < 0 {
		return nil
	}
	fd := s.fd
	s.fd = -1
	return unix.Close(fd)
}

// open opens the directory; with make it is made.
func (s *Store) open(make bool) error {
	if s.fd >= 0 {
		return nil
	}
	const flags = unix.O_RDONLY | unix.O_DIRECTORY | unix.O_CLOEXEC
	fd, err := unix.Open(s.path, flags, 0)
	if err == unix.ENOENT && make {
		if err := os.MkdirAll(s.path, 0o700); err != nil {
			return fmt.Errorf("cannot make a place for boxes: %w", err)
		}
		fd, err = unix.Open(s.path, flags, 0)
	}
	if err != nil {
		return &fs.PathError{Op: "open", Path: s.path, Err: err}
	}
	s.fd = fd
	return nil
}

// Create makes a box and takes its lock. Without a name it gets one that can be read and said. A name that is
// taken is an error for which errors.Is(err, fs.ErrExist) holds.
func (s *Store) Create(name string) (*Box, error) {
	if name != "" {
		if err := CheckName(name); err != nil {
			return nil, err
		}
	}
	if err := s.open(true); err != nil {
		return nil, err
	}
	s.sweep(sweepSome)
	for attempt := 0; ; attempt++ {
		n := name
		if n == "" {
			n = generate(attempt)
		}
		if err := unix.Mkdirat(s.fd, n, 0o700); err == unix.EEXIST && name == "" && attempt < 1000 {
			continue
		} else if err != nil && err != unix.EEXIST {
			return nil, fmt.Errorf("cannot make box %s in %s: %w", n, s.path, err)
		}
		// What is there already may be a box that was never finished, which is as good as new. And between mkdir
		// and lock somebody may have taken ours for one, and now uses it or removed it.
		b, err := s.lock(n)
		if err == nil && !b.existed {
			b.Meta.Generated = name == ""
			return b, nil
		}
		if err == nil {
			b.unlock()
		}
		letGo(err)
		var busy *BusyError
		var damaged *DamagedError
		taken := err == nil || errors.As(err, &busy) || errors.As(err, &damaged)
		switch {
		case !taken && !errors.Is(err, fs.ErrNotExist):
			return nil, err
		case taken && name != "":
			return nil, fmt.Errorf("cannot make box %s: %w", n, fs.ErrExist)
		case attempt >= 1000:
			return nil, fmt.Errorf("cannot make box %s: it is taken again and again", n)
		}
	}
}

// Acquire takes the box, which is made where it does not exist. A box that another process uses is a *BusyError.
// After the holder was killed, by SIGKILL too, the box is free.
func (s *Store) Acquire(name string) (*Box, error) {
	if err := CheckName(name); err != nil {
		return nil, err
	}
	if err := s.open(true); err != nil {
		return nil, err
	}
	// Each failure means that the box was removed between two steps of ours.
	for range 100 {
		if err := unix.Mkdirat(s.fd, name, 0o700); err != nil && err != unix.EEXIST {
			return nil, fmt.Errorf("cannot make box %s in %s: %w", name, s.path, err)
		}
		if b, err := s.lock(name); !errors.Is(err, fs.ErrNotExist) {
			return b, letGo(err)
		}
	}
	return nil, fmt.Errorf("cannot make box %s: it is removed again and again", name)
}

// Get takes a box that exists; where it does not, or was never finished, errors.Is(err, fs.ErrNotExist) holds.
func (s *Store) Get(name string) (*Box, error) {
	b, err := s.get(name)
	if err == nil && !b.existed {
		b.unlock()
		return nil, noSuchBox(name, fs.ErrNotExist)
	}
	return b, letGo(err)
}

// letGo unlocks the box that comes with a DamagedError.
func letGo(err error) error {
	var damaged *DamagedError
	if errors.As(err, &damaged) {
		damaged.box.unlock()
	}
	return err
}

func (s *Store) get(name string) (*Box, error) {
	if err := CheckName(name); err != nil {
		return nil, err
	}
	if err := s.open(false); err != nil {
		return nil, noSuchBox(name, err)
	}
	return s.lock(name)
}

func noSuchBox(name string, err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("cannot find box %s: %w", name, fs.ErrNotExist)
	}
	return err
}

// lock takes the lock of an existing box.
//
// The lock lies in the box, not in XDG_RUNTIME_DIR: two login sessions of one user may have different runtime
// directories, or one has none (su, cron), and would then both find the box free.
func (s *Store) lock(name string) (_ *Box, err error) {
	b := &Box{store: s, name: name, path: s.path + "/" + name, lockfd: -1, Meta: Meta{Name: name}}
	b.fd, err = unix.Openat(s.fd, name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err == unix.ENOENT {
		return nil, noSuchBox(name, fs.ErrNotExist)
	} else if err != nil {
		return nil, fmt.Errorf("cannot open box %s: %w", b.path, err)
	}
	defer func() {
		if err != nil {
			b.unlock()
		}
	}()
	b.lockfd, err = unix.Openat(b.fd, "lock", unix.O_RDWR|unix.O_CREAT|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0o600)
	if err == unix.ENOENT {
		return nil, noSuchBox(name, fs.ErrNotExist) // removed meanwhile
	} else if err != nil {
		return nil, fmt.Errorf("cannot open the lock of box %s: %w", name, err)
	}
	for held, looked := 0, 0; ; time.Sleep(time.Millisecond) {
		err = unix.Flock(b.lockfd, unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			break
		} else if err == unix.EINTR {
			continue
		} else if err != unix.EWOULDBLOCK {
			return nil, fmt.Errorf("cannot lock box %s: %w", name, err)
		}
		// List holds a lock too: shared, and for a moment, which is long where the machine is busy. A holder's is
		// exclusive; but a child that he forks has a copy until it executes its program, also when he let go.
		if unix.Flock(b.lockfd, unix.LOCK_SH|unix.LOCK_NB) == nil {
			unix.Flock(b.lockfd, unix.LOCK_UN)
			looked++
		} else {
			held++
		}
		switch {
		case held > 3:
			return nil, &BusyError{name, readPID(b.lockfd)}
		case looked > 1000:
			return nil, &BusyError{name, 0} // a run of a box that lies on this one
		}
	}
	// What we locked may have been moved aside to be removed while we waited, or a new box may have its name.
	same, err := s.is(b.fd, name)
	if err != nil {
		return nil, fmt.Errorf("cannot look at box %s: %w", name, err)
	} else if !same {
		return nil, noSuchBox(name, fs.ErrNotExist)
	}
	pid := strconv.AppendInt(nil, int64(os.Getpid()), 10)
	if _, err = unix.Pwrite(b.lockfd, append(pid, '\n'), 0); err == nil {
		err = unix.Ftruncate(b.lockfd, int64(len(pid)+1))
	}
	if err != nil {
		return nil, fmt.Errorf("cannot write the lock of box %s: %w", name, err)
	}
	if err = b.load(); err != nil {
		return nil, err
	}
	return b, nil
}

// is tells whether the directory fd is still called name.
func (s *Store) is(fd int, name string) (bool, error) {
	var here, there unix.Stat_t
	err := unix.Fstat(fd, &here)
	if err == nil {
		err = unix.Fstatat(s.fd, name, &there, unix.AT_SYMLINK_NOFOLLOW)
	}
	if err == unix.ENOENT {
		return false, nil
	}
	return err == nil && here.Dev == there.Dev && here.Ino == there.Ino, err
}

func readPID(fd int) int {
	var buf [24]byte
	n, err := unix.Pread(fd, buf[:], 0)
	if err != nil {
		return 0
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(buf[:n])))
	if err != nil || pid < 0 {
		return 0
	}
	return pid
}

// Remove removes a box that nobody uses.
func (s *Store) Remove(name string) error {
	b, err := s.get(name)
	var damaged *DamagedError
	if errors.As(err, &damaged) {
		b, err = damaged.box, nil
	}
	if err != nil {
		return err
	}
	return b.Remove()
}

const trash = ".trash-"

// Limits of sweep.
const (
	sweepAll  = -1
	sweepSome = 500 // entries: about 5 ms, as it delays the start of a program
)

// sweep goes on with removing what a killed Remove left. What cannot be removed stays: who removed it was told.
func (s *Store) sweep(limit int) {
	names, err := readNames(s.fd)
	if err != nil {
		return
	}
	for _, name := range names {
		if !strings.HasPrefix(name, trash) {
			continue
		}
		fd, err := unix.Openat(s.fd, name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
		if err != nil {
			continue
		}
		if unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB) == nil { // otherwise somebody is at it
			r := remover{left: limit}
			r.tree(s.fd, name)
			limit = r.left
		}
		unix.Close(fd)
		if limit == 0 {
			return
		}
	}
	// Where there are many boxes, perhaps because nobody ever lists them, one is looked at, too: so what killed runs leave
	// stays a small part of them.
	if limit != sweepAll && len(names) > manyBoxes {
		name := names[rand.IntN(len(names))]
		if fd, err := unix.Openat(s.fd, name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0); err == nil {
			if CheckName(name) == nil {
				s.leftover(fd, name)
			}
			unix.Close(fd)
		}
	}
}

// manyBoxes are more than a person keeps.
const manyBoxes = 16

// readNames reads a directory from its beginning.
func readNames(fd int) (names []string, err error) {
	if _, err := unix.Seek(fd, 0, 0); err != nil {
		return nil, err
	}
	buf := make([]byte, 8<<10)
	for {
		n, err := unix.ReadDirent(fd, buf)
		if err == unix.EINTR {
			continue
		}
		if err != nil || n <= 0 {
			return names, err
		}
		_, _, names = unix.ParseDirent(buf[:n], -1, names)
	}
}
