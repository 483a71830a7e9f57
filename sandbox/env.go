package sandbox

import (
	"fmt"
	"slices"
	"strings"
)

// environment applies the rules, in order, to every variable of the host: the last that matches wins, and what
// none lets through stays outside. Then come the variables that describe the sandbox.
func (c *compiler) environment() error {
	vars := map[string]EnvVar{}
	for name, value := range c.host.Env {
		for _, r := range c.spec.Env {
			if r.Do == EnvSet || !matches(r.Name, name) {
				continue
			}
			delete(vars, name)
			if r.Do == EnvPass {
				vars[name] = EnvVar{name, value, r.From.String()}
			}
		}
	}
	set := func(name, value, from string) { vars[name] = EnvVar{name, value, from} }
	switch {
	case c.plan.Home.Mode == HomeNone:
		set("HOME", "/nonexistent", "cove")
	default:
		set("HOME", c.host.User.Home, "cove")
	}
	if vars["PATH"].Value == "" {
		set("PATH", "/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin", "cove")
	}
	set("XDG_RUNTIME_DIR", c.runtimeDir(), "cove")
	if c.spec.Box != "" {
		set("COVE_BOX", c.spec.Box, "cove")
	}
	delete(vars, "TMPDIR") // the host's may not exist inside; /tmp does
	for _, r := range c.spec.Env {
		switch {
		case r.Do == EnvSet:
			set(r.Name, r.Value, r.From.String())
		case r.Do == EnvPass && r.Name == "TMPDIR" && c.host.Env["TMPDIR"] != "":
			set("TMPDIR", c.host.Env["TMPDIR"], r.From.String())
		}
	}
	for _, v := range vars {
		if v.Name == "" || strings.ContainsAny(v.Name, "=\x00") || strings.Contains(v.Value, "\x00") {
			return &SpecError{Origin{Name: v.From}, fmt.Sprintf("cannot set the environment variable %q: it holds = or a zero byte", v.Name), ""}
		}
		c.plan.Env = append(c.plan.Env, v)
	}
	slices.SortFunc(c.plan.Env, func(a, b EnvVar) int { return strings.Compare(a.Name, b.Name) })
	return nil
}

// matches tells whether a variable's name fits a pattern with at most one leading and one trailing '*'.
func matches(pattern, name string) bool {
	head, tail := strings.HasPrefix(pattern, "*"), strings.HasSuffix(pattern, "*")
	word := strings.Trim(pattern, "*")
	switch {
	case head && tail:
		return strings.Contains(name, word)
	case head:
		return strings.HasSuffix(name, word)
	case tail:
		return strings.HasPrefix(name, word)
	}
	return pattern == name
}
