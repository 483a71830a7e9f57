// Package mount describes how a root file system is built, one step at a time, as data: an Op is a flat
// value that travels to the screen (cove plan), into a golden file and into the stage.
//
//	op := mount.Bind("/usr", "/usr").ReadOnly().Because("programs live here").By(origin)
//	fmt.Println(op) // bind      /usr  ro,nosuid,nodev  programs live here
//
// Components either emit Ops or perform them. This package does not decide which mounts there should be
// (package sandbox does) and it performs nothing by itself: Build turns Ops into a stage.Script.
package mount

import (
	"slices"
	"strings"
)

// A Verb is what an Op does. The list is short on purpose: it is the whole vocabulary of the code that runs
// with rights.
type Verb string

const (
	Mkdir   Verb = "mkdir"   // make a directory, and its parents, in the new root
	File    Verb = "file"    // make an empty file in the new root: a mount point for files
	Symlink Verb = "symlink" // Target becomes a link that reads Source
	BindTo  Verb = "bind"    // attach the host's Source, with all below it, at Target
	Mount   Verb = "mount"   // mount a new file system of Type at Target
	Overlay Verb = "overlay" // mount Layers copy-on-write at Target
	Mask    Verb = "mask"    // cover Target, a directory or a file, with nothing
	Protect Verb = "protect" // make what is at Target read-only where it stands
	Pin     Verb = "pin"     // make the directory Target a mount point of itself, so that it cannot be renamed
	Seal    Verb = "seal"    // make the file system at Target, without what is mounted below it, read-only
	Pivot   Verb = "pivot"   // the new root becomes /, the host's tree is let go
)

// An Op is one step of building the root. Paths in Target are inside the new root and absolute; Source is a
// path on the host, without symbolic links.
type Op struct {
	Do      Verb     `json:"do"`
	Source  string   `json:"source,omitempty"`
	Target  string   `json:"target,omitempty"`
	Type    string   `json:"type,omitempty"`
	Options []string `json:"options,omitempty"` // fstab words
	Layers  *Layers  `json:"layers,omitempty"`  // only with Overlay
	From    string   `json:"from,omitempty"`    // which flag, or which profile and line, asked for it
	Why     string   `json:"why,omitempty"`
}

// Layers are the directories of one copy-on-write mount, in overlayfs's words. Lower is from top to bottom.
type Layers struct {
	Backend  string   `json:"backend"` // kernel or fuse
	Lower    []string `json:"lower"`
	Upper    string   `json:"upper"`
	Work     string   `json:"work"`
	Volatile bool     `json:"volatile,omitempty"` // no fsync: only for a box that is dropped at exit
	// Front is a layer on top of Lower, kept in memory: names that are hidden, and mount points that Lower lacks.
	// It cannot be a directory of the box, as that may lie inside Lower: the kernel refuses overlapping layers
	// (ELOOP). Parents come before what is in them.
	Front []Entry `json:"front,omitempty"`
	// Base are layers on top of Front, from top to bottom: the changes in the boxes that this one was branched from.
	Base []string `json:"base,omitempty"`
	// Nested says that Base lies inside Lower, which the kernel refuses in one mount. Then Front and Lower become an
	// overlay of their own, read-only, and that the lowest layer of this one. Two are all that the kernel stacks
	// (FILESYSTEM_MAX_STACK_DEPTH).
	Nested bool `json:"nested,omitempty"`
}

// HasFront tells whether there is a layer in memory: an overlay without an upper layer needs two lower ones.
func (l *Layers) HasFront() bool { return len(l.Front) > 0 || l.Nested }

// An Entry is one name in a Front.
type Entry struct {
	Name  string `json:"name"`            // relative to the layer
	Kind  string `json:"kind"`            // hide, dir, opaque or file
	Mode  uint32 `json:"mode,omitempty"`  // of a dir: the topmost layer's attributes are those that show
	MTime int64  `json:"mtime,omitempty"` // likewise, in ns since the epoch
}

// Kinds of Entry.
const (
	Hide        = "hide"   // a whiteout: absent, whatever Lower has
	EntryDir    = "dir"    // merges with Lower's, if there is one
	EntryOpaque = "opaque" // an empty directory, whatever Lower has
	EntryFile   = "file"
)

// Bind attaches the host's source at target, recursively.
func Bind(source, target string) Op { return Op{Do: BindTo, Source: source, Target: target} }

// New mounts a new file system of type fstype at target.
func New(fstype, target string, options ...string) Op {
	return Op{Do: Mount, Type: fstype, Target: target, Options: options}
}

// Dir makes a directory.
func Dir(target string) Op { return Op{Do: Mkdir, Target: target} }

// Link makes target a symbolic link that reads text.
func Link(text, target string) Op { return Op{Do: Symlink, Source: text, Target: target} }

// With returns op with more options.
func (op Op) With(options ...string) Op {
	op.Options = append(slices.Clone(op.Options), options...)
	return op
}

// ReadOnly returns op, read-only.
func (op Op) ReadOnly() Op { return op.With("ro") }

// Because returns op with its reason.
func (op Op) Because(why string) Op { op.Why = why; return op }

// By returns op with its provenance.
func (op Op) By(from string) Op { op.From = from; return op }

// Has tells whether op carries the option.
func (op Op) Has(option string) bool { return slices.Contains(op.Options, option) }

// String is the line that cove plan prints, without provenance: verb, target, source, options.
func (op Op) String() string {
	var b strings.Builder
	b.WriteString(string(op.Do))
	if op.Type != "" {
		b.WriteString(" " + op.Type)
	}
	b.WriteString(" " + op.Target)
	switch {
	case op.Do == Symlink:
		b.WriteString(" -> " + op.Source)
	case op.Layers != nil:
		b.WriteString(" <- " + strings.Join(slices.Concat(op.Layers.Base, op.Layers.Lower), " + "))
	case op.Source != "" && op.Source != op.Target:
		b.WriteString(" <- " + op.Source)
	}
	if len(op.Options) > 0 {
		b.WriteString(" " + strings.Join(op.Options, ","))
	}
	return b.String()
}

// Alike tells whether two Mount ops make file systems of the same type and options, wherever they are mounted.
func (op *Op) Alike(other *Op) bool {
	return op.Type == other.Type && slices.Equal(op.Options, other.Options)
}
