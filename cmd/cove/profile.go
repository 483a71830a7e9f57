package main

import (
	"errors"
	"io/fs"
	"slices"
	"syscall"

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
	name: "profile trust", args: "[--yes] [--list [--json]] [DIR|FILE]",
	short: "have a directory's .cove.toml read there without -p",
	long: `Shows the file and asks; where you trusted it before, it shows what changed since. Only a file without errors
can be trusted. Trust is for the content: when that changes, the file is not read until you trust it again. Even then
it can only tighten what your own profiles say. Without DIR or FILE it is the directory that you are in.`,
	examples: []string{"cove profile trust", "", "cove profile trust ~/src/shop", "", "cove profile trust --list", "what you trust, and what has changed"},
	grammar:  func() grammar { return &profileTrust{} }, run: byGrammar,
}

var profileUntrustCommand = command{
	name: "profile untrust", args: "[--all] [DIR|FILE…]",
	short:    "stop reading a directory's .cove.toml without -p",
	long:     "It is still read where it is asked for, with -p . there. What is gone can be named too.",
	examples: []string{"cove profile untrust", "", "cove profile untrust ~/src/shop", "", "cove profile untrust --all", "all that you trusted"},
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
	JSON bool     `name:"json" help:"print it as JSON, under the names of a profile's keys"`
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
		return exitOK, a.ui.json(profiles.Values(spec))
	}
	return exitOK, a.ui.print(profiles.Show(spec))
}

// merged is what profiles come to.
func (a *app) merged(names []string) (sandbox.Spec, error) {
	layers, notes, err := profiles.Load(a.lookup(), names)
	a.ui.notes(notes)
	if err != nil {
		return sandbox.Spec{}, err
	}
	return profiles.Merge(layers...)
}

type profileCheck struct {
	common
	JSON bool     `name:"json" help:"print an array of errors"`
	Name []string `arg:"" optional:""`
}

func (c *profileCheck) run(a *app) (int, error) {
	if len(c.Name) == 0 {
		return exitFailed, whichProfile()
	}
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
	Yes  bool   `short:"y" help:"do not ask"`
	List bool   `help:"list the files that you trust"`
	JSON bool   `name:"json" help:"with --list: print an array of objects"`
	Dir  string `arg:"" optional:""`
}

func (c *profileTrust) run(a *app) (int, error) {
	if err := a.where(); err != nil {
		return exitFailed, err
	}
	switch {
	case c.List && (c.Yes || c.Dir != ""):
		return exitFailed, listAlone()
	case c.List:
		return exitOK, a.listTrusted(c.JSON)
	case c.JSON:
		return exitFailed, jsonOfList()
	}
	dirs := a.lookup()
	file, err := profiles.ProjectPath(dirs, c.Dir)
	if err != nil {
		return exitFailed, err
	}
	p, err := profiles.ReadProject(dirs, file)
	if err != nil {
		return exitFailed, err
	}
	if err := p.Check(dirs); err != nil {
		return exitFailed, err
	}
	before, known, err := trustedBefore(dirs, file)
	switch {
	case err != nil:
		return exitFailed, err
	case known && before == string(p.Text):
		a.ui.trustedAlready(p.Path)
		return exitOK, nil
	case !c.Yes && !a.canAsk():
		return exitFailed, trustNotConfirmed(c.Dir)
	case !c.Yes && !a.ask(a.ui.confirmTrust(p.Path, string(p.Text), before, known)):
		a.ui.aside(no)
		return exitFailed, nil
	}
	if err := p.Trust(dirs); err != nil {
		return exitFailed, err
	}
	a.ui.trusted(p.Path)
	return exitOK, nil
}

// trustedBefore is a file's content as it was trusted.
func trustedBefore(dirs profiles.Dirs, file string) (text string, known bool, err error) {
	files, err := profiles.Trusted(dirs)
	for _, f := range files {
		if f.Path == file {
			text, known = string(f.Text), true
		}
	}
	return text, known, err
}

func (a *app) listTrusted(asJSON bool) error {
	dirs := a.lookup()
	files, err := profiles.Trusted(dirs)
	if err != nil {
		return err
	}
	type line struct {
		Path  string `json:"path"`
		State string `json:"state"`
		Error string `json:"error,omitempty"`
	}
	lines, rows := []line{}, [][]string{}
	for _, f := range files {
		l := line{Path: f.Path, State: trustSame}
		p, err := profiles.ReadProject(dirs, f.Path)
		switch {
		case errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR):
			l.State = trustGone
		case err != nil:
			l.State, l.Error = trustUnreadable, err.Error()
		case string(p.Text) != string(f.Text):
			l.State = trustChanged
		default:
			if err := p.Check(dirs); err != nil {
				l.State, l.Error = trustBroken, err.Error()
			}
		}
		lines, rows = append(lines, l), append(rows, []string{l.Path, trustStates(l.State)})
	}
	switch {
	case asJSON:
		return a.ui.json(lines)
	case len(rows) == 0:
		a.ui.nothingTrusted()
	}
	return a.ui.table([]string{"FILE", "STATE"}, rows)
}

type profileUntrust struct {
	common
	All bool     `help:"all that you trusted"`
	Dir []string `arg:"" optional:""`
}

func (c *profileUntrust) run(a *app) (int, error) {
	if err := a.where(); err != nil {
		return exitFailed, err
	}
	dirs := a.lookup()
	trusted, err := profiles.Trusted(dirs)
	if err != nil {
		return exitFailed, err
	}
	var files []string
	switch {
	case c.All && len(c.Dir) > 0:
		return exitFailed, untrustAllOrSome()
	case c.All && len(trusted) == 0:
		a.ui.nothingTrusted()
		return exitOK, nil
	case c.All:
		for _, f := range trusted {
			files = append(files, f.Path)
		}
	default:
		words := c.Dir
		if len(words) == 0 {
			words = []string{""}
		}
		for _, word := range words {
			file, err := profiles.ProjectPath(dirs, word)
			if err != nil {
				return exitFailed, err
			}
			files = append(files, file)
		}
	}
	forgotten, err := profiles.Untrust(dirs, files)
	if err != nil {
		return exitFailed, err
	}
	var failed []error
	for _, file := range files {
		if slices.Contains(forgotten, file) {
			a.ui.untrusted(file)
		} else {
			failed = append(failed, notTrusted(file))
		}
	}
	return exitOK, errors.Join(failed...)
}
