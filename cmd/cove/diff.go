package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"

	"golang.org/x/sys/unix"

	"cove/internal/box"
	"cove/overlay"
	"cove/sandbox"
)

var diffCommand = command{
	name: "diff", args: "[--json] [BOX]",
	short: "list what a program changed in your home",
	long: `One line for each path: A added, M modified, D deleted, T another type of file, m only mode, owner, times or
attributes, R a directory that was removed and made anew. Paths are relative to the home; those of a copy-on-write
root (--root-cow) begin with /. Without BOX it is the one that was used last. The exit status is 0 where nothing
changed, 1 where something did, 2 where not all could be read.`,
	examples: []string{"cove diff", "", "cove diff brave-otter", "", "cove diff --json | jq -r 'select(.kind == \"D\").path'", "an object a line"},
	grammar:  func() grammar { return &diffFlags{} }, run: byGrammar, trouble: exitTrouble,
}

type diffFlags struct {
	common
	JSON bool   `name:"json" help:"print an object for each path, one a line"`
	Box  string `arg:"" optional:""`
}

func (c *diffFlags) run(a *app) (int, error) {
	infos, err := a.boxes()
	if err != nil {
		return exitTrouble, err
	}
	name := c.Box
	switch {
	case name == "" && len(infos) == 0:
		return exitTrouble, noBoxes()
	case name == "":
		name = lastUsed(infos).Name
		a.ui.whichBox(name)
	}
	store, err := box.Open(a.dirs.Data)
	if err != nil {
		return exitTrouble, err
	}
	defer store.Close()
	view, err := store.View(name)
	if errors.Is(err, fs.ErrNotExist) {
		return exitTrouble, noSuchBox(name, boxNames(infos))
	} else if err != nil {
		return exitTrouble, err
	}
	defer view.Close()
	if view.Running {
		a.ui.stillRunning(name)
	}
	a.sayUnfinished()
	n, err := a.changes(view, c.JSON)
	switch {
	case err != nil:
		return exitTrouble, err
	case n == 0:
		a.ui.noChanges(name)
		return exitOK, nil
	}
	return exitChanges, nil
}

// changes prints what changed in a box, and counts it.
func (a *app) changes(view *box.View, asJSON bool) (n int, err error) {
	var plan sandbox.Plan
	if err := view.ReadJSON("plan.json", &plan); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return 0, err
	}
	front := plan.Home.Front
	out := a.ui.stream()
	var incomplete []error
	for _, side := range []struct {
		upper       int // -1 where it was no copy
		lower, name string
		opts        overlay.Options
	}{
		{view.Upper, view.Meta.Home, "home",
			overlay.Options{Backend: overlay.Backend(view.Meta.Backend), Hidden: view.Meta.Masks, Mounts: slices.Concat(front.Dirs, front.Files)}},
		{view.RootUpper, view.Meta.Root, "root", overlay.Options{Backend: overlay.Kernel, Made: view.Meta.Made}},
	} {
		if side.upper < 0 || side.lower == "" {
			continue
		}
		lower, err := unix.Open(side.lower, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		if err != nil {
			return n, fmt.Errorf("cannot open the %s %s that the box %s lies over: %w", side.name, side.lower, view.Meta.Name, err)
		}
		err = overlay.Walk(context.Background(), side.upper, lower, side.opts, func(c overlay.Change) error {
			n++
			if side.name == "root" {
				c.Path = path.Join("/", c.Path)
			}
			if asJSON {
				return out.json(c)
			}
			return out.change(c)
		})
		unix.Close(lower)
		var unreadable *overlay.UnreadableError
		if err != nil && !errors.As(err, &unreadable) {
			return n, err
		}
		if unreadable != nil && side.name == "home" {
			err = &hinted{err, []string{letIn(view, unreadable)}}
		}
		incomplete = append(incomplete, err)
	}
	return n, errors.Join(append(incomplete, out.flush())...)
}

// lastUsed is the box whose last run began last.
func lastUsed(infos []box.Info) box.Info {
	return slices.MaxFunc(infos, func(a, b box.Info) int { return a.Used.Compare(b.Used) })
}

func boxNames(infos []box.Info) (names []string) {
	for _, i := range infos {
		names = append(names, i.Name)
	}
	return names
}
