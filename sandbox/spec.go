package sandbox

import "strconv"

// An Origin says who asked for something: a flag, a file and line, or cove itself.
// The zero Origin means "cove's default".
type Origin struct {
	Name string `json:"name,omitempty"` // "flag --ro", "profile build", "/home/u/.config/cove/profiles/x.toml"
	Line int    `json:"line,omitempty"` // 1-based; 0 where there is no line
	Set  string `json:"set,omitempty"`  // the named path set it came through, as "@secrets"
}

// String is how an Origin is shown: "profile build:12", "flag --ro", "profile default:9 (@secrets)".
func (o Origin) String() string {
	s := o.Name
	if s == "" {
		return "default"
	}
	if o.Line > 0 {
		s += ":" + strconv.Itoa(o.Line)
	}
	if o.Set != "" {
		s += " (" + o.Set + ")"
	}
	return s
}

// A Setting is a value with its provenance. The zero Setting was never set.
type Setting[T any] struct {
	Value T      `json:"value"`
	From  Origin `json:"from"`
	IsSet bool   `json:"-"`
}

// Set makes a Setting.
func Set[T any](v T, from Origin) Setting[T] { return Setting[T]{Value: v, From: from, IsSet: true} }

// Or returns the value, or def where none was set.
func (s Setting[T]) Or(def T) T {
	if s.IsSet {
		return s.Value
	}
	return def
}

// Words that a Spec uses. Each is spelled as in TOML and on the command line.
const (
	HomeCow   = "cow"   // copy-on-write: the program changes a copy (default)
	HomeTmpfs = "tmpfs" // empty and volatile
	HomeShare = "share" // the real one
	HomeNone  = "none"  // no home directory at all

	OverlayAuto   = "auto"
	OverlayKernel = "kernel"
	OverlayFuse   = "fuse"

	UIDKeep = "keep" // your uid and gid are themselves (default)
	UIDRoot = "root" // you are 0 inside

	IDsSingle = "single" // only your own ids are mapped (default)
	IDsSub    = "subids" // your ranges of /etc/subuid and /etc/subgid too

	NetNone = "none" // an empty network namespace with loopback (default)
	NetUser = "user" // user-mode networking
	NetHost = "host" // the host's network

	TTYAuto = "auto" // a pseudo-terminal of its own where cove runs in the foreground of a terminal (default)
	TTYNew  = "new"
	TTYKeep = "keep"

	LandlockAuto    = "auto"    // where the kernel has it (default)
	LandlockRequire = "require" // or an error
	LandlockOff     = "off"

	SeccompDefault = "default"
	SeccompNone    = "none"
)

// A Spec is what the user wishes for: profiles and flags, merged. It knows nothing of this machine.
//
// Paths are absolute, or begin with "~/" (or are "~"), or are relative to the directory in which cove was
// started (only from flags and the word "." of profiles; they begin with "./" or are "."). They may contain a
// final or inner symbolic link; Compile resolves it by Host.Files.
type Spec struct {
	Command []string
	Workdir Setting[string]
	Box     string // the box's name
	Drop    bool   // the box's changes are dropped at exit (--rm)

	Home    Setting[string] // HomeCow...
	Overlay Setting[string] // OverlayAuto...
	Root    Setting[string] // another root directory instead of the host's
	RootCow Setting[bool]

	Grants []Grant
	Masks  []Mask

	Env []EnvRule // in order; the last rule that matches a variable wins

	UID      Setting[string] // UIDKeep, UIDRoot or a number
	IDs      Setting[string] // IDsSingle, IDsSub
	Net      Setting[string] // NetNone...
	Hostname Setting[string]
	TTY      Setting[string] // TTYAuto...

	Landlock        Setting[string] // LandlockAuto...
	AbstractSockets Setting[bool]   // with NetHost: may the program reach the host's abstract sockets

	Seccomp      Setting[string] // SeccompDefault or SeccompNone
	SeccompAllow []Setting[string]
	SeccompDeny  []Setting[string]
	Nesting      Setting[bool] // may the program make namespaces of its own

	Devices []Setting[string] // paths below /dev
	Limits  []Limit
}

// Copies tells whether a sandbox keeps changes in a box.
func (s *Spec) Copies() bool { return s.Home.Or(HomeCow) == HomeCow || s.RootCow.Value }

// Access is what a Grant allows.
type Access string

const (
	ReadOnly  Access = "ro"
	ReadWrite Access = "rw" // writes go through to the real files
)

// A Grant lets the program see one path of the host.
type Grant struct {
	Source   string
	Target   string // where inside; "" means at the same path
	Access   Access
	Optional bool // no complaint where Source does not exist
	From     Origin
}

// Path sets whose Masks are of the host's own root, and in another one do not count; those of SystemSecrets moreover
// only where root runs cove.
const (
	SystemSecrets = "@system-secrets"
	SystemSockets = "@sockets"
)

// A Mask hides one path. A path that does not exist is not an error.
type Mask struct {
	Path string
	From Origin
}

// An EnvRule lets variables through or sets one.
type EnvRule struct {
	Name  string // a name, or with Do pass or drop a pattern with one trailing or leading '*', as LC_* or *_TOKEN
	Do    EnvDo
	Value string // with EnvSet
	From  Origin
}

// EnvDo is what an EnvRule does.
type EnvDo string

const (
	EnvPass EnvDo = "pass"
	EnvDrop EnvDo = "drop"
	EnvSet  EnvDo = "set"
)

// A Limit is a resource limit of setrlimit(2), or the size of the tmpfs on /tmp.
type Limit struct {
	Name  string // files, file_size, core, stack, address_space, tmp_size
	Value uint64 // bytes, or a count for files
	From  Origin
}
