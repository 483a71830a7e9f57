package profiles

import (
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"
)

// A Project is a directory's .cove.toml as it was read once. What the user is shown is what Trust remembers.
type Project struct {
	Path string // absolute
	Text []byte
}

// ReadProject reads the .cove.toml of the directory that cove was started in.
func ReadProject(dirs Dirs) (*Project, error) {
	file := path.Join(dirs.Cwd, projectFile)
	text, err := readFile(file, false)
	if err != nil {
		return nil, fmt.Errorf("cannot read %s: %w", tilde(file, dirs.Home), err)
	}
	return &Project{file, text}, nil
}

// Trust remembers the content: from now on Load reads the file without being asked, until the content changes.
func (p *Project) Trust(dirs Dirs) error {
	return changeTrust(dirs, func(t trustList) trustList {
		return append(t.without(p.Path), trusted{p.Path, string(p.Text)})
	})
}

// Untrust forgets the .cove.toml of the directory that cove was started in.
func Untrust(dirs Dirs) error {
	return changeTrust(dirs, func(t trustList) trustList { return t.without(path.Join(dirs.Cwd, projectFile)) })
}

// Trust of a file: of nobody's, of this content, of another.
type trust int

const (
	unknown trust = iota
	same
	changed
)

// trustFile, in the configuration directory, has a line for each reviewed file: the absolute path, a space, and the
// text, both as quoted Go strings. The text and not a hash of it, since linking one costs every start of cove time.
const trustFile = "trusted"

type trusted struct{ path, text string }

type trustList []trusted

func (t trustList) without(path string) trustList {
	return slices.DeleteFunc(t, func(x trusted) bool { return x.path == path })
}

func (t trustList) of(p *Project) trust {
	for _, x := range t {
		switch {
		case x.path != p.Path:
		case x.text == string(p.Text):
			return same
		default:
			return changed
		}
	}
	return unknown
}

// readTrust reads the list. Lines that make no sense trust nothing.
func readTrust(dirs Dirs) (t trustList, err error) {
	text, err := readFile(path.Join(dirs.Config, trustFile), true)
	if err != nil && !isMissing(err) {
		return nil, fmt.Errorf("cannot read the list of trusted files: %w", err)
	}
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSuffix(line, "\n")
		quoted, err := strconv.QuotedPrefix(line)
		if err != nil {
			continue
		}
		file, err := strconv.Unquote(quoted)
		if err != nil {
			continue
		}
		if text, err := strconv.Unquote(strings.TrimPrefix(line[len(quoted):], " ")); err == nil {
			t = append(t, trusted{file, text})
		}
	}
	return t, nil
}

// project reads the directory's own file if it was asked for or is trusted.
func (l *loader) project(wanted bool) (layer *Layer, note string) {
	file := path.Join(l.dirs.Cwd, projectFile)
	p, err := ReadProject(l.dirs)
	switch {
	case err != nil && !wanted && isMissing(err):
		return nil, ""
	case err != nil && !wanted:
		return nil, err.Error()
	case err != nil:
		l.errs = append(l.errs, Error{Msg: err.Error(), Hint: "-p . reads the " + projectFile + " of this directory"})
		return nil, ""
	}
	if !wanted {
		list, err := readTrust(l.dirs)
		if err != nil {
			return nil, err.Error()
		}
		switch list.of(p) {
		case unknown:
			return nil, ""
		case changed:
			return nil, fmt.Sprintf("%s is not read: it changed since you trusted it (review it with cove profile trust)", tilde(file, l.dirs.Home))
		}
	}
	layer, err = Parse("./"+projectFile, p.Text)
	if err != nil {
		l.errs = append(l.errs, err.(Errors)...)
		return nil, ""
	}
	layer.Path, layer.Project = file, true
	layer.underHome(l.dirs.Home)
	return layer, ""
}
