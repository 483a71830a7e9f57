package box

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Info is what a list of boxes shows of one.
type Info struct {
	Name    string    `json:"name"`
	Created time.Time `json:"created"` // zero where it is not known
	Used    time.Time `json:"used"`    // when its last run began; likewise
	Home    string    `json:"home,omitempty"`
	Backend string    `json:"backend,omitempty"`
	Running bool      `json:"running"`
	PID     int       `json:"pid,omitempty"` // of who uses it
	Size    int64     `json:"size"`          // bytes on disk of what changed
	AtLeast bool      `json:"at_least,omitempty"`
	Suspect bool      `json:"suspect,omitempty"`
	Damaged string    `json:"damaged,omitempty"` // why it cannot be used
}

// listBudget bounds how many files List looks at, over all boxes. Sizes are a minimum where it was not enough.
const listBudget = 200_000

// List returns the boxes, sorted by name. What is no box is left out; what is a damaged one says so. A box that a killed
// run has left, without changes, is removed and left out.
func (s *Store) List() ([]Info, error) {
	if err := s.open(false); errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	names, err := readNames(s.fd)
	if err != nil {
		return nil, fmt.Errorf("cannot list %s: %w", s.path, err)
	}
	slices.Sort(names)
	budget := listBudget
	var list []Info
	for _, name := range names {
		if CheckName(name) != nil {
			continue
		}
		fd, err := unix.Openat(s.fd, name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
		if err != nil {
			continue
		}
		if s.leftover(fd, name) {
			unix.Close(fd)
			continue
		}
		if info, ok := inspect(fd, name, &budget); ok {
			list = append(list, info)
		}
		unix.Close(fd)
	}
	return list, nil
}

func inspect(fd int, name string, budget *int) (Info, bool) {
	info := Info{Name: name}
	info.Running, info.PID = running(fd)
	var m Meta
	err := readJSON(fd, "box.json", &m)
	if err == nil && m.Home == "" {
		err = errNoHome
	}
	before := *budget
	for _, upper := range []string{"upper", "root-upper"} {
		bytes, atLeast := size(fd, upper, budget)
		info.Size, info.AtLeast = info.Size+bytes, info.AtLeast || atLeast
	}
	if err != nil {
		if *budget == before && !info.AtLeast && !info.Running {
			return info, false // never finished
		}
		if !info.Running {
			info.Damaged = err.Error()
		}
		return info, true
	}
	if n := len(m.Runs); n > 0 {
		info.Used = m.Runs[n-1].T0
	}
	info.Created, info.Home, info.Backend, info.Suspect = m.Created, m.Home, m.Backend, m.Suspect
	return info, true
}

// running tells whether somebody holds the lock of the box. It takes the lock, shared, for that moment; whoever
// wants it meanwhile tries again (Store.lock).
func running(dirfd int) (yes bool, pid int) {
	fd, err := unix.Openat(dirfd, "lock", unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return false, 0
	}
	defer unix.Close(fd)
	if unix.Flock(fd, unix.LOCK_SH|unix.LOCK_NB) != unix.EWOULDBLOCK {
		return false, 0
	}
	return true, readPID(fd)
}

// size adds up what name and all below it take on disk, without its top directory. It goes no deeper than 64
// directories, and skips what cannot be read; atLeast then says so.
func size(dirfd int, name string, budget *int) (bytes int64, atLeast bool) {
	var walk func(dirfd int, name string, depth int)
	walk = func(dirfd int, name string, depth int) {
		fd, err := unix.Openat(dirfd, name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
		if err != nil {
			atLeast = atLeast || err != unix.ENOENT
			return
		}
		defer unix.Close(fd)
		names, err := readNames(fd)
		if err != nil || depth > 64 {
			atLeast = true
			return
		}
		for _, n := range names {
			if *budget--; *budget < 0 {
				atLeast = true
				return
			}
			var st unix.Stat_t
			if unix.Fstatat(fd, n, &st, unix.AT_SYMLINK_NOFOLLOW) != nil || strings.HasPrefix(n, ".wh.") {
				continue
			}
			if st.Mode&unix.S_IFMT != unix.S_IFCHR { // a whiteout takes nothing
				bytes += st.Blocks * 512
			}
			if st.Mode&unix.S_IFMT == unix.S_IFDIR {
				walk(fd, n, depth+1)
			}
		}
	}
	walk(dirfd, name, 0)
	return bytes, atLeast
}
