package main

import (
	"context"
	"errors"
	"path/filepath"

	"cove/overlay"
	"cove/sandbox/launch"
)

// exitRefused: not all that was asked for was done.
const exitRefused = 3

var applyCommand = command{
	name: "apply", args: "[flags] [BOX] [PATH…]",
	short: "bring changes of a box into your home",
	long: `Without PATH all changes, otherwise those at PATH and below. Paths are relative to your home; with ./ before them, to
where you are. What may run code later or widen access is left out, and said, unless it is named itself or --dangerous is
given; and so is what was changed in your home meanwhile, unless --force is given. Each path is changed as a whole or not at
all, and cove undo takes all of it back. The exit status is 0 where all that was asked for is in your home now, 3 where
something was left out, 125 where nothing was done.`,
	examples: []string{
		"cove apply", "all, from the box that was used last; shows what, and asks",
		"cove apply brave-otter src notes.txt", "these, and what is below them",
		"cove apply --dry-run", "only show it",
		"cove apply --yes --json", "for a script",
	},
	grammar: func() grammar { return &applyFlags{} }, run: byGrammar,
}

type applyFlags struct {
	common
	DryRun    bool `short:"n" help:"show what would be done, and do nothing"`
	Yes       bool `short:"y" help:"do not ask"`
	Dangerous bool `help:"also what may run code later or widen access, and FIFOs"`
	Force     bool `help:"also what was changed in your home meanwhile, or was never seen: what is there is kept for undo"`
	Resume    bool `help:"finish an apply that was stopped midway"`
	JSON      bool `name:"json" help:"print an object that says what was done"`
	boxAndPaths
}

// applied is what cove apply --json prints, and cove undo.
type applied struct {
	Box     string            `json:"box"`
	ID      int               `json:"id,omitempty"` // for cove undo
	DryRun  bool              `json:"dry_run,omitempty"`
	Made    []overlay.Made    `json:"made"`
	Refused []overlay.Refusal `json:"refused"`
	Left    *int              `json:"left,omitempty"` // changes that are in the box still
	Kept    string            `json:"kept,omitempty"` // a directory
}

func (c *applyFlags) run(a *app) (int, error) {
	if err := a.where(); err != nil {
		return exitFailed, err
	}
	if c.Resume {
		return c.resume(a)
	}
	history, err := a.history()
	if err != nil {
		return exitFailed, err
	}
	defer history.Close()
	if u := history.Unfinished(); u != nil && !history.Busy() {
		return exitFailed, &overlay.UnfinishedError{Applied: *u}
	}
	name, paths, err := a.pick(c.words())
	if err != nil {
		return exitFailed, err
	}
	b, err := a.hold(name)
	if err != nil {
		return exitFailed, err
	}
	defer b.letGo()
	if b.Meta.Suspect && !c.Force {
		return exitFailed, suspectBox(name)
	}
	ctx, done := a.interruptible()
	defer done()
	if !c.DryRun {
		if err := a.lock(ctx, history); err != nil {
			return exitFailed, err
		}
	}
	plan, err := c.plan(ctx, a, b, paths)
	if err != nil {
		return exitFailed, err
	}
	if len(plan.Unmet) > 0 {
		return exitFailed, nothingAt(plan.Unmet, name)
	}
	result := applied{Box: name, DryRun: c.DryRun, Made: plan.Made, Refused: plan.Refused}
	switch {
	case c.DryRun || plan.Empty():
		if plan.Empty() {
			result.Made = nil
		}
		return c.answer(a, result, plan.Unreadable)
	case c.Yes:
	case !a.canAsk():
		return exitFailed, applyNotConfirmed(plan.Paths())
	default:
		if err := a.ui.made(plan.Made); err != nil {
			return exitFailed, err
		}
		a.ui.refused(plan.Refused)
		if !a.ask(a.ui.confirmApply(plan.Paths(), name)) {
			a.ui.aside(no)
			return exitFailed, nil
		}
		result.Refused = nil // was said
	}
	before := launch.Base(&b.Meta, b.Open)
	progress, end := a.ui.progress()
	r, err := history.Apply(ctx, plan, progress)
	end()
	if r.ID == 0 {
		return exitFailed, err
	}
	result.ID, result.Made = r.ID, r.Made
	result.Refused = r.Refused[len(plan.Refused)-len(result.Refused):]
	left, err2 := launch.Rebase(b.Box, b.upper, b.home, b.opts, nil, before)
	if err2 == nil {
		result.Left = &left
	}
	status, err3 := c.answer(a, result, plan.Unreadable)
	if len(r.Refused) > 0 {
		status = exitRefused
	}
	if err := errors.Join(err, err2, err3); err != nil {
		return a.ui.failure(err, exitRefused), nil // it is applied all the same
	}
	return status, nil
}

// plan finds out what is to be done.
func (c *applyFlags) plan(ctx context.Context, a *app, b *held, paths []string) (*overlay.Plan, error) {
	if b.upper < 0 {
		return &overlay.Plan{}, nil // its home was no copy
	}
	dangers, err := a.dangers(b.Meta.Home)
	if err != nil {
		return nil, err
	}
	end := a.ui.patience("comparing")
	defer end()
	opts := overlay.ApplyOptions{
		Options: b.opts, Upper: b.upper, Home: b.home, HomePath: b.Meta.Home, Box: b.Name(), BoxID: b.Meta.ID(), Keep: b.Meta.Base != "",
		Select: overlay.Select(paths...), Base: launch.Base(&b.Meta, b.Open), Force: c.Force, Dangerous: c.Dangerous, Danger: b.danger(dangers),
	}
	opts.Own, opts.Never = a.ownIn(b.Meta.Home)
	return overlay.PlanApply(ctx, opts)
}

// ownIn finds what is cove's own in a home: what is changed only where it is named, and what never is.
func (a *app) ownIn(home string) (own, never []string) {
	in := func(dir string) (list []string) {
		if rel, ok := inside(dir, home); ok {
			list = append(list, rel)
		}
		realHome, err := filepath.EvalSymlinks(home)
		if err != nil {
			return list
		}
		if realDir, err := filepath.EvalSymlinks(dir); err == nil {
			if rel, ok := inside(realDir, realHome); ok {
				list = append(list, rel)
			}
		}
		return list
	}
	return in(a.dirs.Config), append(in(a.dirs.Data), in(a.dirs.Runtime)...)
}

// answer says what was done, or would be.
func (c *applyFlags) answer(a *app, r applied, unreadable *overlay.UnreadableError) (int, error) {
	err := error(nil)
	switch {
	case c.JSON:
		err = a.ui.applied(r)
	case r.DryRun:
		err = a.ui.made(r.Made)
	}
	if !c.JSON {
		a.ui.refused(r.Refused)
	}
	switch {
	case c.JSON || r.DryRun && len(r.Made) > 0:
	case len(r.Made) == 0 && len(r.Refused) == 0:
		a.ui.nothingToApply(r.Box)
	case len(r.Made) > 0:
		a.ui.appliedAs(r)
	}
	status := exitOK
	if len(r.Refused) > 0 {
		status = exitRefused
	}
	if unreadable != nil {
		status = a.ui.failure(unreadable, exitRefused)
	}
	return status, err
}

// resume finishes what was stopped.
func (c *applyFlags) resume(a *app) (int, error) {
	if len(c.words()) > 0 {
		return exitFailed, resumeTakesNoPath()
	}
	history, err := a.history()
	if err != nil {
		return exitFailed, err
	}
	defer history.Close()
	ctx, done := a.interruptible()
	defer done()
	if err := a.lock(ctx, history); err != nil {
		return exitFailed, err
	}
	u := history.Unfinished()
	if u == nil {
		return exitFailed, nothingUnfinished()
	}
	home, err := openHome(u.Home)
	if err != nil {
		return exitFailed, err
	}
	opts := overlay.FinishOptions{Home: home, Upper: -1}
	b, err := a.sameBox(u)
	switch {
	case err != nil:
		return exitFailed, err
	case b != nil:
		defer b.letGo()
		opts.Options, opts.Upper = b.opts, b.upper
	}
	progress, end := a.ui.progress()
	r, err := history.Finish(u.ID, opts, progress)
	end()
	if err != nil {
		return exitFailed, err
	}
	result := applied{Box: u.Box, ID: u.ID, Made: r.Made, Refused: r.Refused}
	if b != nil && b.upper >= 0 {
		left, err := launch.Rebase(b.Box, b.upper, b.home, b.opts, nil, launch.Base(&b.Meta, b.Open))
		if err != nil {
			return a.ui.failure(err, exitRefused), nil
		}
		result.Left = &left
	}
	return c.answer(a, result, nil)
}

// sameBox takes the box that an apply was of, if there still is one, and nothing was made anew in its name.
func (a *app) sameBox(u *overlay.Applied) (*held, error) {
	if u.Box == "" {
		return nil, nil
	}
	infos, err := a.boxes()
	if err != nil {
		return nil, err
	}
	for _, i := range infos {
		if i.Name != u.Box {
			continue
		}
		b, err := a.hold(u.Box)
		if err != nil {
			return nil, err
		}
		if b.Meta.ID() == u.BoxID && b.Meta.Home == u.Home {
			return b, nil
		}
		b.letGo()
	}
	return nil, nil
}

// history is where applies are kept.
func (a *app) history() (*overlay.History, error) {
	h, err := overlay.OpenHistory(filepath.Join(a.dirs.Data, "undo"))
	if h != nil {
		h.Remove = launch.RemoveTree
	}
	return h, err
}

// sayUnfinished says that an apply was stopped midway, if one was.
func (a *app) sayUnfinished() {
	h, err := a.history()
	if err != nil {
		return
	}
	defer h.Close()
	if u := h.Unfinished(); u != nil && !h.Busy() {
		a.ui.unfinished(&overlay.UnfinishedError{Applied: *u})
	}
}

// lock waits for others who change the home.
func (a *app) lock(ctx context.Context, h *overlay.History) error {
	end := a.ui.patience("waiting for another cove")
	defer end()
	return h.Lock(ctx)
}

// interruptible is a context that ends when cove is told to stop. From then on it is asked to, where before it was made
// to: what is begun is ended, or taken back.
func (a *app) interruptible() (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(context.Background())
	stop := launch.OnInterrupt(func() { cancel(errStopped) })
	return ctx, func() { stop(); cancel(nil) }
}
