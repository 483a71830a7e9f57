package sandbox

import (
	"fmt"
	"path"
	"strings"

	"cove/internal/mount"
)

// home decides what the home directory is inside.
func (c *compiler) home() error {
	s := c.spec.Home
	h := HomePlan{Mode: s.Or(HomeCow), Path: c.host.User.Home, From: s.From.String(), RootCow: c.plan.Home.RootCow}
	defer func() { c.plan.Home = h }()
	f := c.host.Files(c.host.User.Home)
	if f.Kind == Missing {
		f.Real, f.Links = path.Clean(c.host.User.Home), nil
	}
	c.homeDir = f.Real
	if up := path.Dir(f.Real); path.Base(up) == "home" && up != "/home" && c.host.Files(up).Kind == Directory {
		// /var/home (ostree) and /usr/home are in what every program sees; other people's homes are not.
		c.place(mount.New("tmpfs", up, "nosuid", "nodev", "mode=755").Because("other homes do not exist"), regionOwn)
	}
	if h.Mode == HomeNone {
		return nil
	}
	if f.Kind != Directory && (h.Mode != HomeTmpfs || f.Kind != Missing) {
		return &UnsupportedError{fmt.Sprintf("cannot find your home directory %s", c.host.User.Home), "set HOME, or use --home none or --home tmpfs"}
	}
	if f.Real == "/" {
		return &UnsupportedError{"cannot use / as a home directory", "set HOME, or use --home none"}
	}
	c.real = f.Real
	for _, l := range f.Links {
		c.links = append(c.links, mount.Link(l.Text, l.Path).Because("the way to your home on this host"))
	}
	h.Path = f.Real
	switch h.Mode {
	case HomeTmpfs:
		c.place(mount.New("tmpfs", f.Real, "nosuid", "nodev", "mode=700").By(h.From).Because("an empty home that vanishes"), regionOwn)
	case HomeShare:
		c.placeBind(mount.Bind(f.Real, f.Real).With("nosuid", "nodev").By(h.From).Because("your real home: changes are not undone"), f, regionWritable)
		c.note("the program works in your real home; nothing can be reviewed or undone", "")
	case HomeCow:
		if err := c.copyOnWrite(&h, f); err != nil {
			return err
		}
	}
	return nil
}

// copyOnWrite chooses who keeps the copy: the kernel, or fuse-overlayfs where the kernel cannot.
func (c *compiler) copyOnWrite(h *HomePlan, home File) error {
	feature, wish := c.host.Features, c.spec.Overlay.Or(OverlayAuto)
	kernel := feature.KernelOverlay
	if below := c.mountsBelow(home.Real); len(below) > 0 {
		// Mounts that a user namespace inherits are locked together, and the kernel refuses such a tree as a
		// layer: "failed to clone lowerpath" (bubblewrap #680).
		kernel = No("the kernel cannot put an overlay over " + strings.Join(below, ", ") + ", mounted below your home")
	}
	switch {
	case wish != OverlayFuse && kernel.OK:
		h.Backend = OverlayKernel
	case wish != OverlayKernel && feature.FuseOverlay.OK:
		h.Backend = OverlayFuse
		if wish == OverlayAuto {
			h.Why = kernel.Reason
			c.note("your home is copied on write by fuse-overlayfs, which is slow for many small files: "+kernel.Reason, "")
		}
	case wish == OverlayKernel:
		return lack("cannot make a copy-on-write home: "+kernel.Reason, "leave out the overlay setting, or use --home tmpfs with --rw DIR")
	case wish == OverlayFuse:
		return lack("cannot make a copy-on-write home: "+feature.FuseOverlay.Reason, "leave out the overlay setting, or use --home tmpfs with --rw DIR")
	default:
		return lack("cannot make a copy-on-write home: "+kernel.Reason+"; and "+feature.FuseOverlay.Reason,
			"install fuse-overlayfs, or use --home tmpfs with --rw DIR")
	}
	c.cow = &mount.Layers{Backend: h.Backend, Lower: []string{home.Real}, Upper: c.box("upper"), Work: c.box("work"),
		Volatile: c.spec.Drop && h.Backend == OverlayKernel}
	for _, b := range c.host.Bases {
		c.cow.Base = append(c.cow.Base, c.boxOf(b, "upper"))
	}
	if c.cow.Nested = len(c.cow.Base) > 0 && h.Backend == OverlayKernel && below(c.box("upper"), home.Real); c.cow.Nested && c.fileSystemOf(home.Real) == "overlay" {
		return &UnsupportedError{"cannot put the box " + c.spec.Box + " on top of the box " + c.host.Bases[0] + ": your home is on an overlay already, and the kernel stacks no more than two",
			"set XDG_DATA_HOME to a directory that is not in your home, before the boxes are made"}
	}
	op := mount.Op{Do: mount.Overlay, Target: home.Real, Options: plainTmpfs, Layers: c.cow, From: h.From, Why: "a copy on write: your real home stays as it is"}
	if h.Backend == OverlayFuse {
		// The stage mounts FUSE and hands /dev/fuse out; fuse-overlayfs serves it from outside. It leaves it to the kernel
		// who may what, as when it mounts itself: what it says to access(2) and chdir(2) goes by the bits of others.
		op = mount.Op{Do: mount.Mount, Type: "fuse", Target: home.Real, Layers: c.cow, From: h.From, Why: op.Why,
			Options: []string{"nosuid", "nodev", "default_permissions", fmt.Sprintf("user_id=%d", c.plan.IDs.UID), fmt.Sprintf("group_id=%d", c.plan.IDs.GID)}}
	}
	c.place(op, regionCow)
	return nil
}

// mountsBelow lists the mount points strictly below dir.
func (c *compiler) mountsBelow(dir string) (points []string) {
	for _, m := range c.host.Mounts {
		if m.Path != dir && below(m.Path, dir) {
			points = append(points, m.Path)
		}
	}
	return points
}

// fileSystemOf is the type of what is mounted where a path lies.
func (c *compiler) fileSystemOf(p string) (fs string) {
	longest := -1
	for _, m := range c.host.Mounts {
		if below(p, m.Path) && len(m.Path) >= longest { // of two at one place, the last is on top
			fs, longest = m.Type, len(m.Path)
		}
	}
	return fs
}

// below tells whether p is dir or in it.
func below(p, dir string) bool {
	n := len(dir)
	return p == dir || dir == "/" && p != "" && p[0] == '/' || len(p) > n && n > 0 && p[n] == '/' && p[:n] == dir
}

// Foreign says, in words for people, which entries of the home have an owner that is not mapped: copying them up
// fails with EOVERFLOW.
func Foreign(names []string) Note {
	return Note{fmt.Sprintf("these belong to another user or group, so nothing in them can be changed inside (\"Value too large for defined data type\"): ~/%s",
		strings.Join(names, ", ~/")), "chgrp them to your own group, or grant them with --rw"}
}
