package main

import (
	"errors"
	"io/fs"

	"cove/internal/box"
)

var branchCommand = command{
	name: "branch", args: "BOX NEW",
	short: "make a box on top of the changes in another",
	long: `A program that runs in NEW finds what BOX changed, and its own changes go into NEW alone. For as long as there is a
box on top of it BOX is only read: nothing runs in it and it is not removed. cove diff NEW lists what was changed in
NEW, compared with your real home; what it lies on is in cove diff BOX.`,
	examples: []string{
		"cove branch setup try && cove run --box try -- make test", "as in setup, and setup stays as it is",
	},
	grammar: func() grammar { return &branchFlags{} }, run: byGrammar,
}

type branchFlags struct {
	common
	Box string `arg:""`
	New string `arg:""`
}

func (c *branchFlags) run(a *app) (int, error) {
	a.ui.quiet = c.Quiet
	if err := a.where(); err != nil {
		return exitFailed, err
	}
	store, err := box.Open(a.dirs.Data)
	if err != nil {
		return exitFailed, err
	}
	defer store.Close()
	switch err := store.Branch(c.Box, c.New); {
	case errors.Is(err, fs.ErrNotExist):
		return exitFailed, a.unknownBox(c.Box)
	case errors.Is(err, fs.ErrExist):
		return exitFailed, boxTaken(c.New)
	case err != nil:
		return exitFailed, err
	}
	a.ui.branched(c.Box, c.New)
	return exitOK, nil
}

// unknownBox is the error about a box that there is not.
func (a *app) unknownBox(name string) error {
	infos, err := a.boxes()
	if err != nil {
		return err
	}
	return noSuchBox(name, boxNames(infos))
}
