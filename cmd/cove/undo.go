package main

import (
	"slices"
	"strconv"

	"golang.org/x/sys/unix"

	"cove/overlay"
	"cove/sandbox/launch"
)

var undoCommand = command{
	name: "undo", args: "[flags] [N]",
	short: "take an apply back",
	long: `Without N the last one, also one that was stopped midway; cove apply says the number of each, and --list those that can
be taken back. Your home is then as it was before, to the byte, with times and attributes, and the changes are in their
box again. What was changed since it was applied is left as it is, and said, unless --force is given. The exit status is 0
where all was taken back, 3 where something was left, 125 where nothing was done.`,
	examples: []string{"cove undo", "the last", "cove undo 3", "", "cove undo --list", "what can be taken back", "cove undo --forget 3", "it takes space until then"},
	grammar:  func() grammar { return &undoFlags{} }, run: byGrammar,
}

type undoFlags struct {
	common
	List   bool `help:"list what can be taken back"`
	Forget bool `help:"do not take apply N back, but drop what is kept for that"`
	Force  bool `help:"also what was changed since: that is kept, and it is said where"`
	JSON   bool `name:"json" help:"print an object that says what was done; with --list, an array"`
	N      int  `arg:"" optional:"" name:"n"`
}

func (c *undoFlags) run(a *app) (int, error) {
	if err := a.where(); err != nil {
		return exitFailed, err
	}
	history, err := a.history()
	if err != nil {
		return exitFailed, err
	}
	defer history.Close()
	if c.List {
		return c.list(a, history)
	}
	ctx, done := a.interruptible()
	defer done()
	list, err := history.List()
	switch {
	case err != nil:
		return exitFailed, err
	case len(list) == 0 && c.N == 0:
		return exitFailed, nothingToUndo()
	case len(list) == 0: // nor is anything made to look
		return exitFailed, noSuchApply(c.N)
	}
	if err := a.lock(ctx, history); err != nil {
		return exitFailed, err
	}
	if list, err = history.List(); err != nil {
		return exitFailed, err
	}
	var u *overlay.Applied
	for i := range slices.Backward(list) {
		if c.N == list[i].ID || c.N == 0 && (list[i].Unfinished || !list[i].Back) {
			u = &list[i]
			break
		}
	}
	switch {
	case u == nil && c.N == 0:
		return exitFailed, nothingToUndo()
	case u == nil:
		return exitFailed, noSuchApply(c.N)
	case c.Forget && c.N == 0:
		return exitFailed, forgetWhich()
	case c.Forget:
		err := history.Forget(u.ID)
		if err == nil {
			a.ui.forgotten(u.ID)
		}
		return exitOK, err
	}
	home, err := openHome(u.Home)
	if err != nil {
		return exitFailed, err
	}
	defer unix.Close(home)
	opts := overlay.UndoOptions{Home: home, Upper: -1, Force: c.Force}
	b, err := a.sameBox(u)
	if err != nil {
		return exitFailed, err
	}
	if b != nil {
		defer b.letGo()
		opts.Upper = b.upper
	}
	earlier := history.Base(u.ID)
	progress, end := a.ui.progress()
	r, err := history.Undo(ctx, u.ID, opts, progress)
	end()
	if err != nil {
		return exitFailed, err
	}
	result := applied{Box: u.Box, ID: u.ID, Made: r.Made, Refused: r.Refused, Kept: r.Kept}
	if b != nil && b.upper >= 0 {
		left, err := launch.Rebase(b.Box, b.upper, b.home, b.opts, r.Again, launch.Base(&b.Meta, b.Open), earlier)
		if err != nil {
			return a.ui.failure(err, exitRefused), nil
		}
		result.Left = &left
	}
	status := exitOK
	if len(r.Refused) > 0 {
		status = exitRefused
	}
	if c.JSON {
		return status, a.ui.applied(result)
	}
	a.ui.refused(r.Refused)
	a.ui.takenBack(result, r.Boxed)
	return status, nil
}

func (c *undoFlags) list(a *app, history *overlay.History) (int, error) {
	list, err := history.List()
	if err != nil {
		return exitFailed, err
	}
	if c.JSON {
		return exitOK, a.ui.json(append([]overlay.Applied{}, list...))
	}
	if len(list) == 0 {
		a.ui.nothingApplied()
	}
	rows := [][]string{}
	for _, u := range slices.Backward(list) {
		rows = append(rows, []string{strconv.Itoa(u.ID), age(u.When), strconv.Itoa(u.Paths), u.Box, stateOf(u)})
	}
	return exitOK, a.ui.table([]string{"N", "AGE", "PATHS", "BOX", "STATE"}, rows)
}
