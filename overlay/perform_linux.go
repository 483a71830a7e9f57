package overlay

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"slices"

	"golang.org/x/sys/unix"
)

// A performer carries a journal out, forward or back. All that it does to a home is done by way of a descriptor of the
// home, by descriptors of directories that were reached without following a link, and with one name below those; and
// what comes out of the home is looked at after it was taken, when nobody can exchange it any more. What is not what it
// should be goes back at once.
type performer struct {
	ctx     context.Context
	e       *entry
	home    int
	force   bool // take what is there for what should be
	resumed bool // somebody may have done a part of it already
	dirs    opener
	slots   opener
	near    map[int]nearby // of ops that are near, as far as they have come; nil: not read yet

	refused []Refusal
	trees   map[int]map[leaf]ident // what was put into directories, where it is needed
}

func newPerformer(ctx context.Context, e *entry, home int) *performer {
	return &performer{ctx: ctx, e: e, home: home, dirs: newOpener(home), slots: newOpener(e.slots)}
}

func (p *performer) close() {
	p.dirs.close()
	p.slots.close()
}

// A refusal is why one path is left as it is, while all goes on: it is no failure.
type refusal struct {
	reason Cause
	why    string
}

func (r *refusal) Error() string { return r.why }

func conflict(why string) error { return &refusal{Conflict, why} }

// orRefusal takes the errnos that mean one path, and not the disk or the machine, for a refusal.
func orRefusal(err error, doing string) error {
	switch err {
	case nil:
		return nil
	case unix.ENOENT, unix.ENOTDIR, unix.ELOOP:
		return conflict("has no way to it any more: a directory above it was removed or replaced")
	case unix.EACCES, unix.EPERM, unix.EROFS, unix.EBUSY, unix.ETXTBSY:
		return &refusal{Forbidden, fmt.Sprintf("cannot be %s: %v", doing, err)}
	}
	return err
}

// place opens the directory that o is in, and its slot.
func (p *performer) place(o *op) (dir int, name string, slots int, slot string, err error) {
	at := slotOf(o.N)
	if slots, err = p.slots.dir(parentOf(at)); err != nil {
		return 0, "", 0, "", err
	}
	if dir, err = p.dirs.dir(parentOf(o.Path)); err != nil {
		return 0, "", 0, "", orRefusal(err, "reached")
	}
	return dir, path.Base(o.Path), slots, path.Base(at), nil
}

// forward does o, if it is not done.
func (p *performer) forward(o *op) error {
	if o.Near {
		return p.forwardNear(o)
	}
	dir, name, slots, slot, err := p.place(o)
	if err != nil {
		return err
	}
	held, err := identAt(slots, slot)
	if err != nil {
		return err
	}
	switch o.Do {
	case put:
		if held.none() {
			return p.setDirMode(dir, name, o.New)
		}
		return p.put(slots, slot, dir, name, o.New, madeMeanwhile)
	case swap:
		if held.Ino != o.New.Ino {
			return p.swapped(o, dir, name, slots, slot, held)
		}
		there, err := identAt(dir, name)
		switch {
		case err != nil:
			return orRefusal(err, "read")
		case there.none() && p.force:
			return p.put(slots, slot, dir, name, o.New, madeMeanwhile)
		case there.none():
			return conflict(removedMeanwhile)
		case !p.expected(o.Old, there):
			return conflict(changedAfter)
		}
		return p.swap(o, dir, name, slots, slot, there)
	}
	if !held.none() {
		return p.dropped(o, dir, name, slots, slot, held)
	}
	there, err := identAt(dir, name)
	switch {
	case err != nil:
		return orRefusal(err, "read")
	case there.none():
		return nil // somebody else removed it, too
	case !p.expected(o.Old, there):
		return conflict(changedAfter)
	}
	if err := p.loosen(dir, name, there); err != nil {
		return err
	}
	if err := moveAt(dir, name, slots, slot); err != nil {
		return orRefusal(err, "removed")
	}
	held, err = identAt(slots, slot)
	if err != nil {
		return err
	}
	return p.dropped(o, dir, name, slots, slot, held)
}

// expected tells whether what is there is what the journal knows, before anything was done to it.
func (p *performer) expected(old, there ident) bool {
	switch {
	case p.force:
		return true
	case p.resumed: // who was stopped may have changed its mode, so that it could be moved
		return there.is(old)
	}
	return there.untouched(old)
}

// put moves what is in a slot to where nothing is.
func (p *performer) put(slots int, slot string, dir int, name string, id ident, taken string) error {
	if err := p.loosen(slots, slot, id); err != nil {
		return err
	}
	err := moveAt(slots, slot, dir, name)
	if err == unix.EEXIST {
		return conflict(taken)
	}
	if err != nil {
		return orRefusal(err, "made")
	}
	return p.setDirMode(dir, name, id)
}

// swap exchanges what is in the slot with what is there, and looks at what has come out.
func (p *performer) swap(o *op, dir int, name string, slots int, slot string, there ident) error {
	if err := p.loosen(dir, name, there); err != nil {
		return err
	}
	if err := exchangeAt(slots, slot, dir, name); err != nil {
		p.setDirMode(dir, name, there)
		return orRefusal(err, "replaced")
	}
	held, err := identAt(slots, slot)
	if err != nil {
		return err
	}
	if p.force {
		return errors.Join(p.setDirMode(slots, slot, held), p.setDirMode(dir, name, o.New))
	}
	return p.swapped(o, dir, name, slots, slot, held)
}

// swapped looks at what came out of the home. If it is not what the program saw, it goes back.
func (p *performer) swapped(o *op, dir int, name string, slots int, slot string, held ident) error {
	why := ""
	switch {
	case p.force || held.is(o.Old):
		if why = p.changedInside(o, slotOf(o.N)); why == "" {
			return errors.Join(p.setDirMode(slots, slot, o.Old), p.setDirMode(dir, name, o.New))
		}
	default:
		why = changedAfter
	}
	now, err := identAt(dir, name)
	if err != nil {
		return err
	}
	if now.Ino != o.New.Ino {
		return conflict(why + "; what was there before is kept in " + p.slotPath(o))
	}
	if err := exchangeAt(slots, slot, dir, name); err != nil {
		return err
	}
	if err := p.setDirMode(dir, name, held); err != nil {
		return err
	}
	return conflict(why)
}

// dropped is the same for what was taken away.
func (p *performer) dropped(o *op, dir int, name string, slots int, slot string, held ident) error {
	why := changedAfter
	if p.force || held.is(o.Old) {
		if why = p.changedInside(o, slotOf(o.N)); why == "" {
			return p.setDirMode(slots, slot, o.Old)
		}
	}
	err := moveAt(slots, slot, dir, name)
	if err == unix.EEXIST {
		return conflict(why + "; what was there before is kept in " + p.slotPath(o))
	}
	if err != nil {
		return err
	}
	if err := p.setDirMode(dir, name, held); err != nil {
		return err
	}
	return conflict(why)
}

func (p *performer) slotPath(o *op) string {
	return fmt.Sprintf("%s/%d/slots/%s", p.e.h.path, p.e.n, slotOf(o.N))
}

// changedInside looks into a directory that was taken out of the home for what came into it since the program saw it.
func (p *performer) changedInside(o *op, slot string) (why string) {
	if p.force || o.Since == 0 || !o.Old.isDir() {
		return ""
	}
	return changedInside(p.ctx, p.e.slots, slot, o.Since)
}

// back takes o back, if it is done.
func (p *performer) back(o *op) error {
	if o.Near {
		return p.backNear(o)
	}
	dir, name, slots, slot, err := p.place(o)
	if err != nil {
		return err
	}
	held, err := identAt(slots, slot)
	if err != nil {
		return err
	}
	there, err := identAt(dir, name)
	if err != nil {
		return orRefusal(err, "read")
	}
	switch o.Do {
	case put:
		switch {
		case !held.none():
			return p.setDirMode(slots, slot, o.New) // it is not done, or was taken back
		case there.none():
			return nil // somebody else removed it
		case !p.force && !p.asApplied(o, there):
			return conflict(changedSince)
		}
		if err := p.loosen(dir, name, there); err != nil {
			return err
		}
		if err := moveAt(dir, name, slots, slot); err != nil {
			return orRefusal(err, "removed")
		}
		if held, err = identAt(slots, slot); err != nil {
			return err
		}
		if !p.force && !held.is(o.New) {
			if err := moveAt(slots, slot, dir, name); err != nil {
				return err
			}
			return conflict(changedSince)
		}
		p.e.state.Foreign = p.e.state.Foreign || !held.is(o.New)
		return p.setDirMode(slots, slot, o.New)
	case swap:
		switch {
		case held.Ino == o.New.Ino:
			return p.setDirMode(dir, name, o.Old)
		case there.none() && p.force:
			return p.put(slots, slot, dir, name, held, changedSince)
		case there.none():
			return conflict(removedSince)
		case !p.force && !p.asApplied(o, there):
			return conflict(changedSince)
		}
		if err := p.loosen(dir, name, there); err != nil {
			return err
		}
		if err := p.loosen(slots, slot, held); err != nil {
			return err
		}
		if err := exchangeAt(slots, slot, dir, name); err != nil {
			return orRefusal(err, "replaced")
		}
		out, err := identAt(slots, slot)
		if err != nil {
			return err
		}
		if !p.force && !out.is(there) {
			if err := exchangeAt(slots, slot, dir, name); err != nil {
				return err
			}
			return conflict(changedSince)
		}
		p.e.state.Foreign = p.e.state.Foreign || !out.is(o.New)
		return errors.Join(p.setDirMode(dir, name, held), p.setDirMode(slots, slot, o.New))
	}
	if held.none() {
		if there.Ino == o.Old.Ino {
			return p.setDirMode(dir, name, o.Old)
		}
		return nil
	}
	if !there.none() && !p.force {
		return conflict(madeSince)
	}
	if there.none() {
		return p.put(slots, slot, dir, name, held, madeSince)
	}
	if err := errors.Join(p.loosen(slots, slot, held), p.loosen(dir, name, there)); err != nil {
		return err
	}
	if err := exchangeAt(slots, slot, dir, name); err != nil {
		return orRefusal(err, "replaced")
	}
	p.e.state.Foreign = true
	return errors.Join(p.setDirMode(dir, name, held), p.setDirMode(slots, slot, there))
}

const (
	changedSince = "changed in your home since it was applied"
	removedSince = "was removed from your home since it was applied"
	madeSince    = "was made in your home since it was applied"
)

// asApplied tells whether what is there, with all that is in it, is what was put there.
func (p *performer) asApplied(o *op, there ident) bool {
	if there.Ino != o.New.Ino || !there.isDir() {
		return there.is(o.New)
	}
	if p.trees == nil {
		trees, err := p.e.tree()
		if err != nil {
			return false
		}
		p.trees = trees
	}
	known := p.trees[o.N]
	met := map[leaf]bool{}
	closed := false // something cannot be read, because the program left it so: what is in it is not looked for
	err := visit(p.ctx, p.home, o.Path, func(dir uint64, rel string, st *unix.Stat_t) error {
		now := identOf(st)
		at := leaf{dir, path.Base(rel)}
		then, ok := known[at]
		if !ok || now.Ino != then.Ino || !(now.isDir() && then.isDir()) && !now.is(then) {
			return errStop
		}
		met[at] = true
		if now.isDir() && now.Mode&0o500 != 0o500 && os.Geteuid() != 0 {
			closed = true
			return errSkip
		}
		return nil
	})
	return err == nil && (closed || len(met) == len(known))
}

// loosen gives a directory the modes with which its owner may move it: a move to another directory changes its "..".
func (p *performer) loosen(dir int, name string, id ident) error {
	if !id.isDir() || id.Mode&0o300 == 0o300 {
		return nil
	}
	return p.chmodDir(dir, name, id, id.Mode&0o7777|0o700)
}

// setDirMode is what comes after: where a directory has a mode with which its owner may not move it, it gets that again.
func (p *performer) setDirMode(dir int, name string, id ident) error {
	if !id.isDir() || id.Mode&0o300 == 0o300 {
		return nil
	}
	return p.chmodDir(dir, name, id, id.Mode&0o7777)
}

func (p *performer) chmodDir(dir int, name string, id ident, mode uint32) error {
	fd, err := unix.Openat(dir, name, unix.O_PATH|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return orRefusal(err, "opened")
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return err
	}
	if st.Ino != id.Ino || st.Mode&0o7777 == mode {
		return nil
	}
	return orRefusal(chmodFD(fd, mode), "changed")
}

// refuse notes an error that is one of a path, and returns all others.
func (p *performer) refuse(path string, kind Kind, err error) (bool, error) {
	var r *refusal
	if !errors.As(err, &r) {
		if err != nil {
			err = fmt.Errorf("%q: %w", path, err)
		}
		return false, err
	}
	p.refused = append(p.refused, Refusal{path, kind, r.reason, r.why})
	return true, nil
}

// apply carries the journal out, and returns the state to enter: which ops and amends were refused. With an error,
// nothing more can be done, and all is to be taken back.
func (p *performer) apply(done func(int)) (s state, err error) {
	s = state{Phase: applied, Force: p.force, Times: map[int]int64{}}
	if err := p.unlockDirs(); err != nil {
		return s, err
	}
	bonds, broken := map[string]int{}, map[string]bool{}
	for _, o := range p.e.ops {
		bonds[bondOf(o.Path)]++
	}
	for i, o := range p.e.ops {
		bond := bondOf(o.Path)
		err := error(&refusal{Together, togetherWhy})
		if !broken[bond] {
			err = p.forward(o)
		}
		no, err := p.refuse(o.Path, o.Kind, err)
		if err != nil {
			return s, err
		}
		if no {
			s.RefusedOps = append(s.RefusedOps, i)
			if bonds[bond] > 1 && !broken[bond] {
				broken[bond] = true
				if err := p.breakBond(bond, i, &s); err != nil {
					return s, err
				}
			}
		}
		done(1)
	}
	for i, a := range slices.Backward(p.e.amends) {
		mtime, err := p.amend(a, &a.Old, &a.New, !p.resumed)
		no, err := p.refuse(a.Path, a.Kind, err)
		if err != nil {
			return s, err
		}
		if no {
			s.RefusedAmends = append(s.RefusedAmends, i)
		} else {
			s.Times[i] = mtime
		}
	}
	return s, nil
}

const togetherWhy = "belongs together with another path that was refused"

// breakBond takes back what goes with op number i, which was refused.
func (p *performer) breakBond(bond string, i int, s *state) error {
	for j, o := range p.e.ops[:i] {
		if bondOf(o.Path) != bond || slices.Contains(s.RefusedOps, j) {
			continue
		}
		if err := p.back(o); err != nil {
			if no, err := p.refuse(o.Path, o.Kind, err); err != nil || no {
				return err // somebody was at this one since: it stays
			}
		}
		p.refused = append(p.refused, Refusal{o.Path, o.Kind, Together, togetherWhy})
		s.RefusedOps = append(s.RefusedOps, j)
	}
	return nil
}

// takeBack is apply, backward, from a state in which it is being taken back. It returns what is left as it is, because
// it was changed since.
func (p *performer) takeBack(from state, done func(int)) (ops, amends []int, err error) {
	if err := p.unlockDirs(); err != nil {
		return nil, nil, err
	}
	refused := numbers(from.RefusedOps)
	for i, o := range slices.Backward(p.e.ops) {
		if refused[i] {
			continue
		}
		no, err := p.refuse(o.Path, o.Kind, p.back(o))
		if err != nil {
			return nil, nil, err
		}
		if no {
			ops = append(ops, i)
		}
		done(1)
	}
	refused, leave := numbers(from.RefusedAmends), numbers(from.Leave)
	for i, a := range slices.Backward(p.e.amends) {
		if refused[i] {
			continue
		}
		old := a.Old
		if leave[i] {
			old.MTime = noTime // somebody else changed what is in it, too
		}
		_, err := p.amend(a, &a.New, &old, !p.resumed)
		no, err := p.refuse(a.Path, a.Kind, err)
		if err != nil {
			return nil, nil, err
		}
		if no {
			amends = append(amends, i)
		}
	}
	return ops, amends, nil
}

func numbers(list []int) map[int]bool {
	m := make(map[int]bool, len(list))
	for _, n := range list {
		m[n] = true
	}
	return m
}
