package sandbox

import "cove/userns"

// A Host is what is true here: who runs us, and what this kernel and this file system allow. It is the
// kernel as an argument, so that every distribution is a small text file in testdata/plan.
type Host struct {
	Kernel string      // uname -r
	User   userns.User // who runs us
	Cwd    string      // the directory cove was started in
	Env    map[string]string

	Data    string // the directory that holds boxes, $XDG_DATA_HOME/cove
	Config  string // $XDG_CONFIG_HOME/cove
	Runtime string // $XDG_RUNTIME_DIR/cove, or a 0700 directory of the user's own

	// Bases are the boxes that the box of the Spec lies on, the topmost first (cove branch).
	Bases []string

	Features Features
	Subids   userns.Ranges // the user's subordinate ids; empty where there are none
	Mounts   []MountPoint  // from /proc/self/mountinfo, in its order
	TTY      TTY
	Streams  [3]Stream // standard input, output and error

	// Files answers questions about paths of the host. Launch answers them from the file system, goldens
	// from a table. It never fails: a path that cannot be looked up is Missing.
	Files func(path string) File `json:"-"`
	// List returns the entries of a directory of the host, sorted; nil where it cannot be read.
	List func(path string) []string `json:"-"`
	// Links returns those entries of a directory that are symbolic links, sorted.
	Links func(path string) []string `json:"-"`
}

// Features are what this kernel, its policy and the installed programs allow. The zero value of each is "no".
type Features struct {
	UserNS         Feature // an ordinary user may create a user namespace
	MountSetattr   Feature // mount_setattr(2), Linux 5.12; without it read-only binds are made mount by mount
	NewMountAPI    Feature // open_tree, fsopen, move_mount (Linux 5.2), not refused by an outer seccomp filter
	KernelOverlay  Feature // overlayfs with userxattr in a user namespace, tried with the box directory as upper
	FuseOverlay    Feature // fuse-overlayfs and /dev/fuse
	NewIDMap       Feature // newuidmap and newgidmap
	CgroupNS       Feature
	Landlock       Feature // from ABI 2 on: what the program does between directories goes on working
	LandlockABI    int     // landlock(7); 0 where there is none
	SeccompFilter  Feature
	FuseOverlayBin string // its path
}

// A Feature is there, or says why not in words for people.
type Feature struct {
	OK     bool   `json:"ok"`
	Reason string `json:"reason,omitempty"` // why not, and what would mend it
}

// Yes is a Feature that is there.
var Yes = Feature{OK: true}

// No is a Feature that is not there.
func No(reason string) Feature { return Feature{Reason: reason} }

// A TTY says which of the standard streams are terminals.
type TTY struct {
	Stdin, Stdout, Stderr bool
	Foreground            bool // cove's process group is the terminal's foreground group
}

// A Stream is a standard stream that a path of the host leads to. Kind is Missing for any other: a pipe, a socket, or
// none at all.
type Stream struct {
	Kind        Kind
	Read, Write bool // it is open for
}

// A MountPoint is one line of /proc/self/mountinfo.
type MountPoint struct {
	Path    string   // unescaped
	Device  string   // of the file system, as "8:1"; "" where it is not known
	Root    string   // what of the file system is shown there; "/" is all
	Type    string   // ext4, overlay, fuse.sshfs
	Options []string // the mount's own: ro, nosuid, relatime
}

// Kind is the type of a file.
type Kind string

const (
	Missing   Kind = ""
	Directory Kind = "dir"
	Regular   Kind = "file"
	Device    Kind = "dev"
	Socket    Kind = "socket"
	Fifo      Kind = "fifo"
)

// A File is what is known of one path of the host after every symbolic link in it was followed.
type File struct {
	Path  string // as asked
	Real  string // without links; where Kind is Missing, as far as it could be followed, and the rest
	Kind  Kind   // of Real; never a link
	UID   int
	GID   int
	Mode  uint32     // permission bits
	MTime int64      // in ns since the epoch
	Links []FileLink // the links met on the way, in order
}

// A FileLink is a symbolic link met while a path was resolved. Path has no links but itself at its end.
type FileLink struct{ Path, Text string }
