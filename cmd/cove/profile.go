package main

import (
	"cove/profiles"
	"cove/sandbox"
)

var profileListCommand = command{
	name: "profile list", args: "[--json]",
	short:    "list the profiles that have a name",
	long:     "Yours are the .toml files in ~/.config/cove/profiles; one with the name of a built-in takes its place.",
	examples: []string{"cove profile list", "", "cove profile list --json | jq -r '.[].name'", ""},
	grammar:  func() grammar { return &profileList{} }, run: byGrammar,
}

var profileShowCommand = command{
	name: "profile show", args: "[--text] [--json] [PROFILE|FILE…]",
	short: "print what profiles come to, each value with its origin",
	long: `Without a name: what holds for a run without -p. Several are merged as cove run -p A -p B does. The answer is
a profile itself.`,
	examples: []string{
		"cove profile show agent", "with all that it extends",
		"cove profile show --text agent > ~/.config/cove/profiles/mine.toml", "as it is written, to begin one of your own",
	},
	grammar: func() grammar { return &profileShow{} }, run: byGrammar,
}

var profileCheckCommand = command{
	name: "profile check", args: "[--json] PROFILE|FILE…",
	short:    "tell all that is wrong with a profile",
	long:     "Each error comes with its line and column. The exit status is 0 where all is fine, else 125.",
	examples: []string{"cove profile check ./mine.toml", "", "cove profile check .", "this directory's .cove.toml"},
	grammar:  func() grammar { return &profileCheck{} }, run: byGrammar,
}

var profileSchemaCommand = command{
	name: "profile schema", args: "",
	short:    "print the JSON Schema of profiles, for editors",
	long:     "Editors with a TOML language server complete and check profiles by it.",
	examples: []string{"cove profile schema > ~/.config/cove/profile.schema.json", ""},
	grammar:  func() grammar { return &profileSchema{} }, run: byGrammar,
}

var profileTrustCommand = command{
	name: "profile trust", args: "[--yes]",
	short: "read this directory's .cove.toml from now on, without -p .",
	long: `Shows the file and asks. Trust is for the content: when that changes, the file is not read until you trust it
again. Even then it can only tighten what your own profiles say.`,
	examples: []string{"cove profile trust", ""},
	grammar:  func() grammar { return &profileTrust{} }, run: byGrammar,
}

var profileUntrustCommand = command{
	name: "profile untrust", args: "",
	short:    "stop reading this directory's .cove.toml",
	long:     "It is still read where it is asked for, with -p .",
	examples: []string{"cove profile untrust", ""},
	grammar:  func() grammar { return &profileUntrust{} }, run: byGrammar,
}

type profileList struct {
	common
	JSON bool `name:"json" help:"print an array of objects"`
}

func (c *profileList) run(a *app) (int, error) {
	if err := a.where(); err != nil {
		return exitFailed, err
	}
	infos := profiles.List(a.lookup())
	if c.JSON {
		type line struct {
			Name        string `json:"name"`
			Source      string `json:"source"`
			Description string `json:"description,omitempty"`
			Path        string `json:"path,omitempty"`
			Error       string `json:"error,omitempty"`
		}
		lines := []line{}
		for _, i := range infos {
			l := line{i.Name, i.Source, i.Description, i.Path, ""}
			if i.Err != nil {
				l.Error = i.Err.Error()
			}
			lines = append(lines, l)
		}
		return exitOK, a.ui.json(lines)
	}
	rows := [][]string{}
	for _, i := range infos {
		description := i.Description
		if i.Err != nil {
			description = brokenProfile(i.Name)
		}
		rows = append(rows, []string{i.Name, i.Source, description})
	}
	return exitOK, a.ui.table(nil, rows)
}

type profileShow struct {
	common
	Text bool     `help:"as it is written, without what it extends"`
	JSON bool     `name:"json" help:"print the merged wish as JSON"`
	Name []string `arg:"" optional:""`
}

func (c *profileShow) run(a *app) (int, error) {
	if err := a.where(); err != nil {
		return exitFailed, err
	}
	if c.Text {
		if len(c.Name) != 1 || c.JSON {
			return exitFailed, textOfOne()
		}
		text, err := profiles.Text(a.lookup(), c.Name[0])
		if err != nil {
			return exitFailed, err
		}
		return exitOK, a.ui.document(string(text))
	}
	spec, err := a.merged(c.Name)
	switch {
	case err != nil:
		return exitFailed, err
	case c.JSON:
		return exitOK, a.ui.json(spec)
	}
	return exitOK, a.ui.print(profiles.Show(spec))
}

// merged is what profiles come to.
func (a *app) merged(names []string) (sandbox.Spec, error) {
	layers, notes, err := profiles.Load(a.lookup(), names)
	for _, n := range notes {
		a.ui.note(n)
	}
	if err != nil {
		return sandbox.Spec{}, err
	}
	return profiles.Merge(layers...)
}

type profileCheck struct {
	common
	JSON bool     `name:"json" help:"print an array of errors"`
	Name []string `arg:""`
}

func (c *profileCheck) run(a *app) (int, error) {
	if err := a.where(); err != nil {
		return exitFailed, err
	}
	var all profiles.Errors
	status := exitOK
	for _, name := range c.Name {
		err := profiles.Check(a.lookup(), name)
		if err == nil && !c.JSON {
			a.ui.profileFine(name)
		}
		if err == nil {
			continue
		}
		status = exitFailed
		if !c.JSON {
			a.ui.failure(err, status)
			continue
		}
		if errs, ok := err.(profiles.Errors); ok {
			all = append(all, errs...)
		} else {
			all = append(all, profiles.Error{File: name, Msg: err.Error()})
		}
	}
	if c.JSON {
		type line struct {
			File   string `json:"file,omitempty"`
			Line   int    `json:"line,omitempty"`
			Column int    `json:"column,omitempty"`
			Width  int    `json:"width,omitempty"`
			Error  string `json:"error"`
			Hint   string `json:"hint,omitempty"`
		}
		lines := []line{}
		for _, e := range all {
			lines = append(lines, line{e.File, e.Line, e.Col, e.Width, e.Msg, e.Hint})
		}
		if err := a.ui.json(lines); err != nil {
			return exitFailed, err
		}
	}
	return status, nil
}

type profileSchema struct{ common }

func (c *profileSchema) run(a *app) (int, error) {
	return exitOK, a.ui.print(string(profiles.Schema()))
}

type profileTrust struct {
	common
	Yes bool `short:"y" help:"do not ask"`
}

func (c *profileTrust) run(a *app) (int, error) {
	if err := a.where(); err != nil {
		return exitFailed, err
	}
	p, err := profiles.ReadProject(a.lookup())
	if err != nil {
		return exitFailed, err
	}
	if _, err := profiles.Parse(p.Path, p.Text); err != nil {
		return exitFailed, err
	}
	if !c.Yes {
		if !a.canAsk() {
			return exitFailed, trustNotConfirmed()
		}
		if !a.ask(a.ui.confirmTrust(p.Path, string(p.Text))) {
			a.ui.aside(no)
			return exitFailed, nil
		}
	}
	if err := p.Trust(a.lookup()); err != nil {
		return exitFailed, err
	}
	a.ui.trusted(p.Path)
	return exitOK, nil
}

type profileUntrust struct{ common }

func (c *profileUntrust) run(a *app) (int, error) {
	if err := a.where(); err != nil {
		return exitFailed, err
	}
	if err := profiles.Untrust(a.lookup()); err != nil {
		return exitFailed, err
	}
	a.ui.untrusted()
	return exitOK, nil
}
