package profiles

import (
	"fmt"
	"path"
	"slices"
	"strings"
)

// Dirs are the directories that names are looked up in.
type Dirs struct {
	Config string // $XDG_CONFIG_HOME/cove
	Home   string
	Cwd    string // where cove was started; absolute
}

const (
	projectFile = ".cove.toml"
	defaultName = "default"
)

// Load reads the profiles that names ask for, and those that they extend, in the order in which Merge wants them.
//
//	build           ~/.config/cove/profiles/build.toml, else the built-in
//	x.toml, ./x     that file
//	.               the directory's .cove.toml, which may only tighten
//
// Each is read once. Where nothing but "." is asked for, there is also "default"; and where a profile does not say what
// it extends, "default" comes first of all, so that none hides less by saying nothing, and none that says nothing takes
// back what another has set. A .cove.toml comes last, also without being asked for where the user trusts it. Notes tell
// the user what was left out and why.
func Load(dirs Dirs, names []string) (layers []*Layer, notes []Note, err error) {
	l := &loader{dirs: dirs}
	wantProject, others := false, false
	for _, name := range names {
		if l.isProject(name) {
			wantProject = true
		} else {
			others = true
		}
	}
	if !others {
		l.name(defaultName, nil, 0)
	}
	for _, name := range names {
		if !l.isProject(name) {
			l.name(name, nil, 0)
		}
	}
	l.base()
	project, note := l.project(wantProject)
	if note.Text != "" {
		notes = append(notes, note)
	}
	if project != nil {
		l.layers = append(l.layers, project)
	}
	if len(l.errs) > 0 {
		return nil, notes, l.errs
	}
	return l.layers, notes, nil
}

// A Note is what a user should know of what was read.
type Note struct {
	Text  string
	Aside bool // nobody asked: for people only, not for logs
}

// isProject tells whether a name from the command line means the directory's own file.
func (l *loader) isProject(name string) bool {
	p := path.Clean(name)
	return p == "." || p == projectFile || path.IsAbs(p) && p == path.Join(l.dirs.Cwd, projectFile)
}

type loader struct {
	dirs   Dirs
	layers []*Layer
	done   []string // keys of those in layers, or refused
	chain  []string // keys of those being read, from the outermost
	errs   Errors
	silent bool // a profile does not say what it extends
}

// base puts "default", with what that extends, before all else, where a profile stands on it without saying so.
func (l *loader) base() {
	if !l.silent {
		return
	}
	l.name(defaultName, nil, 0)
	base := &loader{dirs: l.dirs}
	base.name(defaultName, nil, 0) // its errors are known by now
	first := func(layer *Layer) bool {
		return slices.ContainsFunc(base.layers, func(b *Layer) bool { return b.Name == layer.Name && b.Path == layer.Path })
	}
	l.layers = append(base.layers, slices.DeleteFunc(l.layers, first)...)
}

// name adds the layers of a profile, after those that it extends. It was asked for by a line of another, or on the
// command line.
func (l *loader) name(name string, by *Layer, line int) {
	fail := func(msg, hint string) {
		if by == nil {
			l.errs = append(l.errs, Error{Msg: msg, Hint: hint})
			return
		}
		l.errs = append(l.errs, by.locate(line, name, msg, hint))
	}
	file, builtin := l.resolve(name, by)
	id := file
	if builtin != nil {
		id = builtin.Name
	}
	switch {
	case slices.Contains(l.chain, id):
		circle := append(slices.Clone(l.chain[slices.Index(l.chain, id):]), id)
		for i := range circle {
			circle[i] = tilde(circle[i], l.dirs.Home)
		}
		fail("extends goes in a circle: "+strings.Join(circle, " → "), "")
		return
	case slices.Contains(l.done, id):
		return
	case file == "" && builtin == nil:
		hint := didYouMean(name, l.known())
		if hint == "" {
			hint = "cove profile list shows those that there are; a file's name has a / in it or ends in .toml"
		}
		fail("unknown profile "+quote(name), hint)
		return
	case path.Base(file) == projectFile:
		fail(fmt.Sprintf("cannot use %s as a profile: it belongs to its directory, and whoever wrote that", quote(name)), "go there and use -p .")
		return
	}
	layer := builtin
	if layer == nil {
		text, err := readFile(file, true)
		if err != nil {
			fail(fmt.Sprintf("cannot read the profile %s: %v", quote(name), err), "")
			return
		}
		if layer, err = Parse(l.shown(file, name, by), text); err != nil {
			l.errs = append(l.errs, err.(Errors)...)
			l.done = append(l.done, id)
			return
		}
		layer.Path = file
		layer.underHome(l.dirs.Home)
	}
	l.chain = append(l.chain, id)
	for _, r := range layer.Extends {
		l.name(r.Name, layer, r.Line)
	}
	switch {
	case layer.Extends != nil:
	case slices.Contains(l.chain, l.file(defaultName)):
		// Yours, and what it stands on, stand on the built-in one, which is what resolve takes its name for in it.
		l.name(defaultName, &Layer{Path: l.file(defaultName)}, 0)
	default:
		l.silent = true
	}
	l.chain = l.chain[:len(l.chain)-1]
	l.layers, l.done = append(l.layers, layer), append(l.done, id)
}

// resolve finds the file or the built-in profile that a name means. Of neither, it is unknown.
func (l *loader) resolve(name string, by *Layer) (file string, builtin *Layer) {
	if isPath(name) {
		switch base := l.dirs.Cwd; {
		case strings.HasPrefix(name, "~/"):
			return path.Join(l.dirs.Home, name[2:]), nil
		case path.IsAbs(name):
			return path.Clean(name), nil
		default:
			if by != nil && by.Path != "" {
				base = path.Dir(by.Path)
			}
			return path.Join(base, name), nil
		}
	}
	if name == "" || name[0] == '.' {
		return "", nil
	}
	// Yours of the name build may extend the built-in build.
	if file = l.file(name); l.dirs.Config != "" && (by == nil || by.Path != file) && isFile(file) {
		return file, nil
	}
	return "", builtinNamed(name)
}

func isPath(name string) bool { return strings.Contains(name, "/") || strings.HasSuffix(name, ".toml") }

func (l *loader) file(name string) string { return path.Join(l.dirs.Config, "profiles", name+".toml") }

// shown is how the user knows the file.
func (l *loader) shown(file, name string, by *Layer) string {
	if by == nil && isPath(name) {
		return name
	}
	if l.dirs.Home != "" {
		return tilde(file, l.dirs.Home)
	}
	return file
}

// known are the names of all profiles.
func (l *loader) known() (names []string) {
	for _, i := range List(l.dirs) {
		names = append(names, i.Name)
	}
	return names
}

// Check reads a file as Load would, with all that it extends, and tells all that is wrong with it.
func Check(dirs Dirs, name string) error {
	l := &loader{dirs: dirs}
	if l.isProject(name) {
		p, err := ReadProject(dirs, path.Join(dirs.Cwd, projectFile))
		if err != nil {
			return Errors{{Msg: err.Error(), Hint: "-p . reads the " + projectFile + " of this directory"}}
		}
		return p.Check(dirs)
	}
	l.name(name, nil, 0)
	l.base()
	if len(l.errs) > 0 {
		return l.errs
	}
	_, err := Merge(l.layers...)
	return err
}
