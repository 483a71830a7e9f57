package profiles

import (
	"fmt"
	"slices"

	"cove/sandbox"
)

// Merge makes one Spec of layers, of which later ones win:
//
//   - of a single value, the last that was set;
//   - lists grow. What is granted or hidden at exactly the same path as before replaces that: a grant of ~/.npmrc
//     brings back what a profile before hid. A later mask also takes away what was granted below it; a later grant
//     of a directory above a mask leaves the mask;
//   - of variables, see mergeEnv; of system calls, the later of allow and deny.
//
// A Project layer is tightened into what the layers before it say, and its errors are those of Tighten. It does not
// change its layers.
func Merge(layers ...*Layer) (sandbox.Spec, error) {
	var s sandbox.Spec
	var errs Errors
	room := 0
	for _, l := range layers {
		room += len(l.Spec.Masks)
	}
	s.Masks = make([]sandbox.Mask, 0, room)
	for _, l := range layers {
		if l.Project {
			if err := Tighten(s, l); err != nil {
				errs = append(errs, err.(Errors)...)
				continue
			}
		}
		add(&s, &l.Spec, slices.Contains(builtins, l))
	}
	if s.Home.Value == sandbox.HomeNone {
		for _, g := range s.Grants {
			if inHome(inside(g)) {
				errs = append(errs, Error{File: g.From.Name, Line: g.From.Line, Msg: fmt.Sprintf("cannot let in %s: home.mode is \"none\" by %s", quote(inside(g)), s.Home.From),
					Hint: `home.mode = "tmpfs" is an empty one`})
			}
		}
	}
	return s, errs.orNil()
}

// add merges one layer's own wishes into s. Once says that no mask is in it twice.
func add(s, l *sandbox.Spec, once bool) {
	if l.Command != nil {
		s.Command = l.Command
	}
	if l.Box != "" {
		s.Box = l.Box
	}
	s.Drop = s.Drop || l.Drop

	for i := range schema {
		switch k := &schema[i]; {
		case k.text != nil:
			if v := k.text(l); v.IsSet {
				*k.text(s) = *v
			}
		case k.flag != nil:
			if v := k.flag(l); v.IsSet {
				*k.flag(s) = *v
			}
		}
	}
	addFiles(s, l, once)
	s.Env = mergeEnv(s.Env, l.Env)
	for _, limit := range l.Limits {
		s.Limits = slices.DeleteFunc(s.Limits, func(old sandbox.Limit) bool { return old.Name == limit.Name })
		s.Limits = append(s.Limits, limit)
	}
	s.Devices = addNames(s.Devices, l.Devices)
	s.SeccompAllow = addNames(without(s.SeccompAllow, l.SeccompDeny), l.SeccompAllow)
	s.SeccompDeny = addNames(without(s.SeccompDeny, l.SeccompAllow), l.SeccompDeny)
}

func addFiles(s, l *sandbox.Spec, once bool) {
	if once && len(s.Masks)+len(s.Grants)+len(l.Grants) == 0 {
		// The default profile, mostly: there is nothing that its hundreds of masks could meet.
		s.Masks = append(s.Masks, l.Masks...)
		return
	}
	hidden := make(map[string]bool, len(l.Masks))
	for _, m := range l.Masks {
		hidden[m.Path] = true
	}
	if len(s.Masks) > 0 {
		shown := make(map[string]bool, len(l.Grants))
		for _, g := range l.Grants {
			shown[inside(g)] = true
		}
		s.Masks = slices.DeleteFunc(s.Masks, func(m sandbox.Mask) bool { return hidden[m.Path] || shown[m.Path] })
	}
	s.Grants = slices.DeleteFunc(s.Grants, func(old sandbox.Grant) bool {
		return slices.ContainsFunc(l.Grants, func(g sandbox.Grant) bool { return inside(g) == inside(old) }) ||
			slices.ContainsFunc(l.Masks, func(m sandbox.Mask) bool { return within(inside(old), m.Path) })
	})
	for _, g := range l.Grants {
		s.Grants = slices.DeleteFunc(s.Grants, func(old sandbox.Grant) bool { return inside(g) == inside(old) })
		s.Grants = append(s.Grants, g)
	}
	for _, m := range l.Masks {
		if hidden[m.Path] { // once
			hidden[m.Path] = false
			s.Masks = append(s.Masks, m)
		}
	}
}

// addNames adds what is new.
func addNames(list, more []sandbox.Setting[string]) []sandbox.Setting[string] {
	for _, m := range more {
		if !has(list, m.Value) {
			list = append(list, m)
		}
	}
	return list
}

func without(list, gone []sandbox.Setting[string]) []sandbox.Setting[string] {
	return slices.DeleteFunc(list, func(v sandbox.Setting[string]) bool { return has(gone, v.Value) })
}

func has(list []sandbox.Setting[string], value string) bool {
	return slices.ContainsFunc(list, func(v sandbox.Setting[string]) bool { return v.Value == value })
}
