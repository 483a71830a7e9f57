package main

import (
	"errors"

	"golang.org/x/sys/unix"

	"cove/internal/box"
	"cove/overlay"
	"cove/sandbox/launch"
)

var discardCommand = command{
	name: "discard", args: "[flags] [BOX] [PATH…]",
	short: "drop changes from a box",
	long: `Without PATH all changes, otherwise those at PATH and below; paths are as for cove apply. A program that runs in the
box finds there what your home has. What is dropped is gone. The exit status is 0 where all that was asked for was
dropped, 3 where something was left, 125 where nothing was done.`,
	examples: []string{
		"cove discard brave-otter node_modules", "",
		"cove discard --yes", "all changes in the box that was used last; the box stays",
	},
	grammar: func() grammar { return &discardFlags{} }, run: byGrammar,
}

type discardFlags struct {
	common
	DryRun bool `short:"n" help:"show what would be dropped, and do nothing"`
	Yes    bool `short:"y" help:"do not ask"`
	JSON   bool `name:"json" help:"print an object that says what was dropped"`
	boxAndPaths
}

func (c *discardFlags) run(a *app) (int, error) {
	if err := a.where(); err != nil {
		return exitFailed, err
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
	if list := b.Branches(); len(list) > 0 {
		return exitFailed, &box.BranchedError{Name: name, Branches: list}
	}
	ctx, done := a.interruptible()
	defer done()
	opts := overlay.DiscardOptions{Options: b.opts, Upper: b.upper, Home: b.home, Select: overlay.Select(paths...), Remove: launch.RemoveTree, Alone: b.Meta.Base == ""}
	var d overlay.Discarded
	if b.upper >= 0 {
		end := a.ui.patience("comparing")
		d, err = overlay.PlanDiscard(ctx, opts)
		end()
	}
	result := applied{Box: name, DryRun: c.DryRun, Made: d.Dropped, Refused: d.Refused}
	switch {
	case err != nil:
		return exitFailed, err
	case len(d.Unmet) > 0:
		return exitFailed, nothingAt(d.Unmet, name)
	case c.DryRun || len(d.Dropped) == 0:
		return c.answer(a, result)
	case c.Yes:
	case !a.canAsk():
		return exitFailed, discardNotConfirmed()
	default:
		if err := a.ui.made(d.Dropped); err != nil {
			return exitFailed, err
		}
		a.ui.refused(d.Refused)
		if !a.ask(a.ui.confirmDiscard(paths, name)) {
			a.ui.aside(no)
			return exitFailed, nil
		}
	}
	if opts.Trash, err = b.OpenDir("trash", true); err != nil {
		return exitFailed, err
	}
	defer unix.Close(opts.Trash)
	end := a.ui.patience("dropping")
	before := launch.Base(&b.Meta, b.Open)
	d, err = overlay.Discard(ctx, opts)
	end()
	left, err2 := launch.Rebase(b.Box, b.upper, b.home, b.opts, nil, before)
	if err2 == nil {
		result.Left = &left
	}
	if err = errors.Join(err, err2); err != nil {
		return exitFailed, err
	}
	result.Made, result.Refused = d.Dropped, d.Refused
	return c.answer(a, result)
}

func (c *discardFlags) answer(a *app, r applied) (int, error) {
	status := exitOK
	if len(r.Refused) > 0 {
		status = exitRefused
	}
	if c.JSON {
		return status, a.ui.applied(r)
	}
	if r.DryRun {
		if err := a.ui.made(r.Made); err != nil {
			return exitFailed, err
		}
	}
	a.ui.refused(r.Refused)
	switch {
	case len(r.Made) == 0 && len(r.Refused) == 0:
		a.ui.noChanges(r.Box)
	case len(r.Made) > 0 && !r.DryRun:
		a.ui.dropped(r)
	}
	return status, nil
}
