package sandbox

import (
	"path"
	"slices"
	"strings"

	"cove/internal/mount"
)

// Elsewhere lists where else the host shows what is at p, because a file system is mounted more than once: bind
// mounts, subvolumes of a volume that is mounted as a whole too. Whole are paths at which all of p is; parts are mount
// points that show something in p.
//
// What hides p must hide those. Covered mounts may be among them. What is the same file by the work of another file
// system (bindfs, an overlay, NFS from this very machine) is not known here.
func Elsewhere(mounts []MountPoint, p string) (whole, parts []string) {
	at := -1 // the mount that p lies in; of two at one place the later one is on top
	for i := range mounts {
		if below(p, mounts[i].Path) && (at < 0 || len(mounts[i].Path) >= len(mounts[at].Path)) {
			at = i
		}
	}
	if at < 0 || mounts[at].Device == "" {
		return nil, nil
	}
	in := path.Join(mounts[at].Root, strings.TrimPrefix(p, mounts[at].Path)) // in that file system
	for i := range mounts {
		m := &mounts[i]
		if m.Device != mounts[at].Device || i == at {
			continue
		}
		switch {
		case below(in, m.Root):
			if q := path.Join(m.Path, strings.TrimPrefix(in, m.Root)); q != p {
				whole = append(whole, q)
			}
		case below(m.Root, in):
			parts = append(parts, m.Path)
		}
	}
	return whole, parts
}

// elsewhere is Elsewhere on this host. It is asked for hundreds of paths in the home, and on most hosts the home as a
// whole is nowhere else: then one look at the mounts has answered for all of them.
func (c *compiler) elsewhere(p string) (whole, parts []string) {
	if below(p, c.homeDir) {
		if !c.homeAsked {
			c.homeAsked = true
			whole, parts = Elsewhere(c.host.Mounts, c.homeDir)
			c.homeOnce = len(whole)+len(parts)+len(c.mountsBelow(c.homeDir)) == 0
		}
		if c.homeOnce {
			return nil, nil
		}
	}
	return Elsewhere(c.host.Mounts, p)
}

// homeElsewhere hides the home, and those of others, at other places of the host than the home's own; and at that too
// where there shall be none. What is granted there, or in it, is shown.
func (c *compiler) homeElsewhere() error {
	hide := func(q, why string) {
		if c.host.Files(q).Kind != Directory {
			return
		}
		c.hidden = append(c.hidden, q)
		for _, target := range c.shownAt(q) {
			granted := func(p *place) bool { return p.op.Target == target && p.op.From != "" }
			if !slices.ContainsFunc(c.places, granted) {
				c.add(place{op: mount.Op{Do: mount.Mask, Type: typeDir, Target: target, Why: why}, region: regionMask})
			}
		}
	}
	if c.plan.Home.Mode == HomeNone {
		hide(c.homeDir, "no home")
	}
	what, why := c.homeDir, "your home, at another place of this host"
	if up := path.Dir(what); path.Base(up) == "home" {
		what, why = up, "homes, at another place of this host"
	}
	whole, _ := c.elsewhere(what)
	for _, q := range whole {
		hide(q, why)
	}
	return nil
}

// shownAt is q, and where binds to other places would show it.
func (c *compiler) shownAt(q string) []string {
	at := []string{q}
	for _, p := range c.places {
		if p.op.Do == mount.BindTo && p.op.Source != p.op.Target && q != p.op.Source && below(q, p.op.Source) {
			at = append(at, path.Join(p.op.Target, strings.TrimPrefix(q, p.op.Source)))
		}
	}
	return at
}

// isOrHolds tells whether what is at p, here or elsewhere on the host, is dir or holds it.
func (c *compiler) isOrHolds(p, dir string) bool {
	if below(dir, p) {
		return true
	}
	whole, _ := c.elsewhere(dir)
	return slices.ContainsFunc(whole, func(q string) bool { return below(q, p) })
}

// isIn tells whether p, here or elsewhere on the host, is dir or in it.
func (c *compiler) isIn(p, dir string) bool {
	if below(p, dir) {
		return true
	}
	whole, parts := c.elsewhere(dir)
	return slices.ContainsFunc(slices.Concat(whole, parts), func(q string) bool { return below(p, q) })
}
