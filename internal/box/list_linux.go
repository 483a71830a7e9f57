package box

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
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
	// Changes is how many paths differed from the home when the last run ended; nil where that is not known, as while
	// it runs.
	Changes  *int     `json:"changes,omitempty"`
	Base     string   `json:"base,omitempty"`     // the box that it lies on
	Branches []string `json:"branches,omitempty"` // the boxes that lie on it
	Suspect  bool     `json:"suspect,omitempty"`
	Damaged  string   `json:"damaged,omitempty"` // why it cannot be used

	Runs []Run `json:"-"` // the oldest first
}

// listBudget bounds how many files List looks at, over all boxes. Sizes are a minimum where it was not enough. Mostly
// they are known: they are noted when a run ends.
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
	names = slices.DeleteFunc(names, func(n string) bool { return CheckName(n) != nil })
	found := make([]*Info, len(names))
	var budget, next atomic.Int64
	budget.Store(listBudget)
	var wg sync.WaitGroup
	for range min(4, len(names)) {
		wg.Go(func() {
			for i := int(next.Add(1)) - 1; i < len(names); i = int(next.Add(1)) - 1 {
				found[i] = s.inspect(names[i], &budget)
			}
		})
	}
	wg.Wait()
	var list []Info
	for _, info := range found {
		if info != nil {
			list = append(list, *info)
		}
	}
	return list, nil
}

// inspect tells of a box; nil where it is none.
func (s *Store) inspect(name string, budget *atomic.Int64) *Info {
	fd, err := unix.Openat(s.fd, name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil
	}
	defer unix.Close(fd)
	if s.leftover(fd, name) {
		return nil
	}
	info := &Info{Name: name}
	info.Running, info.PID = running(fd)
	var m Meta
	err = readJSON(fd, "box.json", &m)
	if err == nil && m.Home == "" {
		err = errNoHome
	}
	if tally := m.Tally; tally != nil && !info.Running {
		info.Size, info.Changes = tally.Bytes, &tally.Changes
	} else {
		for _, upper := range []string{"upper", "root-upper"} {
			bytes, atLeast := size(fd, upper, budget)
			info.Size, info.AtLeast = info.Size+bytes, info.AtLeast || atLeast
		}
	}
	if err != nil {
		if !info.Running && empty(fd, "upper") && empty(fd, "root-upper") {
			return nil // never finished
		}
		if !info.Running {
			info.Damaged = err.Error()
		}
		return info
	}
	if n := len(m.Runs); n > 0 {
		info.Used = m.Runs[n-1].T0
	}
	info.Created, info.Home, info.Backend, info.Suspect = m.Created, m.Home, m.Backend, m.Suspect
	info.Base, info.Branches, info.Runs = m.Base, s.branches(name, &m), m.Runs
	return info
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
func size(dirfd int, name string, budget *atomic.Int64) (bytes int64, atLeast bool) {
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
			if budget.Add(-1) < 0 {
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
