package profiles

import (
	"fmt"
	"strconv"
	"strings"

	"cove/sandbox"
)

// Show writes a merged Spec as one profile, each value with its origin in a comment. Load reads it back to the
// same wishes.
func Show(s sandbox.Spec) string {
	w := &shower{}
	w.b.WriteString("extends = [] # what follows is all\n")
	for _, t := range tables[1:] {
		w.table = t.name
		for i := range schema {
			if table, leaf := schema[i].in(); table == t.name {
				w.key(&schema[i], leaf, &s)
			}
		}
	}
	return w.b.String()
}

type shower struct {
	b     strings.Builder
	table string // not yet written
}

func (w *shower) head() {
	if w.table != "" {
		if w.b.Len() > 0 {
			w.b.WriteString("\n")
		}
		w.b.WriteString("[" + w.table + "]\n")
		w.table = ""
	}
}

// A shown is a value and where it is from.
type shown struct {
	value string
	from  sandbox.Origin
}

func (w *shower) key(k *key, leaf string, s *sandbox.Spec) {
	switch {
	case k.text != nil:
		if v := k.text(s); v.IsSet {
			w.one(leaf, shown{tomlString(v.Value), v.From})
		}
	case k.flag != nil:
		if v := k.flag(s); v.IsSet {
			w.one(leaf, shown{strconv.FormatBool(v.Value), v.From})
		}
	case k.name == "env.set":
		w.variables(s.Env)
	case k.kind.shape == shapeList:
		w.list(leaf, listOf(k.name, s))
	default:
		for _, l := range s.Limits {
			if l.Name == leaf && k.kind.shape == shapeInt {
				w.one(leaf, shown{strconv.FormatUint(l.Value, 10), l.From})
			} else if l.Name == leaf {
				w.one(leaf, shown{tomlString(Size(l.Value).String()), l.From})
			}
		}
	}
}

func (w *shower) one(leaf string, v shown) {
	w.head()
	fmt.Fprintf(&w.b, "%s = %s # %s\n", leaf, v.value, comment(v.from))
}

func (w *shower) list(leaf string, values []shown) {
	if len(values) == 0 {
		return
	}
	w.head()
	w.b.WriteString(leaf + " = [\n")
	for _, v := range values {
		fmt.Fprintf(&w.b, "  %s, # %s\n", v.value, comment(v.from))
	}
	w.b.WriteString("]\n")
}

func (w *shower) variables(rules []sandbox.EnvRule) {
	for _, r := range rules {
		if r.Do == sandbox.EnvSet {
			w.head()
			fmt.Fprintf(&w.b, "set.%s = %s # %s\n", tomlString(r.Name), tomlString(r.Value), comment(r.From))
		}
	}
}

// listOf is what a Spec holds under a key of lists.
func listOf(name string, s *sandbox.Spec) (values []shown) {
	settings := func(list []sandbox.Setting[string]) {
		for _, v := range list {
			values = append(values, shown{tomlString(v.Value), v.From})
		}
	}
	grants := func(access sandbox.Access) {
		for _, g := range s.Grants {
			if g.Access == access {
				values = append(values, shown{grantTOML(g), g.From})
			}
		}
	}
	rules := func(do sandbox.EnvDo) {
		for _, r := range s.Env {
			if r.Do == do {
				values = append(values, shown{tomlString(r.Name), r.From})
			}
		}
	}
	switch name {
	case "files.ro":
		grants(sandbox.ReadOnly)
	case "files.rw":
		grants(sandbox.ReadWrite)
	case "files.hide":
		for _, m := range s.Masks {
			values = append(values, shown{tomlString(m.Path), m.From})
		}
	case "env.pass":
		rules(sandbox.EnvPass)
	case "env.drop":
		rules(sandbox.EnvDrop)
	case "devices.allow":
		settings(s.Devices)
	case "seccomp.allow":
		settings(s.SeccompAllow)
	case "seccomp.deny":
		settings(s.SeccompDeny)
	}
	return values
}

// grantTOML writes a grant the short way where that can be read back.
func grantTOML(g sandbox.Grant) string {
	if !g.Optional && !strings.ContainsAny(g.Source+g.Target, ":@") {
		if g.Target == "" {
			return tomlString(g.Source)
		}
		return tomlString(g.Source + ":" + g.Target)
	}
	t := "{path = " + tomlString(g.Source)
	if g.Target != "" {
		t += ", target = " + tomlString(g.Target)
	}
	if g.Optional {
		t += ", optional = true"
	}
	return t + "}"
}

// tomlString writes a basic string.
func tomlString(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r < ' ' || r == 0x7f || !strconv.IsPrint(r):
			fmt.Fprintf(&b, `\U%08x`, r)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}

// comment makes an origin fit for one line.
func comment(o sandbox.Origin) string {
	quoted := strconv.Quote(o.String())
	return strings.NewReplacer(`\"`, `"`, `\\`, `\`).Replace(quoted[1 : len(quoted)-1])
}
