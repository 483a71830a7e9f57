package overlay

import (
	"fmt"
	"path"
	"strings"
	"sync"
)

// A Hazard is why a change should be looked at before it comes into the home: it would run something later, or let
// somebody in.
type Hazard struct {
	Class string `json:"class"` // a word: shell, ssh, git, setuid, ...
	Why   string `json:"why"`   // for people, to be said after the path; it may hold names of files
	// Named is true where only who names the path itself can want it: cove's own configuration.
	Named bool `json:"named,omitempty"`
}

// A DangerRule is a row that somebody adds to the table.
type DangerRule struct {
	// Path is relative to the home ("~/" may stand before it). In a part between two slashes * stands for any
	// characters. A part ** stands for any number of parts, and at the end for all that is below.
	Path string
	Why  string
	Gone bool // it matters too when it is taken away
}

// DangerOptions are what is known of a home. All paths are absolute; those outside the home say nothing.
type DangerOptions struct {
	Home   string
	Path   []string // directories in which programs are looked for: $PATH
	Config string   // $XDG_CONFIG_HOME, where it is not .config
	Data   string   // $XDG_DATA_HOME, where it is not .local/share
	Own    []string // cove's own directories
	Extra  []DangerRule
}

// Dangers is the table, with what is known of one home, made fit for being asked a million times. It may be used by
// several goroutines.
type Dangers struct {
	home string
	root *fork
	rows []danger
}

// NewDangers makes a table for a home. An error is about a rule of Extra: it names its path.
func NewDangers(o DangerOptions) (*Dangers, error) {
	d := &Dangers{home: path.Clean(o.Home), root: &fork{}, rows: dangers[:len(dangers):len(dangers)]}
	config, data := d.inside(o.Config), d.inside(o.Data)
	for i := range dangers {
		for p := range strings.FieldsSeq(dangers[i].paths) {
			d.root.add(p, int32(i))
			if rest, ok := strings.CutPrefix(p, ".config/"); ok && config != "" && config != ".config" {
				d.root.add(config+"/"+rest, int32(i))
			}
			if rest, ok := strings.CutPrefix(p, ".local/share/"); ok && data != "" && data != ".local/share" {
				d.root.add(data+"/"+rest, int32(i))
			}
		}
	}
	row := func(r danger, p string) {
		d.rows = append(d.rows, r)
		d.root.add(p, int32(len(d.rows)-1))
	}
	for _, p := range o.Path {
		if rel := d.inside(p); rel != "" {
			row(danger{class: classProgram, why: "it is run when its name is called"}, literal(rel)+"/*")
		}
	}
	for _, p := range o.Own {
		if rel := d.inside(p); rel != "" {
			row(danger{class: classCove, why: dangers[0].why, when: whenGone}, literal(rel)+"/**")
		}
	}
	for _, r := range o.Extra {
		p, err := checkPattern(r.Path)
		if err != nil {
			return nil, err
		}
		when := whenMade
		if r.Gone {
			when = whenGone
		}
		row(danger{class: classYours, why: r.Why, when: when}, p)
	}
	d.root.finish(d.rows)
	return d, nil
}

// inside is a path relative to the home, or "" where it is not in it.
func (d *Dangers) inside(p string) string {
	if rel, ok := strings.CutPrefix(path.Clean(p), strings.TrimSuffix(d.home, "/")+"/"); ok && path.IsAbs(p) && path.IsAbs(d.home) {
		return rel
	}
	return ""
}

// plainDangers is the table for a home of which nothing is known.
var plainDangers = sync.OnceValue(func() *Dangers {
	d, _ := NewDangers(DangerOptions{})
	return d
})

// CheckDangerRule tells why a rule cannot be added, or returns nil.
func CheckDangerRule(r DangerRule) error {
	_, err := checkPattern(r.Path)
	return err
}

func checkPattern(p string) (string, error) {
	clean := strings.TrimSuffix(strings.TrimPrefix(p, "~/"), "/")
	if clean != strings.TrimPrefix(p, "~/") {
		clean += "/**" // a directory means all that is in it
	}
	if clean == "" || strings.IndexByte(clean, 0) >= 0 {
		return "", fmt.Errorf("cannot watch %q: it names no path", p)
	}
	if path.IsAbs(clean) {
		return "", fmt.Errorf("cannot watch %q: it must be relative to the home, or begin with ~/", p)
	}
	only := true
	for part := range strings.SplitSeq(clean, "/") {
		if part == "" || part == "." || part == ".." {
			return "", fmt.Errorf("cannot watch %q: no part of it may be .., . or empty", p)
		}
		only = only && strings.Trim(part, "*") == ""
	}
	if only {
		return "", fmt.Errorf("cannot watch %q: that is everything", p)
	}
	return clean, nil
}

// Danger tells why a change needs a look, or returns nil. Where d is nil, nothing is known of the home but what is true
// of all. It looks at nothing but the Change; where the content of a file could tell that it is harmless, it is
// dangerous until somebody looks (Dangers.Look).
func Danger(c Change, d *Dangers) (why []Hazard) {
	why, _ = danger1(c, d)
	return why
}

// danger1 also tells whether the content of the file could clear it of its hazard of class git.
func danger1(c Change, d *Dangers) (why []Hazard, look bool) {
	if d == nil {
		d = plainDangers()
	}
	if c.Flags.Has(Hidden) {
		why = append(why, Hazard{Class: HazardHidden, Why: "the program never saw what is really there"})
	}
	made := c.Kind == Added || c.Kind == Modified || c.Kind == Retyped
	taken := c.Kind == Deleted || c.Kind == Retyped
	link, dir := made && c.After.Type == TypeSymlink, made && c.After.Type == TypeDir
	var space [8]hit
	sure := false
	for _, h := range d.root.match(space[:0], c.Path, link, taken && c.Before.Type == TypeDir) {
		row := &d.rows[h.row]
		switch {
		case h.how == hitAbove && link:
			why = addHazard(why, row, "a link stands where this is looked for: ")
		case h.how == hitAbove:
			why = addHazard(why, row, "this goes with it: ")
		case dir: // what is in it is told of by itself
			if h.how == hitBelow || taken && row.when == whenGone {
				why = addHazard(why, row, "")
			}
		case made:
			why = addHazard(why, row, "")
			if row.class == classGit {
				look, sure = look || row.when == whenCommand, sure || row.when != whenCommand
			}
		case taken && row.when == whenGone:
			why = addHazard(why, row, "")
		}
	}
	return attrDanger(why, &c, d.home), look && !sure
}

func addHazard(why []Hazard, row *danger, before string) []Hazard {
	for i := range why {
		if why[i].Class == row.class {
			return why // one of a class will do
		}
	}
	return append(why, Hazard{Class: row.class, Why: before + row.why, Named: row.class == classCove})
}

// attrDanger adds what attributes tell.
func attrDanger(why []Hazard, c *Change, home string) []Hazard {
	after, before := &c.After, &c.Before
	gained := after.Mode // what it may do, or others may with it, that it could not before
	if before.Type == after.Type {
		gained &^= before.Mode
	}
	add := func(class, text string) { why = append(why, Hazard{Class: class, Why: text}) }
	switch after.Type {
	case TypeAbsent:
		return why
	case TypeSymlink:
		if c.Kind != Meta && leaves(c.Path, after.Target, home) {
			add(classLink, "it leads out of your home")
		}
		return why
	case TypeFifo, TypeSocket, TypeDevice:
		if c.Kind != Meta {
			add(classSpecial, "it is no file, directory or link")
		}
	}
	switch {
	case c.Flags.Has(Capability):
		add(classSetuid, "it would run with capabilities")
	case c.Flags.Has(Setuid | Setgid):
		add(classSetuid, "it would run with the rights of its owner or group")
	case before.Type == TypeFile && after.Type == TypeFile && before.Mode&0o111 == 0 && gained&0o111 != 0:
		add(classExecutable, "it was no program and can be run now")
	}
	switch {
	case gained&0o002 != 0 && after.Mode&0o1000 == 0, before.Type == after.Type && gained&0o020 != 0:
		add(classAccess, "others could write to it")
	case before.Type == after.Type && gained&0o044 != 0:
		add(classAccess, "others could read it")
	}
	return why
}

// leaves tells whether a link leads out of the home, as far as its text tells. Where it goes back up after having gone
// down it cannot be told, since what it goes down into may be a link as well.
func leaves(p, target, home string) bool {
	if path.IsAbs(target) {
		if home == "" || home == "." {
			return true
		}
		return target != home && !strings.HasPrefix(path.Clean(target), strings.TrimSuffix(home, "/")+"/")
	}
	depth := strings.Count(p, "/")
	down := false
	for part := range strings.SplitSeq(target, "/") {
		switch part {
		case "", ".":
		case "..":
			if depth--; depth < 0 || down {
				return true
			}
		default:
			depth, down = depth+1, true
		}
	}
	return false
}
