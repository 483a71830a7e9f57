package overlay

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// A Step is progress.
type Step struct {
	What  string // "copying", "writing to the disk", "applying", "taking back"
	Done  int    // paths
	All   int    // likewise; 0 where it is not known
	Bytes int64  // copied
}

// A Result is what was done.
type Result struct {
	ID      int // the number of the apply, for undo
	Made    []Made
	Refused []Refusal
	// Kept is a directory where something is kept that undo found in the way, and that would be lost with it.
	Kept string
	// Boxed tells that what undo took out of the home is in its box again.
	Boxed bool
	// Again are paths that undo put back as they were, but for their time of change: see Rebase.
	Again []string
}

// An UnfinishedError says that an earlier apply, or undo, was stopped midway: it must be finished or taken back first.
type UnfinishedError struct{ Applied }

func (e *UnfinishedError) Error() string {
	return fmt.Sprintf("cannot change your home: apply %d, of the box %s, was stopped midway", e.ID, e.Box)
}

// Apply does what a plan says. The history's lock must be held, since before the plan was made.
//
//	copy into slots ──► all on the disk? ──► journal ──► move each to its place ──► all on the disk? ──► closed
//	  nothing of the home was touched          │               a step for each path                          │
//	  if it stops here, nothing is to be done  └── if it stops here, Finish or TakeBack ◄────────────────────┘
//
// An error means that the home is as it was, or that an *UnfinishedError is to be had from now on: it says which.
// What is refused is none.
func (h *History) Apply(ctx context.Context, pl *Plan, tell func(Step)) (r Result, err error) {
	if u := h.Unfinished(); u != nil {
		return r, &UnfinishedError{*u}
	}
	if tell == nil {
		tell = func(Step) {}
	}
	r.Refused = slices.Clone(pl.Refused)
	if pl.Empty() {
		return r, nil
	}
	e, err := h.create()
	if err != nil {
		return r, err
	}
	defer e.close()
	begun := false
	defer func() {
		if !begun {
			err = errors.Join(err, h.remove(e.n))
		}
	}()
	e.Home, e.Box, e.BoxID, e.When = pl.opts.HomePath, pl.opts.Box, pl.opts.BoxID, time.Now()
	if err := pl.stage(ctx, e, &r, tell); err != nil {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return r, fmt.Errorf("cannot prepare the changes, and changed nothing: %w", err)
	}
	if len(e.ops)+len(e.amends) == 0 {
		return r, nil
	}
	if err := e.writeJournal(); err != nil {
		return r, err
	}
	err = e.enter(state{Phase: applying, Force: pl.opts.Force})
	if err != nil {
		return r, err
	}
	begun = true
	r.ID = e.n
	if err := e.perform(pl.opts.Home, false, &r, tell); err != nil {
		return r, err
	}
	r.Made = made(pl, e)
	return r, e.takeOut(pl.opts.Upper, pl.opts.Home, pl.opts.Options)
}

// made lists what was made of a plan.
func made(pl *Plan, e *entry) (list []Made) {
	not := map[string]bool{}
	for _, i := range e.state.RefusedOps {
		not[e.ops[i].Path] = true
	}
	for _, i := range e.state.RefusedAmends {
		not[e.amends[i].Path] = true
	}
	is := map[string]bool{}
	for _, o := range e.ops {
		is[o.Path] = true
	}
	for _, a := range e.amends {
		is[a.Path] = is[a.Path] || a.Kind != ""
	}
	for _, m := range pl.Made {
		if is[m.Path] && !not[m.Path] {
			list = append(list, m)
		}
	}
	return list
}

// syncFew is up to how many files, which are small, are written to the disk one by one. More are by syncfs(2), which
// waits for all that is to be written to the file system, whoever wrote it.
const syncFew = 32

// stage fills the slots, and the journal with those ops that could be prepared.
func (pl *Plan) stage(ctx context.Context, e *entry, r *Result, tell func(Step)) error {
	all := pl.Paths()
	few := all <= syncFew
	for n := 0; n < len(pl.ops); n += slotsPerDir {
		if err := mkdirAt(e.slots, parentOf(slotOf(n))); err != nil {
			return err
		}
	}
	fd, err := createAt(e.fd, "tree")
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	tree := bufio.NewWriterSize(&fdWriter{fd: fd}, 256<<10)
	refused := map[string]bool{}
	var step Step
	step.What, step.All = "copying", all
	s := stager{
		ctx: ctx, upper: pl.opts.Upper, slots: e.slots, backend: pl.opts.Backend, tree: tree, sync: few,
		want:    pl.want,
		bare:    func(p string) bool { return !pl.keepsBits(p) },
		noFifos: func(p string) bool { return !pl.opts.Dangerous && !pl.opts.Select.Named(p) },
		refuse: func(p string, why Cause, err error) {
			text := "cannot be copied"
			if err != nil {
				text = "cannot be read: " + err.Error()
			}
			r.Refused = append(r.Refused, Refusal{Path: p, Cause: why, Why: text})
			pl.left = append(pl.left, p)
			refused[p] = true
		},
		staged: func(files, bytes int64) {
			step.Done, step.Bytes = step.Done+int(files), step.Bytes+bytes
			tell(step)
		},
	}
	var copied []*op
	for _, o := range pl.ops {
		if o.Do != drop {
			copied = append(copied, o)
		}
	}
	if err := s.run(copied); err != nil {
		return err
	}
	broken := map[string]bool{}
	for p := range refused {
		broken[bondOf(p)] = true
	}
	for _, o := range pl.ops {
		switch {
		case o.Do != drop && o.New.none():
		case broken[bondOf(o.Path)] && !o.New.isDir():
			r.Refused = append(r.Refused, Refusal{o.Path, o.Kind, Together, togetherWhy})
			pl.left = append(pl.left, o.Path)
		default:
			e.ops = append(e.ops, o)
		}
	}
	slices.SortFunc(pl.left, inWalkOrder)
	e.amends = pl.amends
	for _, a := range e.amends {
		// Others may have changed what is in it since the plan was made.
		var st unix.Stat_t
		if a.ID.isDir() && statDir(pl.opts.Home, a.Path, &st) == nil {
			a.Old.MTime = st.Mtim.Nano()
		}
	}
	e.Paths = all
	if err := tree.Flush(); err != nil {
		return err
	}
	if err := findNear(e, pl.opts.Home); err != nil {
		return err
	}
	if err := pl.findTaken(ctx, e); err != nil {
		return err
	}
	if pl.opts.Base != nil {
		if err := writeFile(e.fd, "base", pl.opts.Base.writeTo); err != nil {
			return err
		}
	}
	step.What = "writing to the disk"
	tell(step)
	if !few {
		return syncAll(e.slots)
	}
	if err := syncFile(fd); err != nil {
		return err
	}
	for n := 0; n < len(pl.ops); n += slotsPerDir {
		dir, err := openDir(e.slots, parentOf(slotOf(n)), unix.O_RDONLY)
		if err != nil {
			return err
		}
		err = syncFile(dir)
		unix.Close(dir)
		if err != nil {
			return err
		}
	}
	return syncFile(e.slots)
}

// perform carries out the journal of an entry that is open, and closes it. Where that fails, all is taken back.
func (e *entry) perform(home int, resumed bool, r *Result, tell func(Step)) error {
	// From here on nobody may stop us but by force: what is begun is ended.
	p := newPerformer(context.Background(), e, home)
	defer p.close()
	p.force, p.resumed = e.state.Force, resumed
	step := Step{What: "applying", All: len(e.ops)}
	s, err := p.apply(func(n int) {
		step.Done += n
		tell(step)
	})
	if err == nil {
		err = p.syncHome()
	}
	if err == nil {
		err = e.enter(s)
	}
	if err == nil {
		r.Refused = append(r.Refused, p.refused...)
		return nil
	}
	err = fmt.Errorf("cannot apply all changes: %w", err)
	back := Result{}
	end, again := e.back(home, state{Phase: takingBack, Force: e.state.Force, Midway: true}, &back, tell)
	if again == nil {
		again = e.enter(end)
	}
	if again != nil {
		return errors.Join(err, again, &UnfinishedError{e.info()})
	}
	if end.Phase != takenBack {
		return fmt.Errorf("%w; all was taken back but %d paths, which somebody changed meanwhile", err, len(back.Refused))
	}
	return errors.Join(fmt.Errorf("%w; all was taken back", err), e.h.remove(e.n))
}

// syncHome makes sure that what was moved is on the disk.
func (p *performer) syncHome() error {
	var dirs []string
	for _, o := range p.e.ops {
		if d := parentOf(o.Path); len(dirs) == 0 || dirs[len(dirs)-1] != d {
			dirs = append(dirs, d)
		}
	}
	for _, a := range p.e.amends {
		if a.Kind != "" {
			dirs = append(dirs, a.Path)
		}
	}
	if len(dirs) <= syncFew {
		done := true
		for _, d := range dirs {
			var fd int
			var err error
			if fd, err = openBeneath(p.home, d, unix.O_RDONLY); err == nil {
				err = syncFile(fd)
				unix.Close(fd)
			}
			done = done && err == nil
		}
		if done && syncFile(p.e.slots) == nil {
			return p.syncSlots()
		}
	}
	fd, err := unix.Openat(p.home, ".", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	err = syncAll(fd)
	if slices.ContainsFunc(p.e.ops, func(o *op) bool { return o.Near }) {
		err = errors.Join(err, syncAll(p.e.slots)) // and the other file systems are seen to by near
	}
	return err
}

func (p *performer) syncSlots() error {
	last := -1
	for _, o := range p.e.ops {
		if o.N/slotsPerDir == last {
			continue
		}
		last = o.N / slotsPerDir
		fd, err := openDir(p.e.slots, parentOf(slotOf(o.N)), unix.O_RDONLY)
		if err != nil {
			return err
		}
		err = syncFile(fd)
		unix.Close(fd)
		if err != nil {
			return err
		}
	}
	return nil
}

// FinishOptions are as in UndoOptions and ApplyOptions.
type FinishOptions struct {
	Options
	Home, Upper int
}

// Finish goes on with an apply that was stopped midway, or was being taken back: to its end. The history's lock must be
// held.
func (h *History) Finish(id int, opts FinishOptions, tell func(Step)) (r Result, err error) {
	e, err := h.open(id)
	if err != nil {
		return r, err
	}
	defer e.close()
	if tell == nil {
		tell = func(Step) {}
	}
	r.ID = id
	if !e.state.Phase.open() {
		return r, nil
	}
	if e.state.Phase == takingBack {
		if err := e.enter(state{Phase: applying, Force: e.state.Force}); err != nil {
			return r, err
		}
	}
	if err := e.perform(opts.Home, true, &r, tell); err != nil {
		return r, err
	}
	r.Made = e.list()
	if opts.Upper < 0 {
		return r, nil
	}
	// Some may be in the box again, where it was being taken back.
	return r, e.takeOut(opts.Upper, opts.Home, opts.Options)
}

// list is what an entry did, from its journal.
func (e *entry) list() (list []Made) {
	refused := numbers(e.state.RefusedOps)
	for i, o := range e.ops {
		if !refused[i] {
			list = append(list, Made{o.Path, o.Kind, 0, 1})
		}
	}
	refused = numbers(e.state.RefusedAmends)
	for i, a := range e.amends {
		if !refused[i] && a.Kind != "" {
			list = append(list, Made{a.Path, a.Kind, 0, 1})
		}
	}
	return list
}
