package profiles

import (
	"fmt"
	"slices"
	"strings"

	"cove/sandbox"
)

// Tighten tells whether a project's file only takes away from what base allows. Every widening is an error.
//
// The file came with the project, so whoever wrote it may be whom the sandbox is for. It may hide, drop, deny and
// lower, and say what makes nobody less safe. It may grant nothing at all, not even read-only what could be read
// anyway: a link in the project would lead the grant to what is hidden.
func Tighten(base sandbox.Spec, project *Layer) error {
	t := &tightener{base: &base, layer: project}
	s := &project.Spec
	for _, r := range project.Extends {
		t.wider(project.origin(r.Line), r.Name, "extends = "+quote(r.Name)+" brings in what another profile allows")
	}
	for i := range schema {
		switch k := &schema[i]; {
		case k.text != nil:
			t.word(k, *k.text(s), k.text(&base).Or(k.def))
		case k.flag != nil && k.flag(s).Value && !k.flag(&base).Value:
			t.wider(k.flag(s).From, "true", k.name+" = true")
		}
	}
	for _, g := range s.Grants {
		_, word, _ := strings.Cut(g.From.Set, "@")
		if word == "" {
			_, word, _ = strings.Cut(g.Source, "/")
		}
		t.wider(g.From, word, fmt.Sprintf("it lets in %s (%s)", quote(g.Source), g.Access))
	}
	for _, r := range s.Env {
		same := func(b sandbox.EnvRule) bool { return b.Name == r.Name && b.Do == r.Do }
		if r.Do == sandbox.EnvSet || r.Do == sandbox.EnvPass && !slices.ContainsFunc(base.Env, same) {
			verb := "passes"
			if r.Do == sandbox.EnvSet {
				verb = "sets"
			}
			t.wider(r.From, r.Name, fmt.Sprintf("it %s the variable %s", verb, quote(r.Name)))
		}
	}
	for _, l := range s.Limits {
		for _, b := range base.Limits {
			if b.Name == l.Name && l.Value > b.Value {
				t.wider(l.From, "", fmt.Sprintf("limits.%s is above that of %s", l.Name, b.From))
			}
		}
	}
	for _, d := range s.Devices {
		if !has(base.Devices, d.Value) {
			t.wider(d.From, strings.TrimPrefix(d.Value, "/dev/"), "it lets in the device "+d.Value)
		}
	}
	for _, a := range s.SeccompAllow {
		if !has(base.SeccompAllow, a.Value) {
			t.wider(a.From, a.Value, "it allows the system call "+a.Value)
		}
	}
	slices.SortStableFunc(t.errs, func(a, b Error) int { return (a.Line-b.Line)*1_000_000 + a.Col - b.Col })
	return t.errs.orNil()
}

type tightener struct {
	base  *sandbox.Spec
	layer *Layer
	errs  Errors
}

func (t *tightener) wider(from sandbox.Origin, word, what string) {
	t.errs = append(t.errs, t.layer.locate(from.Line, word, "a project's file may only tighten: "+what, "a profile of yours, or a flag, may do that"))
}

// word judges a single value by the key's rule.
func (t *tightener) word(k *key, v sandbox.Setting[string], before string) {
	switch {
	case !v.IsSet || v.Value == before || k.project == free:
	case k.project == tighter && slices.Index(k.words, v.Value) < slices.Index(k.words, before):
	default:
		what := k.name + " = " + quote(v.Value)
		if before != "" {
			what += ", where it is " + quote(before)
		}
		t.wider(v.From, v.Value, what)
	}
}
