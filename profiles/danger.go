package profiles

import (
	"fmt"
	"path"
)

// DangerFile is the file in the directory of profiles in which a user lists what else is dangerous to change.
const DangerFile = "danger.toml"

// A Danger is one [[danger]] of it.
type Danger struct {
	Path string // relative to the home, with * and **
	Why  string
	Gone bool // it matters too when it is taken away
}

// LoadDangers reads danger.toml. Where there is none, there are no dangers. Check tells why a path cannot be one.
func LoadDangers(dirs Dirs, check func(path string) error) ([]Danger, error) {
	file := path.Join(dirs.Config, DangerFile)
	text, err := readFile(file, true)
	switch {
	case isMissing(err):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("cannot read %s, in which you say what is dangerous to change: %w", file, err)
	}
	name := file
	if dirs.Home != "" {
		name = tilde(file, dirs.Home)
	}
	return ParseDangers(name, text, check)
}

// ParseDangers reads
//
//	[[danger]]
//	path = "deploy/**"
//	why  = "the server fetches it"
//	gone = true                     # false if it is left out
//
// An error is of type Errors and holds all that is wrong.
func ParseDangers(name string, text []byte, check func(path string) error) ([]Danger, error) {
	p, doc, root, err := read(name, text)
	if err != nil {
		return nil, err
	}
	for _, n := range root.kids {
		if n.name != "danger" {
			p.failAt(n.key, "unknown key "+quote(n.name), "each begins with [[danger]] on a line")
		}
	}
	var list []Danger
	items, ok := tablesIn(doc["danger"])
	n := root.kid("danger")
	switch {
	case n == nil:
	case !ok || len(items) != len(n.kids):
		p.failAt(n.key, "danger must be a list of tables", "write [[danger]] on a line, and its keys below")
	default:
		for i, item := range items {
			list = append(list, p.danger(item, n.kids[i], check))
		}
	}
	if len(p.errs) > 0 {
		return nil, p.errs
	}
	return list, nil
}

// tablesIn is an array of tables, written in either way.
func tablesIn(v any) (list []map[string]any, ok bool) {
	if list, ok = v.([]map[string]any); ok {
		return list, true
	}
	items, ok := v.([]any)
	for _, item := range items {
		table, is := item.(map[string]any)
		if !is {
			return nil, false
		}
		list = append(list, table)
	}
	return list, ok
}

func (p *parser) danger(item map[string]any, n *node, check func(path string) error) (d Danger) {
	before := len(p.errs)
	for _, kid := range n.kids {
		var ok bool
		want := "a string"
		switch v := item[kid.name]; kid.name {
		case "path":
			if d.Path, ok = v.(string); ok {
				if err := check(d.Path); err != nil {
					p.fail(kid, err.Error(), "")
				}
			}
		case "why":
			d.Why, ok = v.(string)
		case "gone":
			want = "true or false"
			d.Gone, ok = v.(bool)
		default:
			p.failAt(kid.key, "unknown key "+quote(kid.name)+" in [[danger]]", "there are: path, why, gone")
			continue
		}
		if !ok {
			p.fail(kid, kid.name+" must be "+want, "")
		}
	}
	switch {
	case len(p.errs) > before:
	case d.Path == "":
		p.failAt(n.key, "a danger needs a path", `path = "deploy/**"`)
	case d.Why == "":
		p.failAt(n.key, "a danger needs a reason", `why = "the server fetches it"`)
	}
	return d
}
