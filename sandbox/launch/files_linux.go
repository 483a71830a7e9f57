package launch

import (
	"os"
	"path"
	"strings"

	"golang.org/x/sys/unix"

	"cove/sandbox"
)

// files looks paths of the host up, each once.
type files struct {
	known map[string]sandbox.File
	stat  map[string]lookedUp // one path component at a time, not following links
}

type lookedUp struct {
	mode     uint32
	uid, gid int
	mtime    int64
	link     string
	missing  bool
}

func newFiles() *files {
	return &files{known: map[string]sandbox.File{}, stat: map[string]lookedUp{}}
}

// lookup is sandbox.Host.Files.
func (f *files) lookup(p string) sandbox.File {
	p = path.Clean(p)
	if r, ok := f.known[p]; ok {
		return r
	}
	r := f.resolve(p)
	f.known[p] = r
	return r
}

// resolve follows p component by component, as the kernel does, and notes the links.
func (f *files) resolve(p string) sandbox.File {
	r := sandbox.File{Path: p}
	real, rest := "/", strings.Split(strings.Trim(p, "/"), "/")
	last := f.one("/")
	for hops := 0; len(rest) > 0; {
		name := rest[0]
		rest = rest[1:]
		switch name {
		case "", ".":
			continue
		case "..":
			real = path.Dir(real)
			last = f.one(real)
			continue
		}
		at := path.Join(real, name)
		last = f.one(at)
		if last.missing {
			r.Real = path.Join(append([]string{at}, rest...)...)
			return r
		}
		if last.mode&unix.S_IFMT == unix.S_IFLNK {
			if hops++; hops > 40 { // as the kernel: ELOOP
				r.Real = p
				return r
			}
			r.Links = append(r.Links, sandbox.FileLink{Path: at, Text: last.link})
			rest = append(strings.Split(strings.Trim(last.link, "/"), "/"), rest...)
			if path.IsAbs(last.link) {
				real = "/"
			}
			last = f.one(real)
			continue
		}
		real = at
	}
	r.Real, r.UID, r.GID, r.Mode, r.MTime = real, last.uid, last.gid, last.mode&0o7777, last.mtime
	switch last.mode & unix.S_IFMT {
	case unix.S_IFDIR:
		r.Kind = sandbox.Directory
	case unix.S_IFREG:
		r.Kind = sandbox.Regular
	case unix.S_IFSOCK:
		r.Kind = sandbox.Socket
	case unix.S_IFIFO:
		r.Kind = sandbox.Fifo
	default:
		r.Kind = sandbox.Device
	}
	return r
}

// one looks at a path whose parents are known to hold no links.
func (f *files) one(p string) lookedUp {
	if l, ok := f.stat[p]; ok {
		return l
	}
	var l lookedUp
	var st unix.Stat_t
	if err := unix.Fstatat(unix.AT_FDCWD, p, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		l.missing = true
	} else {
		l = lookedUp{mode: st.Mode, uid: int(st.Uid), gid: int(st.Gid), mtime: st.Mtim.Nano()}
		if st.Mode&unix.S_IFMT == unix.S_IFLNK {
			if l.link, err = os.Readlink(p); err != nil {
				l.missing = true
			}
		}
	}
	f.stat[p] = l
	return l
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
