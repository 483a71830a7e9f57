package profiles

import "cove/sandbox"

// Values is a merged Spec under the names of a profile's keys, for JSON: tables of keys, each with
//
//	{"value": "cow", "from": {"name": "profile default", "line": 21}}
//
// or a list of such. What is let in has the keys of a profile's inline table instead of value; env.set is an object of
// variables. Keys that nobody set are left out.
func Values(s sandbox.Spec) map[string]map[string]any {
	all := map[string]map[string]any{}
	put := func(k *key, v any) {
		table, leaf := k.in()
		if all[table] == nil {
			all[table] = map[string]any{}
		}
		all[table][leaf] = v
	}
	type origin = sandbox.Origin
	one := func(v any, from origin) map[string]any { return map[string]any{"value": v, "from": from} }
	for i := range schema {
		switch k := &schema[i]; {
		case k.text != nil:
			if v := k.text(&s); v.IsSet {
				put(k, one(v.Value, v.From))
			}
		case k.flag != nil:
			if v := k.flag(&s); v.IsSet {
				put(k, one(v.Value, v.From))
			}
		default:
			if v := valuesOf(k, &s, one); v != nil {
				put(k, v)
			}
		}
	}
	return all
}

// valuesOf is what a Spec holds under a key that is no single word, or nil.
func valuesOf(k *key, s *sandbox.Spec, one func(any, sandbox.Origin) map[string]any) any {
	var list []map[string]any
	variables := map[string]any{}
	names := func(settings []sandbox.Setting[string]) {
		for _, v := range settings {
			list = append(list, one(v.Value, v.From))
		}
	}
	_, leaf := k.in()
	switch k.kind {
	case &kindGrantsRO, &kindGrantsRW:
		for _, g := range s.Grants {
			if string(g.Access) != leaf {
				continue
			}
			v := map[string]any{"path": g.Source, "from": g.From}
			if g.Target != "" {
				v["target"] = g.Target
			}
			if g.Optional {
				v["optional"] = true
			}
			list = append(list, v)
		}
	case &kindMasks:
		for _, m := range s.Masks {
			list = append(list, one(m.Path, m.From))
		}
	case &kindEnvPass, &kindEnvDrop:
		for _, r := range s.Env {
			if string(r.Do) == leaf {
				list = append(list, one(r.Name, r.From))
			}
		}
	case &kindEnvSet:
		for _, r := range s.Env {
			if r.Do == sandbox.EnvSet {
				variables[r.Name] = one(r.Value, r.From)
			}
		}
	case &kindDevices:
		names(s.Devices)
	case &kindCallsAllow:
		names(s.SeccompAllow)
	case &kindCallsDeny:
		names(s.SeccompDeny)
	default:
		for _, l := range s.Limits {
			if l.Name == leaf {
				return one(l.Value, l.From)
			}
		}
	}
	switch {
	case list != nil:
		return list
	case len(variables) > 0:
		return variables
	}
	return nil
}
