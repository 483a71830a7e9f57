package main

import (
	"errors"
	"path/filepath"
	"slices"

	"cove/internal/box"
	"cove/profiles"
	"cove/sandbox"
	"cove/sandbox/launch"
)

var runCommand = command{
	name: "run", args: "[flags] [--] PROGRAM [ARGS…]",
	short: "run a program in a sandbox, over a copy of your home",
	long: `The program sees your home and may change it; the changes land in a box, and your real home stays as it is.
Whatever follows the first word that is no flag belongs to the program. The exit status is the program's;
128+n where signal n ended it; 125 where cove could not do its part; 126 where the program cannot be
executed, 127 where it cannot be found.`,
	examples: []string{
		"cove run -- make test", "nothing reaches your home",
		"cove run --rw . npm install", "writes go through to this directory alone",
		"cove run --box try --net host ./setup.sh", "in a box that is kept and can be used again",
		"cove run --home tmpfs --ro . --rm ./untrusted", "of your home only this directory, to read; nothing is kept",
	},
	flags: runFlags, run: (*app).runProgram,
}

var shellCommand = command{
	name: shellName, args: "[flags]",
	short: "run your shell in a sandbox",
	long:  "As cove run, with the shell that SHELL names.",
	examples: []string{
		"cove shell --rm", "look around; nothing is kept",
		"cove shell --box try", "go on in the box try",
	},
	flags: runFlags, run: (*app).runProgram,
}

var planCommand = command{
	name: planName, args: "[flags] [--] PROGRAM [ARGS…]",
	short: "print what cove run would do, step by step",
	long: `Nothing is started or made. Each step says why it is there, and in brackets which flag or which line of
which profile asked for it. Paths in the box of an unnamed run are shown with the name "new".`,
	examples: []string{
		"cove plan -p build --rw . make", "",
		"cove plan --json true | jq .ops", "",
	},
	flags: runFlags, run: (*app).runProgram,
}

// Names of commands that runProgram tells apart. (Their variables refer to it.)
const (
	shellName = "shell"
	planName  = "plan"
)

// newBox is the name of the box in the plan of a run that would make one.
const newBox = "new"

// runProgram is cove run, and with differences of a line, cove shell and cove plan.
func (a *app) runProgram(c *command, args []string) (int, error) {
	settings, program, err := readFlags(c.flags, args)
	if err != nil {
		return exitFailed, withHelp(c, err)
	}
	if err := a.where(); err != nil {
		return exitFailed, err
	}
	w, err := wishOf(settings, a.home, a.cwd)
	switch {
	case w.helped:
		return a.ui.help(c), nil
	case err != nil:
		return exitFailed, err
	}
	a.ui.quiet, a.ui.verbose = w.quiet, w.verbose
	dryRun := w.dryRun || c.name == planName
	switch {
	case c.name == shellName && len(program) > 0:
		return exitFailed, shellTakesNoProgram(program)
	case c.name == shellName:
		program = []string{a.shell()}
	case len(program) == 0 || program[0] == "":
		return exitFailed, noProgram(c, len(program) > 0)
	case w.json && !dryRun:
		return exitFailed, jsonOfRun()
	}

	var signals *launch.Signals
	var begun *launch.Stage
	if !dryRun {
		// From here on they wait for the program.
		if signals, err = launch.CatchSignals(); err != nil {
			return exitFailed, err
		}
		// It needs to know about the network alone, of which profiles seldom say anything else than flags. If they do,
		// Run begins anew.
		begun = launch.Begin(w.layer.Spec)
		defer begun.Abandon()
	}
	layers, notes, err := profiles.Load(a.lookup(), w.profiles)
	a.ui.notes(notes)
	if err != nil {
		return exitFailed, err
	}
	w.layer.Spec.Command = program
	spec, err := profiles.Merge(slices.Concat(layers, []*profiles.Layer{&w.layer.Layer})...)
	if err != nil {
		return exitFailed, err
	}
	if err := launch.Recall(a.dirs, &spec); err != nil {
		return exitFailed, err
	}
	host, err := launch.Probe(a.dirs, spec)
	if err != nil {
		return exitFailed, err
	}
	if dryRun {
		return exitOK, a.aboutWorkdir(a.printPlan(spec, host, w.json), c, args, layers, host)
	}

	report, err := launch.Run(spec, host, launch.Options{Dirs: a.dirs, Signals: signals, Begun: begun, Stdin: a.stdin, Stdout: a.stdout, Stderr: a.stderr, Notify: a.ui.remark})
	if err != nil {
		return exitFailed, a.aboutWorkdir(a.aboutExec(err, spec, host), c, args, layers, host)
	}
	a.ui.changed(report)
	return report.ExitCode, nil
}

// aboutWorkdir adds, to an error that says that the directory we are in cannot be seen inside, the command lines with
// which the program could start: those of which a plan can be made.
func (a *app) aboutWorkdir(err error, c *command, args []string, layers []*profiles.Layer, host sandbox.Host) error {
	var unseen *sandbox.UnseenError
	if !errors.As(err, &unseen) {
		return err
	}
	plannable := func(line []string) bool {
		settings, program, err := readFlags(c.flags, line)
		if err != nil {
			return false
		}
		w, err := wishOf(settings, a.home, a.cwd)
		if err != nil {
			return false
		}
		w.layer.Spec.Command = program
		spec, err := profiles.Merge(slices.Concat(layers, []*profiles.Layer{&w.layer.Layer})...)
		if err == nil {
			err = launch.Recall(a.dirs, &spec)
		}
		if spec.Box == "" && spec.Copies() {
			spec.Box = newBox
		}
		if err == nil {
			_, err = sandbox.Compile(spec, host)
		}
		return err == nil
	}
	h := &hinted{err: err}
	for _, way := range waysToStart(unseen) {
		if (!way.last || h.hints == nil) && plannable(slices.Concat(way.flag, args)) {
			h.hints = append(h.hints, way.words+commandLine(c, way.flag, args))
		}
	}
	return h
}

// shell is the user's.
func (a *app) shell() string {
	if s := a.getenv("SHELL"); filepath.IsAbs(s) {
		return s
	}
	return "/bin/sh"
}

func (a *app) printPlan(spec sandbox.Spec, host sandbox.Host, asJSON bool) error {
	if spec.Box == "" && spec.Copies() {
		spec.Box = newBox
	}
	store, err := box.Open(a.dirs.Data)
	if err != nil {
		return err
	}
	defer store.Close()
	if host.Bases, err = store.BasesOf(spec.Box); err != nil {
		return err
	}
	plan, err := sandbox.Compile(spec, host)
	if err == nil && plan.Home.Backend == sandbox.OverlayKernel && !plan.IDs.Helper {
		if names := launch.Foreign(host); len(names) > 0 {
			plan.Notes = append(plan.Notes, sandbox.Foreign(names))
		}
	}
	switch {
	case err != nil:
		return err
	case asJSON:
		return a.ui.json(plan)
	case a.ui.verbose:
		return a.ui.print(plan.LongText())
	}
	return a.ui.print(plan.Text())
}
