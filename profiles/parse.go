package profiles

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/BurntSushi/toml"

	"cove/sandbox"
)

// Parse reads a profile. Name is shown in errors and origins. An error is of type Errors and holds all that is
// wrong with the text; after a syntax error, only that.
func Parse(name string, text []byte) (*Layer, error) {
	p, doc, root, err := read(name, text)
	if err != nil {
		return nil, err
	}
	l := p.layer
	if n := root.kid("sets"); n != nil {
		p.sets(doc["sets"], n) // before what refers to them
	}
	p.table("", doc, root)
	p.contradictions()
	if len(p.errs) > 0 {
		slices.SortStableFunc(p.errs, func(a, b Error) int { return (a.Line-b.Line)*1_000_000 + a.Col - b.Col })
		return nil, p.errs
	}
	l.Spec.Env = envOrder(l.Spec.Env)
	return l, nil
}

// read makes a parser of a text: its values, and where they stand. An error is one of syntax.
func read(name string, text []byte) (p *parser, doc map[string]any, root *node, err error) {
	l := &Layer{Name: name, text: string(text)}
	if _, err := toml.Decode(l.text, &doc); err != nil {
		return nil, nil, nil, Errors{syntaxError(l, err)}
	}
	return &parser{layer: l}, doc, scan(l.text), nil
}

// syntaxError is the library's complaint in our form.
func syntaxError(l *Layer, err error) Error {
	var pe toml.ParseError
	if !errors.As(err, &pe) {
		return Error{File: l.Name, Msg: "cannot read TOML: " + err.Error()}
	}
	start := min(pe.Position.Start, len(l.text))
	e := at(l.Name, l.text, span{int32(start), int32(start + max(1, pe.Position.Len))}, "", "")
	// The message may quote the text, which may hold anything.
	e.Msg = "cannot read TOML: " + strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return '?'
		}
		return r
	}, pe.Message)
	return e
}

// A parser fills a layer. It never stops at an error.
type parser struct {
	layer *Layer
	errs  Errors
	own   []pathSet // of the file

	// Places of what is in the layer's lists, for contradictions.
	grantAt, maskAt []*node
	at              map[string]*node // of keys

	lines   []int32 // offsets at which lines begin
	from    string  // of flags: the flag's name
	cwd     string  // of flags: the directory that paths are relative to
	setName string  // while the paths of a set are added
}

// fail notes an error about the value at n.
func (p *parser) fail(n *node, msg, hint string) {
	if n == nil {
		p.errs = append(p.errs, Error{File: p.from, Msg: msg, Hint: hint})
		return
	}
	p.failAt(n.value, msg, hint)
}

func (p *parser) failAt(s span, msg, hint string) {
	p.errs = append(p.errs, at(p.layer.Name, p.layer.text, s, msg, hint))
}

// origin says where the value at n is from.
func (p *parser) origin(n *node) sandbox.Origin {
	if n == nil {
		return sandbox.Origin{Name: p.from, Set: p.setName}
	}
	if p.lines == nil {
		p.lines = make([]int32, 1, 64)
		for i := 0; ; {
			next := strings.IndexByte(p.layer.text[i:], '\n')
			if next < 0 {
				break
			}
			i += next + 1
			p.lines = append(p.lines, int32(i))
		}
	}
	line, found := slices.BinarySearch(p.lines, n.value.start)
	if found {
		line++
	}
	return sandbox.Origin{Name: p.layer.Name, Line: line, Set: p.setName}
}

// table reads the keys of a table in the order in which they are written.
func (p *parser) table(table string, values map[string]any, n *node) {
	for _, kid := range n.kids {
		v, ok := values[kid.name]
		switch name := kid.name; {
		case !ok:
			p.failAt(kid.key, "cannot find the value of "+quote(name), "this is a bug in cove: its TOML parsers disagree")
		case table == "" && name == "sets":
		case table == "" && isTable(name):
			if sub, ok := v.(map[string]any); ok {
				p.table(name, sub, kid)
				continue
			}
			hint := "write [" + name + "] on a line, and its keys below"
			p.failAt(kid.key, fmt.Sprintf("%s must be a table, not %s", name, typeName(v)), hint)
		default:
			full := name
			if table != "" {
				full = table + "." + name
			}
			k := find(full)
			if k == nil || strings.Contains(name, ".") {
				p.unknown(table, kid)
				continue
			}
			if p.at == nil {
				p.at = make(map[string]*node, 16)
			}
			p.at[k.name] = kid
			k.kind.read(p, k, v, kid)
		}
	}
	if len(values) != len(n.kids) {
		p.failAt(n.value, "cannot find the places of all keys", "this is a bug in cove: its TOML parsers disagree")
	}
}

// unknown is about a key that the schema does not have.
func (p *parser) unknown(table string, n *node) {
	msg, names := "unknown key "+quote(n.name), keysOf(table)
	if table != "" {
		msg += " in [" + table + "]"
	}
	hint := didYouMean(n.name, names)
	if lower := strings.ToLower(n.name); lower != n.name && slices.Contains(names, lower) {
		p.failAt(n.key, msg, "keys are in lower case: "+lower)
		return
	}
	for i := range schema { // right, but elsewhere
		switch t, leaf := schema[i].in(); {
		case leaf != n.name || t == table:
		case t == "":
			hint = leaf + " belongs at the top of the file, before any [table]"
		default:
			hint = leaf + " belongs in [" + t + "]"
		}
	}
	if hint == "" && table != "" {
		hint = "there are: " + strings.Join(names, ", ")
	}
	p.failAt(n.key, msg, hint)
}

// wrongType is about a value of another type than the key's.
func (p *parser) wrongType(k *key, v any, n *node) {
	hint := ""
	switch _, isText := v.(string); {
	case k.kind.shape == shapeList && isText:
		hint = "in brackets: [" + quote(v.(string)) + "]"
	case k.kind.shape == shapeBool && isText:
		hint = "true or false, without quotes"
	case k.kind.shape == shapeInt && isText:
		hint = "without quotes"
	case len(k.words) > 0:
		hint = "one of " + quoteAll(k.words)
	}
	p.fail(n, fmt.Sprintf("%s must be %s, not %s", k.name, k.kind.says, typeName(v)), hint)
}

func typeName(v any) string {
	switch v.(type) {
	case string:
		return "a string"
	case int64:
		return "a number"
	case float64:
		return "a number with a fraction"
	case bool:
		return "true or false"
	case time.Time:
		return "a date"
	case []any:
		return "a list"
	case []map[string]any:
		return "a list of tables"
	}
	return "a table"
}

func quoteAll(words []string) string {
	q := make([]string, len(words))
	for i, w := range words {
		q[i] = quote(w)
	}
	return strings.Join(q, ", ")
}

// contradictions are two wishes of one file that cannot both be had.
func (p *parser) contradictions() {
	s := &p.layer.Spec
	if s.Home.Value == sandbox.HomeNone {
		for i, g := range s.Grants {
			if inHome(inside(g)) {
				p.fail(p.grantAt[i], "cannot let in "+quote(inside(g))+`: home.mode is "none", so there is no home`, `home.mode = "tmpfs" is an empty one`)
			}
		}
	}
	if s.Overlay.IsSet && s.Home.IsSet && s.Home.Value != sandbox.HomeCow {
		p.fail(p.at["home.overlay"], "cannot choose the overlay of a home that is "+quote(s.Home.Value), `only home.mode = "cow" has one`)
	}
	if s.Seccomp.Value == sandbox.SeccompNone {
		for _, name := range []string{"seccomp.allow", "seccomp.deny"} {
			if n := p.at[name]; n != nil && len(n.kids) > 0 {
				p.fail(n, name+` has no effect: seccomp.mode is "none"`, "leave out one of the two")
			}
		}
	}
	for _, d := range s.SeccompDeny {
		if i := slices.IndexFunc(s.SeccompAllow, func(a sandbox.Setting[string]) bool { return a.Value == d.Value }); i >= 0 {
			p.fail(p.at["seccomp.deny"], fmt.Sprintf("cannot both allow and deny %s", quote(d.Value)), fmt.Sprintf("it is allowed in line %d", s.SeccompAllow[i].From.Line))
		}
	}
	p.variables()
	p.paths()
}

// variables finds those named by two rules.
func (p *parser) variables() {
	seen := make(map[string]sandbox.EnvRule, len(p.layer.Spec.Env))
	for _, r := range p.layer.Spec.Env {
		if old, ok := seen[r.Name]; ok && old.Do != r.Do {
			p.errs = append(p.errs, p.layer.locate(r.From.Line, r.Name, fmt.Sprintf("cannot both %s and %s the variable %s", old.Do, r.Do, quote(r.Name)), fmt.Sprintf("see line %d", old.From.Line)))
		}
		seen[r.Name] = r
	}
}

// paths finds those both let in and hidden. What is named by itself wins over what is in a set: hide @secrets, but
// let ~/.ssh in.
func (p *parser) paths() {
	s := &p.layer.Spec
	for i := 0; i < len(s.Grants); i++ {
		for j := i + 1; j < len(s.Grants); j++ {
			if a, b := s.Grants[i], s.Grants[j]; inside(a) == inside(b) && (a.Access != b.Access || a.Source != b.Source) {
				p.fail(p.grantAt[j], "cannot let in two things at "+quote(inside(b)), fmt.Sprintf("see line %d", a.From.Line))
			}
		}
		for j := 0; j < len(s.Masks); j++ {
			g, m := s.Grants[i], s.Masks[j]
			if inside(g) != m.Path {
				continue
			}
			switch {
			case m.From.Set != "" && g.From.Set == "":
				s.Masks, p.maskAt = slices.Delete(s.Masks, j, j+1), slices.Delete(p.maskAt, j, j+1)
				j--
			case g.From.Set != "" && m.From.Set == "":
				s.Grants, p.grantAt = slices.Delete(s.Grants, i, i+1), slices.Delete(p.grantAt, i, i+1)
				i--
				j = len(s.Masks)
			default:
				p.fail(p.maskAt[j], "cannot both let in and hide "+quote(m.Path), fmt.Sprintf("it is let in by line %d", g.From.Line))
			}
		}
	}
}
