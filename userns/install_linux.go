package userns

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Install has newuidmap and newgidmap write m for pid, a child of the caller in a user namespace without maps. A map
// that needs no helper is not written here: the process in the namespace does that.
func Install(pid int, m Map) error {
	if !m.Helper {
		return fmt.Errorf("cannot install the id map %v from outside: it needs no helper (this is a bug in cove)", m)
	}
	if pid <= 0 {
		return fmt.Errorf("cannot install an id map for process %d (this is a bug in cove)", pid)
	}
	if err := runHelper("newuidmap", pid, m.UIDs); err != nil {
		return err
	}
	return runHelper("newgidmap", pid, m.GIDs)
}

func runHelper(name string, pid int, lines []Range) error {
	_, err := output(10*time.Second, name, append([]string{strconv.Itoa(pid)}, strings.Fields(MapText(lines))...)...)
	if err == nil {
		return nil
	}
	if errors.Is(err, exec.ErrNotFound) {
		return notInstalled(name)
	}
	return &Error{"cannot map subordinate ids: " + err.Error(), circumstances(name).hint(name, err.Error())}
}

func notInstalled(name string) *Error {
	return &Error{"cannot map subordinate ids: " + name + " is not installed",
		"install it: sudo apt install uidmap (Fedora: shadow-utils, Alpine: shadow-uidmap, Arch: shadow), or use --ids single"}
}

// Installable tells whether the helpers that Install calls are there: nil, or the *Error that Install would return. Only
// calling them tells whether they can do their work.
func Installable() error {
	for _, name := range []string{"newuidmap", "newgidmap"} {
		if _, err := exec.LookPath(name); err != nil {
			return notInstalled(name)
		}
	}
	return nil
}

// circumstances looks for what is known to keep a helper from its work.
func circumstances(name string) trouble {
	read := func(p string) string {
		b, _ := os.ReadFile(p) // what is not there forbids nothing
		return strings.Join(strings.Fields(string(b)), " ")
	}
	t := trouble{
		root:     unix.Getuid() == 0,
		nested:   read("/proc/self/uid_map") != "0 0 4294967295",
		appArmor: read("/proc/sys/kernel/apparmor_restrict_unprivileged_userns") == "1",
	}
	if nnp, err := unix.PrctlRetInt(unix.PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0); err == nil {
		t.noNewPrivs = nnp == 1
	}
	h := FindHelper(name)
	t.path, t.plain, t.nosuid = h.Path, h.Plain, h.NoSuid
	return t
}

// FindHelper looks for newuidmap or newgidmap in PATH.
func FindHelper(name string) (h Helper) {
	p, err := exec.LookPath(name)
	if err != nil {
		return h
	}
	h.Path = p
	var st unix.Stat_t
	setuid := unix.Stat(p, &st) == nil && st.Mode&unix.S_ISUID != 0 && st.Uid == 0
	caps, err := unix.Getxattr(p, "security.capability", nil)
	h.Plain = !setuid && (err != nil || caps == 0)
	var fs unix.Statfs_t
	h.NoSuid = unix.Statfs(p, &fs) == nil && fs.Flags&unix.ST_NOSUID != 0
	return h
}
