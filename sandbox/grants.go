package sandbox

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"cove/internal/mount"
)

// show lets a path of the host be seen where it is, with the links that lead to it. What does not exist is
// passed over.
func (c *compiler) show(p string, access Access, from, why string) {
	f := c.host.Files(p)
	for _, l := range f.Links {
		c.links = append(c.links, mount.Link(l.Text, l.Path).By(from))
	}
	if f.Kind == Missing {
		return
	}
	c.placeBind(bindFor(f.Real, f.Real, access).By(from).Because(why), f, regionOf(access))
}

func bindFor(source, target string, access Access) mount.Op {
	op := mount.Bind(source, target).With("nosuid", "nodev")
	if access == ReadOnly {
		op.Options = readOnlyBind
	}
	return op
}

func regionOf(access Access) region {
	if access == ReadOnly {
		return regionReadOnly
	}
	return regionWritable
}

// grants are the paths that the user lets in.
func (c *compiler) grants() error {
	for _, g := range c.spec.Grants {
		p := c.expand(g.Source)
		f := c.host.Files(p)
		switch {
		case f.Kind == Missing && g.Optional:
			continue
		case f.Kind == Missing:
			return &SpecError{g.From, fmt.Sprintf("cannot grant %s: no such file or directory", g.Source), "make it first, or say it is optional in a profile: {path = …, optional = true}"}
		case f.Kind == Device:
			return &SpecError{g.From, fmt.Sprintf("cannot grant %s: it is a device", g.Source), "devices are let in by [devices] allow"}
		case f.Real == "/" || below("/proc", f.Real) || below(f.Real, "/proc") || below(f.Real, "/dev"):
			return &SpecError{g.From, fmt.Sprintf("cannot grant %s", g.Source), "name the directories that the program needs"}
		}
		for _, own := range []string{c.host.Data, c.host.Config, c.host.Runtime} {
			if own != "" && c.isIn(f.Real, c.host.Files(own).Real) {
				return &SpecError{g.From, fmt.Sprintf("cannot grant %s: cove keeps its own state there", g.Source), ""}
			}
		}
		if g.Access == ReadWrite && c.real != "" && c.isOrHolds(f.Real, c.real) {
			return &SpecError{g.From, fmt.Sprintf("cannot grant %s for writing: your home is in it", g.Source), "use --home share if the program shall work in your real home"}
		}
		if g.Target == "" {
			// At its real path; links on the way there lead to it.
			for _, l := range f.Links {
				c.links = append(c.links, mount.Link(l.Text, l.Path).By(g.From.String()))
			}
			c.placeBind(bindFor(f.Real, f.Real, g.Access).By(g.From.String()).Because(whyGrant(g.Access)), f, regionOf(g.Access))
			continue
		}
		target := c.expand(g.Target)
		if target == "/" {
			return &SpecError{g.From, "cannot grant anything as /", "use --root DIR"}
		}
		c.placeBind(bindFor(f.Real, target, g.Access).By(g.From.String()).Because(whyGrant(g.Access)), f, regionOf(g.Access))
	}
	return nil
}

func whyGrant(a Access) string {
	if a == ReadWrite {
		return "writes go through to the real files"
	}
	return ""
}

// masks are the paths that the user hides.
func (c *compiler) masks() error {
	// In a home that is empty, or not there, nothing has to be hidden but in what is let in.
	nothing := (c.plan.Home.Mode == HomeTmpfs || c.plan.Home.Mode == HomeNone) && len(c.spec.Grants) == 0
	if whole, parts := c.elsewhere(c.homeDir); len(whole)+len(parts) > 0 {
		nothing = false
	}
	for _, m := range c.spec.Masks {
		switch {
		case nothing && strings.HasPrefix(m.Path, "~/"):
			continue
		case (m.From.Set == SystemSecrets || m.From.Set == SystemSockets) && c.spec.Root.IsSet:
			continue // in another root it is another file
		case m.From.Set == SystemSecrets && c.host.User.UID != 0:
			continue // closed to others anyway
		}
		f := c.host.Files(c.expand(m.Path))
		if f.Real == c.real || f.Real == "/" {
			return &SpecError{m.From, fmt.Sprintf("cannot hide %s", m.Path), "use --home none or --home tmpfs"}
		}
		c.hide(f, m.From.String(), "", false)
	}
	return nil
}

// hide makes the path of f absent, or where that cannot be, empty.
//
// In a copy-on-write home it is a whiteout in the layer before the home: really absent, and what the program makes
// there lands in the box. Elsewhere it is covered by an empty directory or file, if it is in sight at all.
func (c *compiler) hide(f File, from, why string, own bool) {
	c.hideAt(f.Real, f.Kind, from, why, own)
	if f.Kind == Missing {
		return
	}
	whole, parts := c.elsewhere(f.Real)
	for _, q := range whole {
		// What is missing there is covered by another mount. Of cove's own, which may not be there yet, the directory
		// that it will be made in tells.
		was, is := f.Real, q
		for own && c.host.Files(was).Kind == Missing {
			was, is = path.Dir(was), path.Dir(is)
		}
		if c.host.Files(is).Kind != Missing {
			c.hideAt(q, f.Kind, from, why, own)
		}
	}
	for _, q := range parts {
		if kind := c.host.Files(q).Kind; kind != Missing {
			c.hideAt(q, kind, from, why, own)
		}
	}
}

// hideAt hides what is at one path of the host, also where a grant shows it at another place.
func (c *compiler) hideAt(real string, kind Kind, from, why string, own bool) {
	c.hidden = append(c.hidden, real)
	op := mount.Op{Do: mount.Mask, Type: typeFile, From: from, Why: why}
	if kind == Directory {
		op.Type = typeDir
	}
	for _, op.Target = range c.shownAt(real) {
		c.add(place{op: op, region: regionMask, missing: kind == Missing, own: own})
	}
}

// ownState hides what cove keeps: profiles that a program could rewrite, boxes of other programs. They are hidden
// also where they do not exist yet, for a program could make them (firejail #7154).
func (c *compiler) ownState() error {
	seen := []string{}
	for _, dir := range []string{c.host.Config, c.host.Data, c.host.Runtime} {
		if dir == "" || slices.Contains(seen, dir) {
			continue
		}
		seen = append(seen, dir)
		f := c.host.Files(dir)
		f.Kind = Directory // launch makes it where a mask needs it to be there
		c.hide(f, "cove", "cove's own state stays outside", true)
		for _, l := range f.Links {
			for _, p := range c.places {
				if p.region == regionWritable && c.isOrHolds(p.op.Source, l.Path) {
					// A link cannot be held in its place, as a directory can (Pin).
					return &UnsupportedError{fmt.Sprintf("cannot let the program write to %s: a symbolic link in it, %s, leads to cove's own state, and could be replaced", p.op.Source, l.Path),
						"use --home cow, or set XDG_CONFIG_HOME and XDG_DATA_HOME to where no link leads through what is let in"}
				}
			}
		}
	}
	return nil
}

// pins are the directories between a writable grant and cove's own state in it. Each is made a mount point, so
// that the program cannot move it away and put another in its place: rename(2) of a mount point is EBUSY.
func pins(root, dir string) (between []string) {
	for d := path.Dir(dir); d != root && below(d, root); d = path.Dir(d) {
		between = append(between, d)
	}
	slices.Reverse(between)
	return between
}
