package main

import (
	"errors"
	"os"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"cove/profiles"
	"cove/sandbox"
	"cove/sandbox/launch"
)

var doctorCommand = command{
	name: "doctor", args: "[--json] [--script] [CHECK…]",
	short: "try what sandboxes need, and say what mends it",
	long: `Each line says ok, less (cove run works, with less) or missing (cove run does not work), what was found, and what
that means; below stands what mends it, as lines for a shell. Everything is really tried, and nothing of it stays.
With the names of checks it speaks of those alone. The exit status is 0 where all is ok or less, 1 where something
is missing, 125 where cove could not look.`,
	examples: []string{
		"cove doctor", "",
		"cove doctor --script fuse_overlayfs | sh", "do what mends it",
		"cove doctor --json | jq -r '.findings[] | select(.status != \"ok\") | .name'", "",
	},
	grammar: func() grammar { return &doctorFlags{} }, run: byGrammar,
}

// exitSick is the exit status of cove doctor where something is missing.
const exitSick = 1

type doctorFlags struct {
	common
	JSON   bool     `name:"json" help:"print an object: status, and findings with name, status, found, without, because and fix"`
	Script bool     `name:"script" help:"print only what mends it, for a shell"`
	Checks []string `arg:"" optional:"" name:"check"`
}

func (c *doctorFlags) run(a *app) (int, error) {
	known := sandbox.CheckNames()
	for _, name := range c.Checks {
		if !slices.Contains(known, name) {
			return exitFailed, noSuchCheck(name, known)
		}
	}
	if c.JSON && c.Script {
		return exitFailed, jsonOrScript()
	}
	if err := a.where(); err != nil {
		return exitFailed, err
	}
	signals, err := launch.CatchSignals()
	if err != nil {
		return exitFailed, err
	}
	findings, err := a.examine(signals)
	signals.Release()
	if stopped := (*launch.SignalError)(nil); errors.As(err, &stopped) {
		// All was taken away; now die of it as any program does.
		unix.Kill(os.Getpid(), stopped.Signal)
		time.Sleep(time.Second)
	}
	if err != nil {
		return exitFailed, err
	}
	if len(c.Checks) > 0 {
		findings = slices.DeleteFunc(findings, func(f sandbox.Finding) bool { return !slices.Contains(c.Checks, f.Name) })
	}
	status := exitOK
	if sandbox.Worst(findings) == sandbox.StatusMissing {
		status = exitSick
	}
	switch {
	case c.JSON:
		return status, a.ui.json(struct {
			Status   sandbox.Status    `json:"status"`
			Findings []sandbox.Finding `json:"findings"`
		}{sandbox.Worst(findings), findings})
	case c.Script:
		return status, a.ui.print(remedies(findings))
	}
	return status, a.ui.findings(findings)
}

// examine tries everything, and at last what cove run does without flags.
func (a *app) examine(signals *launch.Signals) ([]sandbox.Finding, error) {
	done := a.ui.patience("trying what sandboxes need")
	defer done()
	m, err := launch.Examine(a.dirs, signals)
	if err != nil {
		return nil, err
	}
	var spec sandbox.Spec
	layers, _, err := profiles.Load(a.lookup(), nil)
	if err == nil {
		spec, err = profiles.Merge(layers...)
	}
	if err != nil {
		m.Sandbox, m.SandboxHint = sandbox.No(profileBroken(err)), "cove profile check default"
		return sandbox.Diagnose(m), nil
	}
	stopped := (*launch.SignalError)(nil)
	if err := launch.Try(a.dirs, spec, signals); errors.As(err, &stopped) {
		return nil, err
	} else if err != nil {
		m.Sandbox, m.SandboxHint = sandbox.No(err.Error()), adviceOn(err)
	} else {
		m.Sandbox = sandbox.Yes
	}
	return sandbox.Diagnose(m), nil
}
