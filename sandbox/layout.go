package sandbox

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"cove/internal/escape"
	"cove/internal/mount"
)

// A region is a part of the new root, by who owns what is in it.
type region int

const (
	regionOwn      region = iota // a tmpfs of ours: directories and links can be made
	regionKernel                 // /proc, devices: nothing can be made
	regionReadOnly               // a directory of the host, read-only
	regionWritable               // a directory of the host, written through
	regionCow                    // the copy-on-write home
	regionMask                   // hidden
)

const (
	typeDir  = "dir"
	typeFile = "file"
)

// A place is one op on its way into the plan.
type place struct {
	op      mount.Op
	region  region
	file    bool // the target must be a file
	missing bool // a Mask of what does not exist
	own     bool // a Mask of cove's own state
	depth   int  // of op.Target
	done    bool // it was in its turn, or a later place took its target
}

func (c *compiler) place(op mount.Op, r region) { c.add(place{op: op, region: r}) }

func (c *compiler) placeBind(op mount.Op, source File, r region) {
	c.add(place{op: op, region: r, file: source.Kind != Directory})
}

func (c *compiler) add(p place) {
	p.depth = depth(p.op.Target)
	c.places = append(c.places, &p)
}

// layout puts the places in order, parents before what lies in them, and makes sure that there is something to
// mount on: a directory or file made in a tmpfs of ours, or in the layer before a copy-on-write home, or one
// that the host already has. It never makes anything on the host.
func (c *compiler) layout() error {
	slices.SortStableFunc(c.places, func(a, b *place) int { return a.depth - b.depth })
	c.supersede()
	l := &layouter{compiler: c, made: map[string]bool{"/": true}, hides: map[string]bool{}, pinned: map[string]bool{}}

	// The host's tree is let go as soon as the new root is there, or with mount(2) alone, at the end.
	pivot := mount.Op{Do: mount.Pivot, Why: "from here on, nothing of the host's tree can be reached"}
	classic := !c.host.Features.NewMountAPI.OK || !c.host.Features.MountSetattr.OK
	c.plan.Classic = classic

	for i, p := range c.places {
		if p.done {
			continue
		}
		p.done = true
		steps := len(c.plan.Ops)
		if err := l.put(*p); err != nil {
			return err
		}
		if i == 0 && !classic {
			l.emit(pivot)
		}
		if len(c.plan.Ops) > steps {
			l.putLinks(c.places[i+1:])
		}
	}
	c.mounts = l.mounts
	for _, op := range l.seal {
		l.emit(op)
	}
	if l.isMount("/dev") {
		l.emit(mount.Op{Do: mount.Seal, Target: "/dev", Why: "no device can be added"})
	}
	if !c.plan.Home.RootCow {
		l.emit(mount.Op{Do: mount.Seal, Target: "/", Why: "nothing can be added to the root"})
	}
	if classic {
		l.emit(pivot)
	}
	c.front()
	return nil
}

// front puts the layer before a copy-on-write home together. For fuse-overlayfs, which runs outside, it is a
// directory of the box; the kernel refuses one that lies in the home, so for it the stage makes one in memory.
func (c *compiler) front() {
	if c.plan.Home.Front.Empty() {
		return
	}
	c.cow.Front = c.plan.Home.Front.Entries(func(rel string) (uint32, int64, bool) {
		p := path.Join(c.real, rel)
		have := c.host.Files(p)
		return have.Mode, have.MTime, have.Kind == Directory && have.Real == p
	})
	if c.cow.Backend == OverlayFuse {
		c.cow.Lower = slices.Concat(c.cow.Base, []string{c.box("front")}, c.cow.Lower)
		c.cow.Base = nil
	}
}

func depth(p string) int {
	if p == "/" {
		return 0
	}
	return strings.Count(p, "/")
}

// supersede takes out every place whose target a later one has: the later wish wins.
func (c *compiler) supersede() {
	taken := make(map[string]bool, len(c.places))
	for _, p := range slices.Backward(c.places) {
		if p.op.Do == mount.Protect {
			continue
		}
		p.done = taken[p.op.Target]
		taken[p.op.Target] = taken[p.op.Target] || !p.missing
	}
}

type layouter struct {
	*compiler
	mounts []place         // those that are in their places
	made   map[string]bool // directories, files and links that we made
	hides  map[string]bool // those of Home.Front.Hide
	pinned map[string]bool // directories that were pinned
	linked []int           // indexes into c.links: those that are in their places
	seal   []mount.Op
}

func (l *layouter) emit(op mount.Op) { l.plan.Ops = append(l.plan.Ops, op) }

// in finds the mount that target lies in.
func (l *layouter) in(target string) (p place, rest string) {
	for i := len(l.mounts) - 1; i >= 0; i-- { // those that lie deeper come later
		if m := &l.mounts[i]; below(target, m.op.Target) {
			return *m, strings.TrimPrefix(strings.TrimPrefix(target, strings.TrimSuffix(m.op.Target, "/")), "/")
		}
	}
	return p, rest
}

// put adds one place.
func (l *layouter) put(p place) error {
	target := l.follow(p.op.Target)
	p.op.Target = target
	if target == "/" {
		l.mounts = append(l.mounts, p)
		l.emit(p.op)
		return nil
	}
	parent, rest := l.in(target)
	switch {
	case p.region == regionMask:
		return l.mask(p, parent, rest)
	case p.op.Do == mount.Protect:
		l.emit(p.op)
		return nil
	case p.op.Do == mount.BindTo && l.already(p, parent, rest):
		return nil
	}
	if err := l.point(p, parent, rest); err != nil {
		return err
	}
	if p.region != regionWritable {
		if err := l.pin(p, parent); err != nil {
			return err
		}
	}
	l.mounts = append(l.mounts, p)
	l.emit(p.op)
	return nil
}

// already tells whether a bind would show what is there anyway.
func (l *layouter) already(p, parent place, rest string) bool {
	return parent.op.Do == mount.BindTo && parent.region == p.region && path.Join(parent.op.Source, rest) == p.op.Source &&
		slices.Equal(parent.op.Options, p.op.Options)
}

// follow resolves the links of ours in target: /bin/x is /usr/bin/x where /bin is a link.
func (l *layouter) follow(target string) string {
	for range 40 {
		// The first on the way, which is the shortest; there is at most one of each length.
		var first *mount.Op
		for _, i := range l.linked {
			if op := &l.links[i]; op.Target != target && below(target, op.Target) && (first == nil || len(op.Target) < len(first.Target)) {
				first = op
			}
		}
		if first == nil {
			break
		}
		text := first.Source
		if !path.IsAbs(text) {
			text = path.Join(path.Dir(first.Target), text)
		}
		target = path.Join(text, strings.TrimPrefix(target, first.Target))
	}
	return target
}

// point sees to it that there is something to mount on.
func (l *layouter) point(p, parent place, rest string) error {
	target := p.op.Target
	switch parent.region {
	case regionOwn:
		l.make(target, p.file, p.op.From)
	case regionCow:
		have := l.host.Files(path.Join(l.real, rest))
		if have.Kind == Missing || l.frontHides(rest) {
			if p.file {
				l.plan.Home.Front.Files = append(l.plan.Home.Front.Files, rest)
			} else {
				l.plan.Home.Front.Dirs = append(l.plan.Home.Front.Dirs, rest)
			}
			return nil
		}
		return l.onto(p, have, path.Join(l.real, rest))
	case regionReadOnly, regionWritable:
		host := path.Join(parent.op.Source, rest)
		have := l.host.Files(host)
		if have.Kind == Missing {
			hint := "make it first, or choose another place: SRC:DST"
			if root := l.spec.Root; root.IsSet && below(host, l.host.Files(l.expand(root.Value)).Real) {
				hint = "mkdir -p " + escape.Word(host) + "; or --root-cow, with which it is made in the box"
				if p.file {
					hint = "make that file; or --root-cow, with which it is made in the box"
				}
			}
			return &SpecError{l.origin(p), fmt.Sprintf("cannot show anything at %s: it does not exist in %s, and cove makes nothing on the host", target, parent.op.Source), hint}
		}
		return l.onto(p, have, host)
	case regionMask:
		return &SpecError{l.origin(p), fmt.Sprintf("cannot show anything at %s: %s is hidden", target, parent.op.Target), ""}
	}
	return nil
}

// onto checks that what is at host can be mounted on.
func (l *layouter) onto(p place, have File, host string) error {
	if have.Real != path.Clean(host) {
		return &SpecError{l.origin(p), fmt.Sprintf("cannot show anything at %s: a symbolic link leads there from %s", p.op.Target, host), "name the place without links: " + have.Real}
	}
	if (have.Kind == Directory) == p.file {
		return &SpecError{l.origin(p), fmt.Sprintf("cannot show %s at %s: one is a directory, the other is not", p.op.Source, p.op.Target), ""}
	}
	return nil
}

// origin is where the place was asked for, for errors.
func (l *layouter) origin(p place) Origin { return Origin{Name: p.op.From} }

// make adds the op that makes target in a tmpfs of ours.
func (l *layouter) make(target string, file bool, from string) {
	if l.made[target] || l.isMount(target) {
		return
	}
	dir := target
	if file {
		dir = path.Dir(target)
	}
	if !l.made[dir] && !l.isMount(dir) {
		l.emit(mount.Dir(dir).By(from))
	}
	for d := dir; d != "/"; d = path.Dir(d) {
		l.made[d] = true
	}
	if file {
		l.made[target] = true
		l.emit(mount.Op{Do: mount.File, Target: target, From: from})
	}
}

func (l *layouter) isMount(p string) bool {
	return slices.ContainsFunc(l.mounts, func(m place) bool { return m.op.Target == p })
}

func (l *layouter) isLink(p string) bool {
	return slices.ContainsFunc(l.linked, func(i int) bool { return l.links[i].Target == p })
}

// mask hides what is in sight.
func (l *layouter) mask(p, parent place, rest string) error {
	switch parent.region {
	case regionOwn, regionMask:
		return nil // nothing is there
	case regionKernel:
		l.emit(p.op)
		return nil
	case regionCow:
		if l.frontHides(rest) {
			return nil
		}
		if p.missing || p.op.Type != typeDir || !l.hasInside(p.op.Target) {
			l.plan.Home.Front.Hide = append(l.plan.Home.Front.Hide, rest)
			l.plan.Home.hides(p, rest)
			l.hides[rest] = true
			return nil
		}
	}
	if p.missing {
		return nil
	}
	if err := l.pin(p, parent); err != nil {
		return err
	}
	if l.hasInside(p.op.Target) {
		// Something below it is granted: an empty directory of ours, which has room for the mount point.
		op := mount.New("tmpfs", p.op.Target, "nosuid", "nodev", "mode=755").By(p.op.From).Because(p.op.Why)
		l.mounts = append(l.mounts, place{op: op, region: regionOwn})
		l.emit(op)
		l.seal = append(l.seal, mount.Op{Do: mount.Seal, Target: op.Target})
		return nil
	}
	l.mounts = append(l.mounts, p)
	l.emit(p.op)
	return nil
}

// pin holds what covers a part of a writable directory of the host in its place: the directories on the way to it
// could be moved away from over it, and others be put there.
func (l *layouter) pin(p, parent place) error {
	if parent.region != regionWritable {
		return nil
	}
	if l.spec.Nesting.Value {
		// In a mount namespace of its own it could let go of its copy of the mount, and then rename(2) what was
		// under it: the kernel holds only what is a mount point for the caller (is_local_mountpoint).
		return &SpecError{l.spec.Nesting.From, fmt.Sprintf("cannot let the program make sandboxes of its own: in one, it could move away what covers %s", p.op.Target),
			"leave out nesting, or the writable grant (or --home share) that it lies in"}
	}
	for _, d := range pins(parent.op.Target, p.op.Target) {
		if !l.pinned[d] {
			l.pinned[d] = true
			l.emit(mount.Op{Do: mount.Pin, Target: d, Why: "so that it cannot be moved away from over what is covered in it"})
		}
	}
	return nil
}

// frontHides tells whether the layer before the home hides rest.
func (l *layouter) frontHides(rest string) bool {
	for end := len(rest); end > 0; end = strings.LastIndexByte(rest[:end], '/') {
		if l.hides[rest[:end]] {
			return true
		}
	}
	return false
}

// hasInside tells whether any grant lies below p.
func (l *layouter) hasInside(p string) bool {
	return slices.ContainsFunc(l.places, func(q *place) bool {
		return q.region != regionMask && q.op.Target != p && below(q.op.Target, p)
	})
}

// putLinks adds the links that have a place by now, as soon as they have one: later targets may lead through them.
func (l *layouter) putLinks(later []*place) {
	for i, op := range l.links {
		if l.made[op.Target] || l.isMount(op.Target) || l.isLink(op.Target) {
			continue
		}
		covers := func(p *place) bool { return p.region != regionMask && below(op.Target, p.op.Target) }
		if parent, _ := l.in(op.Target); parent.region != regionOwn || slices.ContainsFunc(later, covers) {
			continue // what is shown there has it already; or will be mounted first
		}
		l.make(path.Dir(op.Target), false, op.From)
		l.linked = append(l.linked, i)
		l.emit(op)
	}
}
