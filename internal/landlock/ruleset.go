// Package landlock describes a Landlock ruleset as data, and turns it into the system calls of a stage.
//
//	rules := landlock.Ruleset{ABI: 7, Rules: []landlock.Rule{
//		{Path: "/", Rights: []landlock.Right{landlock.List}},
//		{Path: "/usr", Rights: []landlock.Right{landlock.List, landlock.Read, landlock.Exec}},
//	}}
//	rules.Restrict(&script.Setup, nil, step) // once everything is mounted; for good
//
// Landlock (landlock(7)) asks at each open, rename and the like whether a rule lies on the way from the file up to the
// root. A rule is tied to the inode that its path leads to, so it holds by whatever mount, descriptor or link a file is
// reached; and who is restricted can mount nothing any more.
//
// Limits, all the kernel's: a rule is for all that is below its path, whatever is mounted there, and nothing can be
// taken back further down. Names are not hidden (stat(2), readlink(2), chdir(2), O_PATH), attributes are not kept
// (chmod(2), utimes(2), setxattr(2)), sockets with a path can be connected to, and what is open already stays open.
// Nothing above ABI 7 (Linux 6.15) is used.
package landlock

import "slices"

// A Right is a word for what may be done.
type Right string

const (
	List  Right = "list"  // read directories
	Read  Right = "read"  // open files for reading
	Exec  Right = "exec"  // execute files
	Write Right = "write" // open files for writing, and truncate them
	Make  Right = "make"  // make, remove, link and rename names in a directory, and between directories
	Ioctl Right = "ioctl" // ioctl(2) on devices
)

// ofFiles are the rights that a rule for anything but a directory can have.
var ofFiles = []Right{Read, Exec, Write, Ioctl}

// A Rule lets something be done.
type Rule struct {
	Path   string  `json:"path,omitempty"`   // inside the new root, without links: the file, or the directory and all below it
	Stream string  `json:"stream,omitempty"` // instead of Path: Stdin, Stdout or Stderr, the file that was inherited as it
	File   bool    `json:"file,omitempty"`   // Path is no directory
	Rights []Right `json:"rights"`
	From   string  `json:"from,omitempty"` // who asked for it
	Why    string  `json:"why,omitempty"`
}

// Words for Rule.Stream.
const (
	Stdin  = "stdin"
	Stdout = "stdout"
	Stderr = "stderr"
)

// Has tells whether the rule gives a right.
func (r *Rule) Has(right Right) bool { return slices.Contains(r.Rights, right) }

// A Scope is something that a process may only do among those that are restricted together with it.
type Scope string

const (
	AbstractSockets Scope = "abstract-sockets" // connect to Unix sockets without a path (unix(7))
	Signals         Scope = "signals"          // send signals
)

// A Ruleset is what Restrict enforces. The zero Ruleset is none.
type Ruleset struct {
	ABI    int     `json:"abi,omitempty"` // of the kernel that it was made for
	Rules  []Rule  `json:"rules,omitempty"`
	Scopes []Scope `json:"scopes,omitempty"`
}

// Versions of the interface, as landlock_create_ruleset(2) tells them.
const (
	ABIRefer  = 2 // Linux 5.19: renames and links between directories can be allowed; before, restricting forbids them all
	ABIScopes = 6 // Linux 6.12: Scope
)

// Add adds a rule, unless what it gives is given by rules for directories above it already. Rules must come with
// parents before what lies in them.
func (r *Ruleset) Add(rule Rule) {
	if rule.File {
		rule.Rights = only(rule.Rights, ofFiles)
	}
	for _, right := range rule.Rights {
		if !r.gives(right, rule.Path) {
			r.Rules = append(r.Rules, rule)
			return
		}
	}
}

// gives tells whether a rule gives a right at p.
func (r *Ruleset) gives(right Right, p string) bool {
	for i := range r.Rules {
		if above := &r.Rules[i]; covers(above.Path, p) && above.Has(right) {
			return true
		}
	}
	return false
}

func only(rights, some []Right) (both []Right) {
	for _, r := range rights {
		if slices.Contains(some, r) {
			both = append(both, r)
		}
	}
	return both
}

// covers tells whether p is dir or below it.
func covers(dir, p string) bool {
	n := len(dir)
	return n > 0 && (p == dir || dir == "/" || len(p) > n && p[n] == '/' && p[:n] == dir)
}
