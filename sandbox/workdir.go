package sandbox

import (
	"path"
	"slices"
	"strings"

	"cove/internal/mount"
)

// workdir is the directory that the program starts in: the one that was asked for, else the caller's. Where that cannot
// be seen inside, starting anywhere else could be a disaster (rm -r *), and so is an error.
func (c *compiler) workdir() error {
	if w := c.spec.Workdir; w.IsSet {
		dir := c.expand(w.Value)
		if why := c.lacks(dir); why != "" {
			return &SpecError{w.From, "cannot start in " + dir + ": " + why, ""}
		}
		c.plan.Workdir, c.plan.WorkdirFrom = dir, w.From.String()
		return nil
	}
	cwd := c.host.Files(c.host.Cwd).Real
	if c.plan.Home.Mode == HomeNone && cwd == c.host.Files(c.host.User.Home).Real {
		cwd = "/" // who is at home, and wants none, did not mean a directory
	}
	if !c.visible(cwd) {
		// /var/home/u/project, where the home is /home/u, by a bind mount.
		same, _ := c.elsewhere(cwd)
		if i := slices.IndexFunc(same, c.visible); i >= 0 {
			c.plan.Workdir = same[i]
			return nil
		}
		empty := func(p *place) bool { return p.op.Target == cwd && p.op.Type == "tmpfs" }
		return &UnseenError{Dir: c.host.Cwd, Hidden: c.isHidden(cwd), Empty: slices.ContainsFunc(c.places, empty)}
	}
	c.plan.Workdir = cwd
	return nil
}

func (c *compiler) isHidden(dir string) bool {
	return slices.ContainsFunc(c.hidden, func(h string) bool { return below(dir, h) })
}

// visible tells whether a directory of the host is at the same path inside, and is the same.
func (c *compiler) visible(dir string) bool {
	if c.isHidden(dir) {
		return slices.ContainsFunc(c.places, func(p *place) bool { return p.op.Source == dir && p.op.Target == dir })
	}
	if c.host.Files(dir).Kind != Directory {
		return false
	}
	p := c.deepest(dir)
	if p == nil {
		return false
	}
	t := p.op.Target
	same := p.op.Source == t || p.region == regionCow || path.Join(p.op.Source, strings.TrimPrefix(dir, t)) == dir
	return same && (p.region == regionReadOnly || p.region == regionWritable || p.region == regionCow) || dir == t && (t == "/" || t == c.plan.Home.Path)
}

// deepest is the mount that dir lies in, inside.
func (c *compiler) deepest(dir string) (found *place) {
	for _, p := range c.places {
		if t := p.op.Target; p.region != regionMask && below(dir, t) && (found == nil || len(t) >= len(found.op.Target)) {
			found = p
		}
	}
	return found
}

// lacks tells why a directory is surely not there inside, or "" where it is, or may be: an earlier run may have made it
// in the box, and links are followed only inside.
func (c *compiler) lacks(dir string) (why string) {
	const none = "there is no such directory inside"
	for _, l := range c.links {
		if below(dir, l.Target) {
			return ""
		}
	}
	p := c.deepest(dir)
	switch {
	case p == nil:
		return none
	case p.op.Do == mount.BindTo:
		f := c.host.Files(path.Join(p.op.Source, strings.TrimPrefix(dir, p.op.Target)))
		switch {
		case len(f.Links) > 0:
		case f.Kind == Missing || c.isHidden(f.Real):
			return none
		case f.Kind != Directory:
			return "it is no directory"
		}
	case p.region == regionOwn && p.op.Do == mount.Mount && p.op.Type == "tmpfs":
		if !slices.ContainsFunc(c.places, func(q *place) bool { return q.region != regionMask && below(q.op.Target, dir) }) {
			return none
		}
	}
	return ""
}
