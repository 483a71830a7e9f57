package overlay

import (
	"context"
	"strconv"

	"golang.org/x/sys/unix"
)

// Why a path counts as changed underneath, after "it", for people.
const (
	madeMeanwhile    = "was made in your home after the program had begun"
	removedMeanwhile = "was removed from your home after the program had begun"
	changedDuring    = "changed in your home while the program ran"
	changedAfter     = "changed in your home after the program had run"
	changedPerhaps   = "may have changed in your home: it is not known what it was like when the run ended"
	movedAbove       = "may be another file: a directory above it was moved while the program ran"
	otherDirectory   = "is another directory now"
	clockBack        = "may have changed in your home: the clock was set back"
	neverSeen        = "was hidden from the program, which never saw what is really there"
	unreadableThere  = "cannot be read in your home, so nobody knows what would be lost"
)

// Conflict tells how the home at and below c.Path differs from what the program began with, or "" where it does not.
// Home is a descriptor of it; c comes from Walk.
func (b *Base) Conflict(ctx context.Context, home int, c Change) string {
	if c.Flags.Has(Hidden) {
		return neverSeen
	}
	var now unix.Timespec
	if unix.ClockGettime(unix.CLOCK_REALTIME, &now) == nil && now.Nano() < b.last {
		return clockBack
	}
	n, ok, complete := b.of(c.Path)
	was, is := n.id, c.Before.ident()
	switch {
	case is.none() && ok && was.none():
		return ""
	case is.none() && (ok || complete):
		return removedMeanwhile
	case is.none():
		return ""
	case ok && was.none():
		return madeMeanwhile
	case !ok && complete:
		return changedAfter
	case !ok && c.Before.ctime > b.first && (is.isDir() && attributesOnly(c) && is.CTime == is.MTime):
		return ""
	case !ok && c.Before.ctime > b.first:
		return changedPerhaps
	case !ok && is.isDir() && !attributesOnly(c):
		return b.below(ctx, home, c.Path, b.first, 0)
	case !ok:
		return ""
	case n.moved:
		return movedAbove
	}
	if was.isDir() && is.isDir() {
		switch {
		case was.Ino != is.Ino:
			return otherDirectory
		case !attributesOnly(c):
			return b.below(ctx, home, c.Path, n.T0, n.again)
		case was.CTime > n.T0 && was.CTime != was.MTime:
			return changedDuring
		case was.Mode != is.Mode:
			return changedAfter
		}
		return ""
	}
	switch {
	case was.CTime > n.T0:
		return changedDuring
	case is.untouched(was), is.is(was) && is.Mode == was.Mode && is.CTime == n.again:
		return ""
	case n.hashed && was.Mode == is.Mode && was.Size == is.Size:
		// Touched, or written anew with what it was: a branch that was left and checked out again.
		if hash, ok := hashOf(home, c.Path, is); ok && hash == n.hash {
			return ""
		}
	}
	return changedAfter
}

// attributesOnly tells whether of a directory only its own attributes are changed.
func attributesOnly(c Change) bool { return c.Kind == Meta || c.Kind == Replaced }

// below looks for what changed, since t0, in a directory that would be taken away. Again is a time of change of the
// directory itself that counts as none.
func (b *Base) below(ctx context.Context, home int, p string, t0, again int64) string {
	var st unix.Stat_t
	if err := statBeneath(home, p, &st); err != nil {
		return changedAfter
	}
	if ctime := st.Ctim.Nano(); ctime > t0 && ctime != again {
		return changedDuring
	}
	return changedInside(ctx, home, p, t0)
}

// changedInside does the same without the directory itself.
func changedInside(ctx context.Context, root int, rel string, t0 int64) (what string) {
	err := visit(ctx, root, rel, func(_ uint64, below string, st *unix.Stat_t) error {
		if st.Ctim.Nano() > t0 {
			what = "would take along " + strconv.Quote(below) + ", which changed in your home after the program had begun"
			return errStop
		}
		return nil
	})
	if err != nil && err != errStop {
		return unreadableThere
	}
	return what
}

// What do of visit may return: to end the visit, or to leave out what is in a directory.
const (
	errStop = unix.ECANCELED
	errSkip = unix.ENOTDIR
)

// visit calls do for all that is below the directory rel of root, a directory before what is in it, with the inode of
// the directory that it is in, and its path relative to rel. No link is followed, and it may be as deep as it likes.
func visit(ctx context.Context, root int, rel string, do func(dir uint64, below string, st *unix.Stat_t) error) error {
	buf := buffers.Get().(*[chunk]byte)
	defer buffers.Put(buf)
	dirs := newOpener(root)
	defer dirs.close()
	todo := []string{""}
	for len(todo) > 0 {
		if err := ctx.Err(); err != nil {
			return err
		}
		at := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		dir := rel
		if at != "" {
			dir = rel + "/" + at
			at += "/"
		}
		fd, err := dirs.read(dir)
		if err != nil {
			return err
		}
		var self unix.Stat_t
		err = unix.Fstat(fd, &self)
		var names []string
		if err == nil {
			names, err = readNames(fd, buf[:])
		}
		for i := 0; i < len(names) && err == nil; i++ {
			var st unix.Stat_t
			err = unix.Fstatat(fd, names[i], &st, unix.AT_SYMLINK_NOFOLLOW|unix.AT_NO_AUTOMOUNT)
			if err == unix.ENOENT {
				err = nil
				continue
			}
			if err != nil {
				break
			}
			err = do(self.Ino, at+names[i], &st)
			if err == nil && st.Mode&unix.S_IFMT == unix.S_IFDIR {
				todo = append(todo, at+names[i])
			}
			if err == errSkip {
				err = nil
			}
		}
		unix.Close(fd)
		if err != nil {
			return err
		}
	}
	return nil
}
