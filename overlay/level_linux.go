package overlay

import (
	"errors"
	"fmt"
	"strconv"

	"golang.org/x/sys/unix"
)

// window is how many directories on the way down stay open, on both sides. Above them the way back leads through
// "..", and what it leads to must be what was left. Ordinary homes are not as deep; a program can make a tree of any
// depth, and may not make us run out of descriptors.
const window = 64

// A level is a directory that both sides are compared in.
type level struct {
	upper, home     int // descriptors; -1 while closed, and home where it has no such directory
	hasHome         bool
	opaque          bool // nothing of the home's directory shows through
	hidden          bool // nor did the program see any of it, as it was hidden
	upperID, homeID fileID
	end             int      // of its path in walker.path
	todo            []string // names in the upper that were not yet looked at, in order
	gone            []string // the same of names that the upper deletes
	inHome          []string // what the home's directory has, in order, from todo[0] on; if it is listed
	listed          bool
	only            []string // what of it is looked at, relative to it; nil is all
	batch           []pair   // what was looked at
	next            int      // how much of batch is done
	replaced        *Change  // what to tell before the first change in it, or if there is none and Flags are set
}

type fileID struct{ dev, ino uint64 }

var (
	errChanged = errors.New("it was replaced meanwhile")
	errLost    = errors.New("it was moved meanwhile")
)

func idOf(fd int) (fileID, error) {
	var st unix.Stat_t
	err := unix.Fstat(fd, &st)
	return fileID{uint64(st.Dev), st.Ino}, err
}

// push makes l the directory to work in.
func (w *walker) push(l level) error {
	w.stack = append(w.stack, l)
	if far := len(w.stack) - 1 - window; far > 0 {
		return w.stack[far].close(w.stack[far+1].hasHome)
	}
	return nil
}

// close lets go of the directory until the way back leads to it. There is no way back to the home's last directory
// from below what the home lacks, so that one stays.
func (l *level) close(home bool) (err error) {
	if l.upperID, err = idOf(l.upper); err != nil {
		return err
	}
	unix.Close(l.upper)
	l.upper = -1
	if home {
		if l.homeID, err = idOf(l.home); err != nil {
			return err
		}
		unix.Close(l.home)
		l.home = -1
	}
	return nil
}

// pop leaves the directory on top of the stack, which is done.
func (w *walker) pop() error {
	top := w.stack[len(w.stack)-1]
	defer top.free()
	w.stack = w.stack[:len(w.stack)-1]
	w.told = min(w.told, len(w.stack))
	if n := len(w.stack); n > 0 && w.stack[n-1].upper < 0 {
		parent := &w.stack[n-1]
		var err error
		if parent.upper, err = back(top.upper, parent.upperID); err == nil && parent.hasHome && parent.home < 0 {
			parent.home, err = back(top.home, parent.homeID)
		}
		if err != nil {
			return fmt.Errorf("cannot find the way back to directory %s: %w", strconv.Quote(string(w.path[:parent.end])), err)
		}
	}
	if top.replaced != nil && top.replaced.Flags&(DiffMode|DiffOwner|DiffXattr) != 0 {
		top.replaced.Kind = Meta
		return w.emit(w.path[:top.end], top.replaced)
	}
	return nil
}

func (l *level) free() {
	for _, fd := range []int{l.upper, l.home} {
		if fd >= 0 {
			unix.Close(fd)
		}
	}
}

// back opens the directory above, if it is the one that was left.
func back(fd int, want fileID) (int, error) {
	up, err := openDir(fd, "..", unix.O_RDONLY)
	if err == unix.EACCES {
		up, err = openDir(fd, "..", unix.O_PATH)
	}
	if err != nil {
		return -1, err
	}
	if id, err := idOf(up); err != nil || id != want {
		unix.Close(up)
		return -1, errLost
	}
	return up, nil
}
