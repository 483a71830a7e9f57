package overlay

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// ApplyOptions say which changes to bring into the home, and with what caution.
type ApplyOptions struct {
	Options
	Upper int // descriptor of the box's upper directory
	Home  int // and of the home (O_PATH will do)

	HomePath   string // for the journal: undo opens it
	Box, BoxID string // likewise, to put the changes back: its name, and what tells it from another one of that name

	Select Selection
	Base   *Base // what the home was like; nil: conflicts are not looked for
	Force  bool  // also what changed underneath, or was never seen

	// Keep leaves what was applied in the box, too, where it is no change any more: for a box that lies on another, whose
	// version would show through.
	Keep bool

	// Danger tells why a change may run code later or widen access, or "". Such changes are made only if they are named
	// in Select, each for itself, or if Dangerous is set and naming it is not a must; so are setuid and setgid bits, and
	// fifos.
	Danger    func(Change) (why string, name bool)
	Dangerous bool

	// Own are paths, relative to the home, of cove's configuration: nothing at or below is changed unless a path at or
	// below is named. Never is the same for what is not to be changed at all: cove's data, in which the journal lies.
	Own, Never []string
}

// A Plan is what an apply would do.
type Plan struct {
	Made    []Made
	Refused []Refusal
	Unmet   []string // named paths at and below which nothing changed
	// Unreadable is not nil where there may be more changes, which cannot be read.
	Unreadable *UnreadableError

	opts     ApplyOptions
	ops      []*op
	amends   []*amend
	excluded map[string]bool // in directories that are added: what is not to be
	left     []string        // changes that stay in the box, in the order of Walk
}

// Empty tells whether nothing would be done.
func (pl *Plan) Empty() bool { return len(pl.ops)+len(pl.amends) == 0 }

// Paths is how many paths would change.
func (pl *Plan) Paths() (n int) {
	for _, m := range pl.Made {
		n += m.Paths
	}
	return n
}

// PlanApply compares the box with the home and says what an apply would do. It changes nothing.
func PlanApply(ctx context.Context, opts ApplyOptions) (*Plan, error) {
	p := planner{Plan: Plan{opts: opts, excluded: map[string]bool{}}, ctx: ctx, uid: uint32(os.Geteuid())}
	groups, _ := os.Getgroups()
	p.groups = append(groups, os.Getegid())
	p.masks = newMasks(opts.Hidden, opts.Mounts)
	err := Walk(ctx, opts.Upper, opts.Home, opts.Options, p.change)
	if err != nil && !errors.As(err, &p.Unreadable) {
		return nil, err
	}
	p.endTree()
	p.partBonds()
	slices.SortFunc(p.left, inWalkOrder)
	if err := p.parents(); err != nil {
		return nil, err
	}
	p.Unmet = opts.Select.unmet()
	slices.Sort(p.Unmet)
	for i, o := range p.ops {
		o.N = i
	}
	return &p.Plan, nil
}

// A planner is told of one change after the other.
type planner struct {
	Plan
	ctx    context.Context
	uid    uint32
	groups []int
	masks  masks

	tree    *op    // what we are in: a directory that the home lacks
	partial bool   // and that was not asked for itself, but something in it
	skip    string // nothing below it is looked at
	without string // what is below it needs it, and it was not asked for
}

func (p *planner) change(c Change) error {
	if p.skip != "" && under(c.Path, p.skip) {
		return nil
	}
	p.skip = ""
	if p.tree != nil && under(c.Path, p.tree.Path) {
		p.inTree(&c)
		return nil
	}
	p.endTree()
	meant := p.opts.Select.Has(c.Path)
	if meant {
		p.opts.Select.meet(c.Path)
	}
	switch {
	case p.without != "" && under(c.Path, p.without):
		if meant {
			p.refuse(&c, WithoutAbove, "needs "+strconv.Quote(p.without)+", which is something else in your home: name that")
		}
		return nil
	case !meant && !p.opts.Select.leadsTo(c.Path):
		p.leave(&c)
		return nil
	case !meant:
		p.way(&c)
		return nil
	}
	p.without = ""
	if reason, why := p.refusal(&c); reason != "" {
		p.refuse(&c, reason, why)
		return nil
	}
	return p.take(&c)
}

// way is a change of a directory on the way to something that was asked for.
func (p *planner) way(c *Change) {
	switch {
	case c.Kind == Added && c.After.Type == TypeDir:
		p.begin(c, put)
		p.tree, p.partial = p.ops[len(p.ops)-1], true
	case c.Kind == Retyped && c.After.Type == TypeDir:
		p.without = c.Path
		p.left = append(p.left, c.Path)
	case c.Kind == Deleted:
		for q := range p.opts.Select.named {
			if q != c.Path && under(q, c.Path) {
				p.opts.Select.meet(q)
				p.Refused = append(p.Refused, Refusal{q, Deleted, WithoutAbove, "is part of what was deleted with " + strconv.Quote(c.Path) + ": name that"})
			}
		}
		p.left = append(p.left, c.Path)
	default:
		p.left = append(p.left, c.Path)
	}
}

// leave leaves a change in the box.
func (p *planner) leave(c *Change) {
	p.left = append(p.left, c.Path)
	if c.After.Type == TypeDir && (c.Kind == Added || c.Kind == Retyped) {
		p.skip = c.Path
	}
}

func (p *planner) refuse(c *Change, reason Cause, why string) {
	p.Refused = append(p.Refused, Refusal{c.Path, c.Kind, reason, why})
	p.leave(c)
}

// refusal tells why a change is not made.
func (p *planner) refusal(c *Change) (Cause, string) {
	for _, q := range p.opts.Never {
		if under(c.Path, q) || under(q, c.Path) && c.Before.Type == TypeDir && !attributesOnly(*c) {
			return OwnState, "is where cove keeps its own data"
		}
	}
	for _, q := range p.opts.Own {
		if under(c.Path, q) && !p.namedIn(q) {
			return OwnState, "is cove's own configuration: name it to have it changed"
		}
		if c.Path != q && under(q, c.Path) && c.Before.Type == TypeDir && !attributesOnly(*c) && !p.opts.Select.Named(c.Path) {
			return OwnState, "holds cove's own configuration: name it to have it changed"
		}
	}
	willing := p.opts.Dangerous || p.opts.Select.Named(c.Path)
	switch c.After.Type {
	case TypeSocket, TypeDevice:
		if c.Kind != Meta {
			return SpecialFile, "is a " + string(c.After.Type) + ", which is not brought into a home"
		}
	case TypeFifo:
		if c.Kind != Meta && !willing {
			return SpecialFile, "is a fifo: name it to have it made"
		}
	}
	if c.After.Type == TypeFile && c.After.Mode&0o6000 != 0 && !willing && (c.Kind != Meta || c.Flags.Has(Setuid|Setgid)) {
		return Dangerous, "runs with the rights of its owner or group (setuid, setgid)"
	}
	if p.opts.Danger != nil && !p.opts.Select.Named(c.Path) {
		if why, name := p.opts.Danger(*c); why != "" && (name || !p.opts.Dangerous) {
			return Dangerous, why
		}
	}
	if p.opts.Force {
		return "", ""
	}
	seen := *c
	if c.Flags.Has(Hidden) {
		if c.Kind != Added || !p.opts.Select.Named(c.Path) { // then who named it knows that it is not there
			return Conflict, neverSeen
		}
		seen.Flags &^= Hidden
	}
	if p.opts.Base != nil && p.tree == nil && (c.Kind != Replaced || c.Flags.Has(DiffMode|DiffOwner|DiffXattr)) {
		if why := p.opts.Base.Conflict(p.ctx, p.opts.Home, seen); why != "" {
			return Conflict, why
		}
	}
	return "", ""
}

// namedIn tells whether a path at or below dir was named.
func (p *planner) namedIn(dir string) bool {
	for q := range p.opts.Select.named {
		if under(q, dir) {
			return true
		}
	}
	return false
}

// inTree is a change in a directory that the home lacks, which comes as a whole.
func (p *planner) inTree(c *Change) {
	if !p.opts.Select.Has(c.Path) {
		if !p.opts.Select.leadsTo(c.Path) {
			p.leave(c)
		}
		return
	}
	p.opts.Select.meet(c.Path)
	if reason, why := p.refusal(c); reason != "" {
		p.excluded[c.Path] = true
		p.refuse(c, reason, why)
		return
	}
	p.tree.paths++
}

// endTree drops a directory of which nothing is wanted after all.
func (p *planner) endTree() {
	if p.tree == nil {
		return
	}
	if p.partial && p.tree.paths == 0 {
		p.ops, p.Made = p.ops[:len(p.ops)-1], p.Made[:len(p.Made)-1]
		p.left = append(p.left, p.tree.Path)
	} else {
		last := &p.Made[len(p.Made)-1]
		last.Paths = p.tree.paths
	}
	p.tree, p.partial = nil, false
}

// begin makes an op of a change.
func (p *planner) begin(c *Change, do verb) {
	o := &op{Do: do, Path: c.Path, Kind: c.Kind, Old: c.Before.ident(), flags: c.Flags}
	if p.opts.Base != nil && !p.opts.Force && c.Before.Type == TypeDir {
		o.Since = p.opts.Base.since(c.Path)
	}
	p.ops = append(p.ops, o)
	p.Made = append(p.Made, Made{c.Path, c.Kind, c.Flags, 1})
}

// take makes a change part of the plan.
func (p *planner) take(c *Change) error {
	switch c.Kind {
	case Added:
		p.begin(c, put)
	case Deleted:
		p.begin(c, drop)
	case Modified, Retyped:
		p.begin(c, swap)
	default:
		return p.takeAttrs(c)
	}
	if c.Kind != Deleted && c.After.Type == TypeDir {
		p.tree = p.ops[len(p.ops)-1]
		p.tree.paths = 1
	}
	return nil
}

// maxRewrite is how large a file may be that is written anew though only its attributes differ.
const maxRewrite = 1 << 20

// takeAttrs is for a change of attributes. One of several attributes is not one step, so that a small file is written
// anew instead, and so is one that has other names: only this name's changed.
func (p *planner) takeAttrs(c *Change) error {
	a, err := p.amendOf(c)
	if err != nil {
		p.refuse(c, Unreadable, "cannot be compared: "+err.Error())
		return nil
	}
	dir := c.After.Type == TypeDir
	switch {
	case !dir && (c.Before.Links > 1 || c.After.Links > 1 || c.Flags.Has(DiffOwner) && c.Before.UID != c.After.UID && c.After.UID == p.uid),
		c.After.Type == TypeFile && a.Set&(a.Set-1) != 0 && c.After.Size <= maxRewrite,
		c.After.Type == TypeSymlink:
		p.begin(c, swap)
		return nil
	case a.Set == 0 && c.Kind == Replaced:
		return nil // what differs in it comes next
	case a.Set == 0 && c.Flags.Has(DiffOwner):
		p.refuse(c, Forbidden, "belongs to somebody else there, and files cannot be given away")
		return nil
	case a.Set == 0:
		p.refuse(c, Forbidden, "has only file capabilities, which cannot be given")
		return nil
	}
	p.amends = append(p.amends, a)
	p.Made = append(p.Made, Made{c.Path, c.Kind, c.Flags, 1})
	return nil
}

func (p *planner) amendOf(c *Change) (*amend, error) {
	a := &amend{Path: c.Path, Kind: c.Kind, ID: c.Before.ident(), flags: c.Flags}
	a.Old = attrs{Mode: uint32(c.Before.Mode), GID: c.Before.GID, MTime: c.Before.MTime.UnixNano()}
	a.New = attrs{Mode: uint32(c.After.Mode), GID: c.After.GID, MTime: noTime}
	if c.Flags.Has(DiffMode) {
		a.Set |= setMode
		if c.Path == "." { // of which the upper directory has no more
			a.New.Mode = a.Old.Mode&^0o777 | a.New.Mode&0o777
		}
		if c.After.Type != TypeDir && !p.keepsBits(c.Path) {
			a.New.Mode &^= 0o6000
		}
	}
	if c.Flags.Has(DiffOwner) && c.Before.GID != c.After.GID && slices.Contains(p.groups, int(c.After.GID)) {
		a.Set |= setGroup
	}
	if c.Flags.Has(DiffTime) {
		a.Set |= setTime
		a.New.MTime = c.After.MTime.UnixNano()
	}
	if !c.Flags.Has(DiffXattr) {
		return a, nil
	}
	var err error
	if a.New.Xattrs, err = xattrsBeneath(p.opts.Upper, c.Path); err != nil {
		return nil, err
	}
	if a.Old.Xattrs, err = xattrsBeneath(p.opts.Home, c.Path); err != nil {
		return nil, err
	}
	if c.Path == "." || p.masks.frontDir([]byte(c.Path)) {
		// It was copied up from a directory that had none of the home's: what it lacks was not removed.
		for _, x := range a.Old.Xattrs {
			if !slices.ContainsFunc(a.New.Xattrs, func(y xattr) bool { return x.Name == y.Name }) {
				a.New.Xattrs = append(a.New.Xattrs, x)
			}
		}
		slices.SortStableFunc(a.New.Xattrs, byNamespace)
	}
	same := slices.EqualFunc(a.Old.Xattrs, a.New.Xattrs, func(x, y xattr) bool { return x.Name == y.Name && string(x.Value) == string(y.Value) })
	if same {
		a.Old.Xattrs, a.New.Xattrs = nil, nil
	} else {
		a.Set |= setXattrs
	}
	return a, nil
}

func xattrsBeneath(root int, rel string) ([]xattr, error) {
	dir, err := openBeneath(root, parentOf(rel), unix.O_PATH)
	if err != nil {
		return nil, err
	}
	defer unix.Close(dir)
	return readXattrs(xnamed(dir, path.Base(rel)))
}

// keepsBits tells whether a file may have setuid and setgid.
func (pl *Plan) keepsBits(p string) bool { return pl.opts.Dangerous || pl.opts.Select.Named(p) }

// want tells whether something in a directory that is added is to be added, too.
func (pl *Plan) want(p string) bool {
	return !pl.excluded[p] && (pl.opts.Select.Has(p) || pl.opts.Select.leadsTo(p))
}

// partBonds takes out what belongs together with something that was refused.
func (p *planner) partBonds() {
	broken := map[string]bool{}
	for _, r := range p.Refused {
		if r.Cause == Conflict || r.Cause == Unreadable || r.Cause == Forbidden {
			broken[bondOf(r.Path)] = true
		}
	}
	if len(broken) == 0 {
		return
	}
	gone := map[string]bool{}
	p.ops = slices.DeleteFunc(p.ops, func(o *op) bool {
		if broken[bondOf(o.Path)] {
			gone[o.Path] = true
		}
		return gone[o.Path]
	})
	p.amends = slices.DeleteFunc(p.amends, func(a *amend) bool {
		if broken[bondOf(a.Path)] {
			gone[a.Path] = true
		}
		return gone[a.Path]
	})
	if len(gone) == 0 {
		return
	}
	p.Made = slices.DeleteFunc(p.Made, func(m Made) bool {
		if gone[m.Path] {
			p.Refused = append(p.Refused, Refusal{m.Path, m.Kind, Together, togetherWhy})
			p.left = append(p.left, m.Path)
		}
		return gone[m.Path]
	})
}

// parents adds the directories in which something changes, so that they get the times that the program left.
func (p *planner) parents() error {
	known := map[string]*amend{}
	for _, a := range p.amends {
		known[a.Path] = a
	}
	last := ""
	for _, o := range p.ops {
		dir := parentOf(o.Path)
		if dir == last {
			continue
		}
		last = dir
		a := known[dir]
		if a != nil && a.Set&setTime != 0 {
			continue
		}
		var home, upper unix.Stat_t
		if err := statDir(p.opts.Home, dir, &home); err != nil {
			return fmt.Errorf("cannot look at %q in your home: %w", dir, err)
		}
		if err := statDir(p.opts.Upper, dir, &upper); err != nil {
			return fmt.Errorf("cannot look at %q in the box: %w", dir, err)
		}
		if a == nil {
			mode := home.Mode & 0o7777
			a = &amend{Path: dir, ID: identOf(&home)}
			a.Old = attrs{Mode: mode, GID: home.Gid, MTime: home.Mtim.Nano()}
			a.New = a.Old
			p.amends, known[dir] = append(p.amends, a), a
		}
		a.Set |= setTime
		if a.New.MTime = upper.Mtim.Nano(); p.opts.Base != nil && home.Mtim.Nano() > p.opts.Base.first {
			a.New.MTime = noTime // others change it, too: it was changed now
		}
	}
	slices.SortFunc(p.amends, func(a, b *amend) int { return inWalkOrder(a.Path, b.Path) })
	return nil
}

func statDir(root int, dir string, st *unix.Stat_t) error {
	if dir == "." {
		return unix.Fstat(root, st)
	}
	return statBeneath(root, dir, st)
}

// leaves tells whether p, or something below it, stays in the box, and the first of it.
func (pl *Plan) leaves(p string) (first string, some bool) {
	i, _ := slices.BinarySearchFunc(pl.left, p, inWalkOrder)
	if i < len(pl.left) && under(pl.left[i], p) {
		return pl.left[i], true
	}
	return "", false
}

// String is what the plan does, a line each, for tests and logs.
func (pl *Plan) String() string {
	var b strings.Builder
	for _, o := range pl.ops {
		fmt.Fprintf(&b, "%s %s %q\n", o.Do, o.Kind, o.Path)
	}
	for _, a := range pl.amends {
		if a.Kind != "" {
			fmt.Fprintf(&b, "amend %s %q\n", a.Kind, a.Path)
		}
	}
	for _, r := range pl.Refused {
		fmt.Fprintf(&b, "refused %v\n", r)
	}
	return b.String()
}
