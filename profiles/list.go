package profiles

import (
	"fmt"
	"os"
	"path"
	"slices"
	"strings"
)

// Sources of a profile, as cove profile list shows them.
const (
	SourceBuiltin  = "built-in"
	SourceUser     = "yours"
	SourceOverride = "yours, instead of the built-in"
)

// An Info is a line of cove profile list.
type Info struct {
	Name        string
	Source      string
	Description string
	Path        string // "" for a built-in profile
	Err         error  // why it cannot be used; of type Errors where its content is wrong
}

// List tells of every profile that has a name, sorted by it.
func List(dirs Dirs) (infos []Info) {
	for _, l := range builtins {
		infos = append(infos, Info{Name: strings.TrimPrefix(l.Name, builtinPrefix), Source: SourceBuiltin, Description: l.Description})
	}
	entries, _ := os.ReadDir(path.Join(dirs.Config, "profiles"))
	for _, e := range entries {
		name, ok := strings.CutSuffix(e.Name(), ".toml")
		if !ok || name == "" || name[0] == '.' || dirs.Config == "" {
			continue
		}
		i := Info{Name: name, Source: SourceUser, Path: path.Join(dirs.Config, "profiles", e.Name())}
		text, err := readFile(i.Path, true)
		if err == nil {
			var l *Layer
			if l, err = Parse(tilde(i.Path, dirs.Home), text); err == nil {
				i.Description = l.Description
			}
		}
		i.Err = err
		at := slices.IndexFunc(infos, func(b Info) bool { return b.Name == name })
		if at < 0 {
			infos = append(infos, i)
			continue
		}
		i.Source = SourceOverride
		infos[at] = i
	}
	slices.SortFunc(infos, func(a, b Info) int { return strings.Compare(a.Name, b.Name) })
	return infos
}

// Text is a profile as it is written: a built-in, one of the user's, or a file.
func Text(dirs Dirs, name string) ([]byte, error) {
	l := &loader{dirs: dirs}
	if l.isProject(name) {
		p, err := ReadProject(dirs, path.Join(dirs.Cwd, projectFile))
		if err != nil {
			return nil, err
		}
		return p.Text, nil
	}
	file, builtin := l.resolve(name, nil)
	switch {
	case builtin != nil:
		return builtinText(name), nil
	case file == "":
		l.name(name, nil, 0)
		return nil, l.errs
	}
	text, err := readFile(file, true)
	if err != nil {
		return nil, fmt.Errorf("cannot read the profile %s: %w", quote(name), err)
	}
	return text, nil
}
