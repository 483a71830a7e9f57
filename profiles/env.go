package profiles

import (
	"fmt"
	"slices"
	"strings"

	"cove/sandbox"
)

func readEnv(p *parser, k *key, v any, n *node) {
	do := sandbox.EnvPass
	if k.name == "env.drop" {
		do = sandbox.EnvDrop
	}
	p.texts(k, v, n, func(s string, n *node) {
		if why, hint := checkVariable(s); why != "" {
			p.fail(n, fmt.Sprintf("cannot %s the variable %s: %s", do, quote(s), why), hint)
			return
		}
		if strings.Contains(strings.TrimSuffix(strings.TrimPrefix(s, "*"), "*"), "*") || len(s) > 1 && s[0] == '*' && s[len(s)-1] == '*' {
			p.fail(n, fmt.Sprintf("cannot %s the variables %s: one * may stand at the beginning or at the end", do, quote(s)), `as "LC_*" or "*_TOKEN"`)
			return
		}
		p.layer.Spec.Env = append(p.layer.Spec.Env, sandbox.EnvRule{Name: s, Do: do, From: p.origin(n)})
	})
}

func readEnvSet(p *parser, k *key, v any, n *node) {
	vars, ok := v.(map[string]any)
	if !ok {
		p.wrongType(k, v, n)
		return
	}
	for _, name := range namesOf(vars, n) {
		at := n
		if n != nil {
			at = n.kid(name)
		}
		value, isText := vars[name].(string)
		why, hint := checkVariable(name)
		switch {
		case why == "" && strings.Contains(name, "*"):
			why = "patterns cannot be set"
			fallthrough
		case why != "":
			p.fail(at, fmt.Sprintf("cannot set the variable %s: %s", quote(name), why), hint)
		case !isText:
			p.fail(at, fmt.Sprintf("the variable %s must be a string, not %s", quote(name), typeName(vars[name])), "in quotes")
		case strings.ContainsRune(value, 0):
			p.fail(at, fmt.Sprintf("cannot set the variable %s: its value holds a zero byte", quote(name)), "")
		default:
			p.layer.Spec.Env = append(p.layer.Spec.Env, sandbox.EnvRule{Name: name, Do: sandbox.EnvSet, Value: value, From: p.origin(at)})
		}
	}
}

// namesOf are the keys of a table in the order in which they are written.
func namesOf(table map[string]any, n *node) (names []string) {
	if n != nil {
		for _, kid := range n.kids {
			names = append(names, kid.name)
		}
		return names
	}
	for name := range table {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func checkVariable(s string) (why, hint string) {
	switch {
	case s == "":
		return "it has no name", ""
	case strings.HasPrefix(s, "$"):
		return "its name begins with $", "did you mean " + quote(strings.Trim(s, "${}")) + "?"
	case strings.Contains(s, "="):
		return "there is a = in its name", "to give it a value, use env.set"
	case strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r == 0x7f }):
		return "there is a space or a control character in its name", ""
	}
	return "", ""
}

func isPattern(name string) bool { return strings.Contains(name, "*") }

// fits tells whether a variable, or a pattern taken as one, fits a pattern.
func fits(pattern, name string) bool {
	switch {
	case strings.HasPrefix(pattern, "*"):
		return strings.HasSuffix(name, pattern[1:])
	case strings.HasSuffix(pattern, "*"):
		return strings.HasPrefix(name, pattern[:len(pattern)-1])
	}
	return pattern == name
}

// envRank orders rules, since the last that matches a variable wins: a drop pattern beats a pass pattern, an exact
// name beats both. So *_TOKEN stays out although somebody passes everything, until somebody names it.
func envRank(r sandbox.EnvRule) int {
	switch pattern := isPattern(r.Name); {
	case pattern && r.Do == sandbox.EnvPass:
		return 0
	case pattern:
		return 1
	case r.Do != sandbox.EnvSet:
		return 2
	}
	return 3
}

// envOrder puts the rules of one layer in order.
func envOrder(rules []sandbox.EnvRule) []sandbox.EnvRule {
	slices.SortStableFunc(rules, func(a, b sandbox.EnvRule) int { return envRank(a) - envRank(b) })
	return rules
}

// mergeEnv adds the rules of a later layer, and takes away those that they overrule:
//
//	later            overrules
//	pass PATTERN     drop of the same pattern
//	drop PATTERN     pass of the same pattern, and pass and set of names that fit it
//	pass NAME        drop and set of the name
//	drop NAME        pass and set of the name
//	set NAME         all about the name
//
// So the result is in the order of envOrder again, and could have been written in one file.
func mergeEnv(rules, later []sandbox.EnvRule) []sandbox.EnvRule {
	if len(rules) > 0 && len(later) > 0 {
		rules = slices.DeleteFunc(rules, func(old sandbox.EnvRule) bool {
			return slices.ContainsFunc(later, func(r sandbox.EnvRule) bool {
				return old.Name == r.Name || r.Do == sandbox.EnvDrop && !isPattern(old.Name) && old.Do != sandbox.EnvDrop && fits(r.Name, old.Name)
			})
		})
	}
	return envOrder(append(rules, later...))
}
