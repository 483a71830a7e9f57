package launch

import (
	"os"
	"path"

	"golang.org/x/sys/unix"

	"cove/sandbox"
)

// files looks paths of the host up, each once.
type files struct {
	known map[string]sandbox.File
	looks map[string]sandbox.Look
}

func newFiles() *files {
	return &files{known: map[string]sandbox.File{}, looks: map[string]sandbox.Look{}}
}

// lookup is sandbox.Host.Files.
func (f *files) lookup(p string) sandbox.File {
	r, ok := f.known[p]
	if !ok {
		r = sandbox.Resolve(p, f.look)
		f.known[p] = r
	}
	return r
}

// look looks at a path whose parents are known to hold no links.
func (f *files) look(p string) sandbox.Look {
	if l, ok := f.looks[p]; ok {
		return l
	}
	var l sandbox.Look
	var st unix.Stat_t
	if unix.Fstatat(unix.AT_FDCWD, p, &st, unix.AT_SYMLINK_NOFOLLOW) == nil {
		l = sandbox.Look{Kind: kind(st.Mode), UID: int(st.Uid), GID: int(st.Gid), Mode: st.Mode & 0o7777, MTime: st.Mtim.Nano()}
		if st.Mode&unix.S_IFMT == unix.S_IFLNK {
			if l.Link, _ = os.Readlink(p); l.Link == "" {
				l.Kind = sandbox.Missing
			}
		}
	}
	f.looks[p] = l
	return l
}

func kind(mode uint32) sandbox.Kind {
	switch mode & unix.S_IFMT {
	case unix.S_IFDIR:
		return sandbox.Directory
	case unix.S_IFREG:
		return sandbox.Regular
	case unix.S_IFSOCK:
		return sandbox.Socket
	case unix.S_IFIFO:
		return sandbox.Fifo
	}
	return sandbox.Device
}

// list is sandbox.Host.List.
func list(dir string) (names []string) {
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// links is sandbox.Host.Links.
func links(dir string) (names []string) {
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		if e.Type()&os.ModeSymlink != 0 {
			names = append(names, e.Name())
		}
	}
	return names
}

// Foreign lists the entries of the home whose owner is not the user: with only the user's own ids mapped, the
// kernel cannot copy them up (EOVERFLOW). At most ten are named.
func Foreign(host sandbox.Host) (names []string) {
	for _, name := range readNames(host.User.Home) {
		var st unix.Stat_t
		if unix.Lstat(path.Join(host.User.Home, name), &st) == nil &&
			(int(st.Uid) != host.User.UID || int(st.Gid) != host.User.GID) && st.Mode&unix.S_IFMT == unix.S_IFDIR {
			if names = append(names, name); len(names) == 10 {
				break
			}
		}
	}
	return names
}

func readNames(dir string) []string {
	d, err := os.Open(dir)
	if err != nil {
		return nil
	}
	defer d.Close()
	names, _ := d.Readdirnames(10000)
	return names
}
