package sandbox

import (
	"fmt"
	"path"
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

// workdir is the directory that the program starts in: the caller's, where it can be seen inside.
func (c *compiler) workdir() error {
	if w := c.spec.Workdir; w.IsSet {
		c.plan.Workdir = c.expand(w.Value)
		return nil
	}
	home := c.plan.Home.Path
	if c.plan.Home.Mode == HomeNone {
		home = "/"
	}
	cwd := c.host.Files(c.host.Cwd).Real
	if c.visible(cwd) {
		c.plan.Workdir = cwd
		return nil
	}
	// /var/home/u/project, where the home is /home/u, by a bind mount.
	same, _ := c.elsewhere(cwd)
	if i := slices.IndexFunc(same, c.visible); i >= 0 {
		c.plan.Workdir = same[i]
		return nil
	}
	c.plan.Workdir = home
	c.note(fmt.Sprintf("%s cannot be seen inside: the program starts in %s", c.host.Cwd, home), "let it in with --rw . or --ro .")
	return nil
}

// visible tells whether a directory of the host is at the same path inside, and is the same.
func (c *compiler) visible(dir string) bool {
	if slices.ContainsFunc(c.hidden, func(h string) bool { return below(dir, h) }) {
		return slices.ContainsFunc(c.places, func(p *place) bool { return p.op.Source == dir && p.op.Target == dir })
	}
	if c.host.Files(dir).Kind != Directory {
		return false
	}
	best, shown := "", false
	for _, p := range c.places {
		if t := p.op.Target; p.region != regionMask && below(dir, t) && len(t) >= len(best) {
			best = t
			same := p.op.Source == t || p.region == regionCow || path.Join(p.op.Source, strings.TrimPrefix(dir, t)) == dir
			shown = same && (p.region == regionReadOnly || p.region == regionWritable || p.region == regionCow) || dir == t && (t == "/" || t == c.plan.Home.Path)
		}
	}
	return shown
}
