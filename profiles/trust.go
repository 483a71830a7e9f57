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

// ProjectPath is the .cove.toml that a word of the command line means: that of the directory that cove was started in
// for "", of another directory, or the file itself, also where there is none.
func ProjectPath(dirs Dirs, word string) (string, error) {
	file := word
	if !path.IsAbs(word) {
		file = path.Join(dirs.Cwd, word)
	}
	switch file = path.Clean(file); {
	case path.Base(file) == projectFile:
		return file, nil
	case strings.HasSuffix(file, ".toml"):
		return "", Errors{{Msg: fmt.Sprintf("cannot trust %s: only a directory's %s is ever read without being asked for", quote(word), projectFile), Hint: "-p " + word + " reads it"}}
	}
	return path.Join(file, projectFile), nil
}

// ReadProject reads the .cove.toml at an absolute path.
func ReadProject(dirs Dirs, file string) (*Project, error) {
	text, err := readFile(file, false)
	if err != nil {
		return nil, fmt.Errorf("cannot read %s: %w", tilde(file, dirs.Home), err)
	}
	return &Project{file, text}, nil
}

// layer parses the file.
func (p *Project) layer(dirs Dirs) (*Layer, error) {
	name := "./" + projectFile
	if path.Dir(p.Path) != dirs.Cwd {
		name = tilde(p.Path, dirs.Home)
	}
	layer, err := Parse(name, p.Text)
	if err != nil {
		return nil, err
	}
	layer.Path, layer.Project = p.Path, true
	layer.underHome(dirs.Home)
	return layer, nil
}

// Check tells all that is wrong with the file where a run without -p would read it. An error is of type Errors.
func (p *Project) Check(dirs Dirs) error {
	layer, err := p.layer(dirs)
	if err != nil {
		return err
	}
	l := &loader{dirs: dirs}
	l.name(defaultName, nil, 0)
	if len(l.errs) > 0 {
		return l.errs
	}
	_, err = Merge(append(l.layers, layer)...)
	return err
}

// Trust remembers the content: from now on Load reads the file without being asked, until the content changes.
func (p *Project) Trust(dirs Dirs) error {
	return changeTrust(dirs, func(t trustList) trustList {
		return append(t.without(p.Path), trusted{p.Path, string(p.Text)})
	})
}

// Untrust forgets files, by their absolute paths, and returns those that were trusted.
func Untrust(dirs Dirs, files []string) (forgotten []string, err error) {
	err = changeTrust(dirs, func(t trustList) trustList {
		for _, x := range t {
			if slices.Contains(files, x.path) {
				forgotten = append(forgotten, x.path)
			}
		}
		for _, file := range files {
			t = t.without(file)
		}
		return t
	})
	return forgotten, err
}

// A TrustedFile is one that the user has trusted, as it was then.
type TrustedFile struct {
	Path string
	Text []byte
}

// Trusted are all files that the user trusts, in the order in which he came to.
func Trusted(dirs Dirs) (files []TrustedFile, err error) {
	list, err := readTrust(dirs)
	for _, t := range list {
		files = append(files, TrustedFile{t.path, []byte(t.text)})
	}
	return files, err
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
func (l *loader) project(wanted bool) (layer *Layer, note Note) {
	file := path.Join(l.dirs.Cwd, projectFile)
	p, err := ReadProject(l.dirs, file)
	switch {
	case err != nil && !wanted && isMissing(err):
		return nil, note
	case err != nil && !wanted:
		return nil, Note{Text: err.Error()}
	case err != nil:
		l.errs = append(l.errs, Error{Msg: err.Error(), Hint: "-p . reads the " + projectFile + " of this directory"})
		return nil, note
	}
	if !wanted {
		list, err := readTrust(l.dirs)
		if err != nil {
			return nil, Note{Text: err.Error()}
		}
		switch list.of(p) {
		case unknown:
			return nil, Note{"./" + projectFile + " is not trusted, so it is not read; to read it: cove profile trust ./" + projectFile, true}
		case changed:
			return nil, Note{Text: tilde(file, l.dirs.Home) + " is not read: it changed since you trusted it (review it with cove profile trust)"}
		}
	}
	if layer, err = p.layer(l.dirs); err != nil {
		l.errs = append(l.errs, err.(Errors)...)
		return nil, note
	}
	return layer, note
}
