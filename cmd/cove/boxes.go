package main

import (
	"errors"
	"io/fs"
	"os"
	"strconv"
	"time"

	"cove/internal/box"
	"cove/sandbox/launch"
)

var lsCommand = command{
	name: "ls", args: "[--json]",
	short:    "list the boxes: what programs changed and is not yet dropped",
	long:     "A size with + is a minimum: not all of the box was looked at.",
	examples: []string{"cove ls", "", "cove ls --json | jq -r '.[] | select(.running) | .name'", "those in use"},
	grammar:  func() grammar { return &lsFlags{} }, run: byGrammar,
}

type lsFlags struct {
	common
	JSON bool `name:"json" help:"print an array of objects"`
}

func (c *lsFlags) run(a *app) (int, error) {
	infos, err := a.boxes()
	if err == nil {
		a.sayUnfinished()
	}
	switch {
	case err != nil:
		return exitFailed, err
	case c.JSON:
		return exitOK, a.ui.json(append([]box.Info{}, infos...))
	case len(infos) == 0:
		a.ui.noBoxesYet()
	}
	rows := [][]string{}
	for _, i := range infos {
		rows = append(rows, []string{i.Name, age(i.Created), volume(i.Size, i.AtLeast), state(i)})
	}
	return exitOK, a.ui.table([]string{"BOX", "AGE", "SIZE", "STATE"}, rows)
}

// boxes lists all.
func (a *app) boxes() ([]box.Info, error) {
	if err := a.where(); err != nil {
		return nil, err
	}
	store, err := box.Open(a.dirs.Data)
	if err != nil {
		return nil, err
	}
	defer store.Close()
	done := a.ui.patience("looking at the boxes")
	defer done()
	return store.List()
}

func state(i box.Info) string {
	switch {
	case i.Running && i.PID > 0:
		return "running, process " + strconv.Itoa(i.PID)
	case i.Running:
		return "running"
	case i.Damaged != "":
		return "damaged: " + i.Damaged
	case i.Suspect:
		return "the machine went down while it ran"
	}
	return ""
}

// age is as coarse as people say it.
func age(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	d := max(time.Since(t), 0)
	for _, u := range []struct {
		unit time.Duration
		word string
	}{{24 * time.Hour, "d"}, {time.Hour, "h"}, {time.Minute, "m"}} {
		if d >= u.unit {
			return strconv.Itoa(int(d/u.unit)) + u.word
		}
	}
	return strconv.Itoa(int(d/time.Second)) + "s"
}

// volume is a size in powers of 1024.
func volume(n int64, atLeast bool) string {
	plus := ""
	if atLeast {
		plus = "+"
	}
	if n < 1024 {
		return strconv.FormatInt(n, 10) + plus
	}
	f, unit := float64(n), ""
	for _, u := range []string{"K", "M", "G", "T"} {
		if f < 1024 {
			break
		}
		f, unit = f/1024, u
	}
	digits := 0
	if f < 10 {
		digits = 1
	}
	return strconv.FormatFloat(f, 'f', digits, 64) + unit + plus
}

var rmCommand = command{
	name: "rm", args: "[--all [--yes]] [BOX…]",
	short: "remove boxes, with all changes in them",
	long:  "What is in a box was never in your home, and is gone then. A box that is in use is not removed.",
	examples: []string{
		"cove rm brave-otter", "",
		"cove rm --all", "asks first",
	},
	grammar: func() grammar { return &rmFlags{} }, run: byGrammar,
}

type rmFlags struct {
	common
	All bool     `help:"all that are not in use"`
	Yes bool     `short:"y" help:"do not ask"`
	Box []string `arg:"" optional:""`
}

func (c *rmFlags) run(a *app) (int, error) {
	infos, err := a.boxes()
	if err != nil {
		return exitFailed, err
	}
	var known, idle []string
	for _, i := range infos {
		known = append(known, i.Name)
		if !i.Running {
			idle = append(idle, i.Name)
		}
	}
	names := c.Box
	switch {
	case c.All && len(names) > 0:
		return exitFailed, allOrSome()
	case c.All && len(idle) == 0:
		a.ui.noBoxesYet()
		return exitOK, nil
	case c.All:
		names = idle
		if !c.Yes {
			if !a.canAsk() {
				return exitFailed, notConfirmed()
			}
			if !a.ask(a.ui.confirmRemoval(names)) {
				a.ui.aside(no)
				return exitFailed, nil
			}
		}
	case len(names) == 0:
		return exitFailed, whichBoxes()
	}
	store, err := box.Open(a.dirs.Data)
	if err != nil {
		return exitFailed, err
	}
	defer store.Close()
	var failed []error
	for _, name := range names {
		done := a.ui.patience("removing " + name)
		err := launch.RemoveBox(store, name)
		done()
		switch {
		case errors.Is(err, fs.ErrNotExist):
			failed = append(failed, noSuchBox(name, known))
		case err != nil:
			failed = append(failed, err)
		default:
			a.ui.removed(name)
		}
	}
	return exitOK, errors.Join(failed...)
}

// removeCommand is not for people: launch starts it in a user namespace.
var removeCommand = command{name: launch.RemoveWord, hidden: true, run: func(a *app, _ *command, args []string) (int, error) {
	if len(args) != 2 {
		return exitFailed, os.ErrInvalid
	}
	return exitOK, launch.RemoveMain(args[0], args[1])
}}
