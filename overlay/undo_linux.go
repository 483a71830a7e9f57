package overlay

import (
	"context"
	"errors"
	"fmt"
	"path"
	"slices"

	"golang.org/x/sys/unix"
)

// UndoOptions say how to take an apply back.
type UndoOptions struct {
	Home  int  // descriptor of the home (O_PATH will do)
	Upper int  // and of the upper directory of the box that it came from; -1 where that is gone
	Force bool // also what was changed since: that is kept in the history then
}

// ErrTakenBack says that there is nothing left of an apply.
var ErrTakenBack = errors.New("it was taken back already")

// Undo takes an apply back, or what is left of it, also one that was stopped midway. The history's lock must be held.
// What was changed since it was applied is left as it is, and refused; all else is as it was before, with inodes,
// attributes and times. If nothing is refused the entry is removed.
func (h *History) Undo(ctx context.Context, id int, opts UndoOptions, tell func(Step)) (r Result, err error) {
	e, err := h.open(id)
	if err != nil {
		return r, err
	}
	defer e.close()
	if tell == nil {
		tell = func(Step) {}
	}
	if u := h.Unfinished(); u != nil && u.ID != id {
		return r, &UnfinishedError{*u}
	}
	r.ID = id
	s := state{Phase: takingBack, Force: opts.Force, Midway: true, Foreign: e.state.Foreign}
	switch e.state.Phase {
	case takenBack:
		if opts.Upper < 0 || !e.hasBox() {
			return r, ErrTakenBack
		}
		// Only what could not be put into the box is left.
		r.Boxed, err = e.putBack(opts.Upper)
		return r, errors.Join(err, e.end(e.state, &r))
	case takingBack:
		s.RefusedOps, s.RefusedAmends, s.Leave = e.state.RefusedOps, e.state.RefusedAmends, e.state.Leave
	case applied:
		s.RefusedOps, s.RefusedAmends, s.Midway = e.state.RefusedOps, e.state.RefusedAmends, false
		s.Leave = e.touched(opts.Home)
	}
	end, err := e.back(opts.Home, s, &r, tell)
	if err != nil {
		return r, err
	}
	if r.Boxed, err = e.putBack(opts.Upper); err != nil {
		return r, fmt.Errorf("cannot put the changes back into the box: %w", err)
	}
	return r, e.end(end, &r)
}

// end closes an entry that was taken back, and removes it if nothing is kept in it.
func (e *entry) end(s state, r *Result) error {
	if err := e.enter(s); err != nil {
		return err
	}
	if s.Phase != takenBack {
		return nil
	}
	if s.Foreign || e.hasBox() {
		r.Kept = fmt.Sprintf("%s/%d", e.h.path, e.n)
		return nil
	}
	return e.h.remove(e.n)
}

// touched lists the directories in which somebody else changed something since all was applied.
func (e *entry) touched(home int) (list []int) {
	p := newPerformer(context.Background(), e, home)
	defer p.close()
	for i, a := range e.amends {
		fd, st, err := p.hold(a)
		if err != nil {
			continue
		}
		unix.Close(fd)
		if t, ok := e.state.Times[i]; ok && a.ID.isDir() && st.Mtim.Nano() != t {
			list = append(list, i)
		}
	}
	return list
}

// back takes the journal back, as s says, and returns the state to enter when that is done.
func (e *entry) back(home int, s state, r *Result, tell func(Step)) (end state, err error) {
	if err := e.enter(s); err != nil {
		return s, err
	}
	p := newPerformer(context.Background(), e, home)
	defer p.close()
	p.force, p.resumed = s.Force, s.Midway
	step := Step{What: "taking back", All: len(e.ops)}
	ops, amends, err := p.takeBack(s, func(n int) {
		step.Done += n
		tell(step)
	})
	if err == nil {
		err = p.syncHome()
	}
	if err != nil {
		return s, fmt.Errorf("cannot take back all of apply %d: %w", e.n, err)
	}
	r.Refused = append(r.Refused, p.refused...)
	end = state{Phase: takenBack, Foreign: s.Foreign || e.state.Foreign}
	skip := numbers(slices.Concat(s.RefusedOps, ops))
	for i, o := range e.ops {
		if skip[i] {
			continue
		}
		end.RefusedOps = append(end.RefusedOps, i)
		r.Made = append(r.Made, Made{o.Path, o.Kind, 0, 1})
		if o.Do != put {
			r.Again = append(r.Again, o.Path)
		}
	}
	skip = numbers(slices.Concat(s.RefusedAmends, amends))
	for i, a := range e.amends {
		if skip[i] {
			continue
		}
		end.RefusedAmends = append(end.RefusedAmends, i)
		if a.Kind != "" {
			r.Made = append(r.Made, Made{a.Path, a.Kind, 0, 1})
			r.Again = append(r.Again, a.Path)
		}
	}
	slices.SortFunc(r.Made, func(a, b Made) int { return inWalkOrder(a.Path, b.Path) })
	if len(ops)+len(amends) > 0 {
		// What is left stays applied, and can be taken back another time, by force.
		end.Phase = applied
		end.RefusedOps = append(end.RefusedOps, s.RefusedOps...)
		end.RefusedAmends = append(end.RefusedAmends, s.RefusedAmends...)
	}
	return end, nil
}

// hasBox tells whether something of the box is in the entry.
func (e *entry) hasBox() bool {
	dir, err := openDir(e.fd, "box", unix.O_RDONLY)
	if err != nil {
		return false
	}
	defer unix.Close(dir)
	names, err := readNames(dir, make([]byte, 8<<10))
	return err != nil || len(names) > 0
}

// putBack is the way back of takeOut. It tells whether all of it is in the box again.
func (e *entry) putBack(upper int) (all bool, err error) {
	dir, err := openDir(e.fd, "box", unix.O_RDONLY)
	if err == unix.ENOENT {
		return true, nil
	} else if err != nil {
		return false, err
	}
	defer unix.Close(dir)
	if upper < 0 {
		return false, nil
	}
	taken, err := e.taken()
	if err != nil {
		return false, err
	}
	at := newOpener(upper)
	defer at.close()
	all = true
	for n, name := range slices.Backward(taken.paths()) {
		for _, mark := range []bool{false, true} {
			slot, base := slotName(n, mark), path.Base(name)
			if mark {
				base = filePrefix + base
			}
			if id, err := identAt(dir, slot); err != nil || id.none() {
				continue
			}
			parent, err := at.dir(parentOf(name))
			if err == nil {
				err = unlocked(parent, func() error { return moveOut(dir, slot, parent, base) })
			}
			if err == unix.EEXIST && e.sameDirs(dir, slot, parent, base) {
				err = unlinkAt(dir, slot, unix.AT_REMOVEDIR)
			}
			switch err {
			case nil:
			case unix.EEXIST, unix.ENOENT, unix.ENOTDIR, unix.ENOTEMPTY, unix.ELOOP, unix.EACCES, unix.EPERM:
				all = false // the box was used since
			default:
				return false, err
			}
		}
	}
	if all { // otherwise it was used since, and has times of its own
		taken.keepDirs(upper)
	}
	return all, nil
}

// sameDirs tells whether both are directories: one that a later run made again in the box is as good.
func (e *entry) sameDirs(dir1 int, name1 string, dir2 int, name2 string) bool {
	a, err1 := identAt(dir1, name1)
	b, err2 := identAt(dir2, name2)
	return err1 == nil && err2 == nil && a.isDir() && b.isDir()
}
