package sandbox

import "cove/userns"

// A Machine is what came of trying all that a sandbox needs. Like a Host it is an argument, so that what Diagnose says
// of every distribution is a small text file in testdata/doctor. Launch fills it in (Examine).
//
// An Errno is the name of the errno with which a trial failed, as "EPERM"; "" says that it worked. Where one trial
// needs another that failed it was not made, and has the other's errno.
type Machine struct {
	Kernel  string      // uname -r
	User    userns.User // who runs us
	Home    string      // the home directory without links
	Distro  []string    // ID and then ID_LIKE of os-release(5)
	Systemd bool        // the machine was booted by systemd (sd_booted(3))
	Self    string      // cove's own path, without links

	Around Around

	Calls      []string // system calls without which nothing works, and that are refused
	UserNS     Errno    // making a user namespace, mapping one's id in it, and mounting something there
	Lacking    []string // other namespaces that cannot be made: "net: ENOSPC"
	Proc       Errno    // mounting /proc in a pid namespace
	Terminal   Errno    // making a pseudo-terminal in a devpts of its own
	Tun        Errno    // opening /dev/net/tun and making an interface in a network namespace
	FuseDevice Errno    // opening /dev/fuse
	Landlock   int      // the version of its ABI; 0 where there is none
	NoLandlock Errno    // why
	LSMs       string   // the security modules that were started, as lsm= takes them; "" is unknown

	// Sysctls holds user.max_*_namespaces and kernel.unprivileged_userns_clone, where they exist.
	Sysctls  map[string]string
	AppArmor AppArmor

	MountSetattr  Feature
	NewMountAPI   Feature
	SeccompFilter Feature
	CgroupNS      Feature

	Overlay   Feature // the kernel's, with the file system of the box directory below the upper layer
	NoOverlay Errno   // the errno behind Overlay.Reason, where there was one
	Fuse      Feature // a sandbox over a home that fuse-overlayfs keeps
	FuseBin   string  // its path; "" where it is not installed

	NewUIDMap, NewGIDMap userns.Helper
	SubidSource          string // where subordinate ids stand: "files", or what /etc/nsswitch.conf names
	SubidTrouble         string // why they cannot be read
	Subids               userns.Ranges
	SubidsFree           int     // the first id that no line of /etc/subuid and /etc/subgid has, nor one after it
	SubidsTried          Feature // a sandbox with them

	Data, Config, Runtime Dir

	HomeTrouble string   // why it cannot be a home; "" is nothing
	Foreign     []string // directories in it that belong to other users or groups
	Submounts   []string // what is mounted below it

	Cgroups Cgroups

	Sandbox     Feature // a program ran in a sandbox as cove run makes it
	SandboxHint string  // what may help
}

// Errno is the name of an errno, or "".
type Errno string

// Around is what is around cove.
type Around struct {
	Container  string // "docker", "podman", "lxc", "wsl", "flatpak", "cove"…; "" is nothing that has a name
	Nested     bool   // a user namespace
	Sealed     bool   // /proc/sys is read-only, as containers have it that are not privileged
	Chroot     bool
	NoNewPrivs bool // setuid programs have no rights
	Filtered   bool // a seccomp filter
}

// AppArmor is the restriction of user namespaces that Ubuntu has since 23.10.
type AppArmor struct {
	Restricts bool   // kernel.apparmor_restrict_unprivileged_userns
	Label     string // the profile that cove runs under: "unconfined"
}

// A Dir is one of the directories that cove keeps things in.
type Dir struct {
	Path   string
	Exists bool
	On     string // the path itself, or the nearest directory above it that exists
	UID    int    // of On
	Mode   uint32 // of On, permission bits
	Errno  Errno  // making a file there; for the one of profiles, reading it
	Type   string // of the file system: "ext4"
	Free   uint64 // bytes that an ordinary user may use
}

// Cgroups is what the user may do with control groups.
type Cgroups struct {
	Version     string   // "2", "hybrid", "1"; "" where none are mounted
	Path        string   // the group that was delegated, below /sys/fs/cgroup; "" where none was
	Manager     bool     // it is that of the user's own systemd
	Controllers []string // that can be used there
}
