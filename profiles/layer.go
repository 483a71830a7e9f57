package profiles

import (
	"strings"

	"cove/sandbox"
)

// A Layer is one source of wishes: a file, a built-in profile or the flags. Everything in it is optional.
type Layer struct {
	Name        string // as errors and origins show it: "profile build", "~/.config/cove/profiles/x.toml"
	Path        string // the file, as it can be opened; "" for a built-in profile and the flags
	Description string
	Extends     []Ref // nil where it says nothing, which Load takes for "default"; empty where it says []

	// Spec holds what this layer alone says. Its Env is in the order of envOrder.
	Spec sandbox.Spec

	// Project marks a directory's .cove.toml, which somebody else may have written: it may only tighten what the
	// layers before it say.
	Project bool

	text string // what it was read from, for excerpts; "" for a built-in profile and the flags
}

// A Ref is another profile that a layer stands on.
type Ref struct {
	Name string
	Line int
}

func (l *Layer) origin(line int) sandbox.Origin { return sandbox.Origin{Name: l.Name, Line: line} }

// underHome spells the paths below home with "~", so that "/home/u/.ssh" in one layer meets "~/.ssh" in another.
func (l *Layer) underHome(home string) {
	if home == "" || home == "/" {
		return
	}
	for i := range l.Spec.Grants {
		g := &l.Spec.Grants[i]
		g.Source, g.Target = tilde(g.Source, home), tilde(g.Target, home)
	}
	for i := range l.Spec.Masks {
		l.Spec.Masks[i].Path = tilde(l.Spec.Masks[i].Path, home)
	}
}

func tilde(p, home string) string {
	rest, ok := strings.CutPrefix(p, strings.TrimSuffix(home, "/"))
	if !ok || rest != "" && rest[0] != '/' {
		return p
	}
	return "~" + rest
}

// NewFlags makes the layer of the command line. Paths that are given to its Add are relative to cwd.
func NewFlags(home, cwd string) *Flags {
	f := &Flags{home: home}
	f.Name = "flags"
	f.parser = parser{layer: &f.Layer, cwd: cwd}
	return f
}

// Flags is a Layer in the making. Command, Box and Drop are set directly in its Spec.
type Flags struct {
	Layer
	parser parser
	home   string
}

// Add says key = value, as "home.mode" and "cow", for the flag that from names, as "flag --home". Where the key
// holds a list or a table (env.set takes "K=V"), the value is added to it. An error is of type Errors.
func (f *Flags) Add(key, value, from string) error {
	k := find(key)
	if k == nil {
		return Errors{{Msg: "unknown setting " + quote(key)}}
	}
	p := &f.parser
	p.errs, p.from = nil, from
	var v any = value
	switch k.kind.shape {
	case shapeList:
		v = []any{value}
	case shapeBool:
		v = value != "false"
	case shapeTable:
		name, text, ok := strings.Cut(value, "=")
		if !ok {
			return Errors{{File: from, Msg: "cannot set " + quote(value) + ": there is no = in it", Hint: "NAME=VALUE"}}
		}
		v = map[string]any{name: text}
	case shapeInt:
		n, err := parseCount(value)
		if err != nil {
			return Errors{{File: from, Msg: "cannot use " + quote(value) + ": " + err.Error()}}
		}
		v = n
	}
	k.kind.read(p, k, v, nil)
	if len(p.errs) > 0 {
		return p.errs
	}
	f.underHome(f.home)
	return nil
}
