package launch

import (
	"os"
	"path"
	"slices"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"

	"cove/sandbox"
)

// files looks paths of the host up. What is there is looked at once. Of the many paths that are not, as most secrets
// that a profile hides, nothing is kept; and where many are asked for in one directory of the home, it is read.
type files struct {
	home  string
	known map[string]sandbox.File // those with links on the way, and directories
	looks map[string]sandbox.Look
	dirs  map[string]*listing
}

// A listing is what is known of the names in a directory.
type listing struct {
	asked int             // how many were asked for
	names map[string]bool // nil where it was not read, or is too long
}

// worthwhile is how many names of a directory are looked at one by one before it is read: that costs as much as
// about three.
const worthwhile = 3

func newFiles(home string) *files {
	return &files{home: home, known: make(map[string]sandbox.File, 64), looks: make(map[string]sandbox.Look, 128), dirs: map[string]*listing{}}
}

// lacks tells whether dir surely has no such name.
func (f *files) lacks(dir, name string) bool {
	if !strings.HasPrefix(dir, f.home) {
		return false
	}
	l := f.dirs[dir]
	if l == nil {
		l = new(listing)
		f.dirs[dir] = l
	}
	if l.asked++; l.asked == worthwhile+1 {
		if entries, all := readDir(dir); all {
			l.names = make(map[string]bool, len(entries))
			for _, e := range entries {
				l.names[e.name] = true
			}
		}
	}
	return l.names != nil && !l.names[name]
}

// lookup is sandbox.Host.Files.
func (f *files) lookup(p string) sandbox.File {
	r, ok := f.known[p]
	if ok {
		return r
	}
	if r, ok = f.child(p); !ok {
		r = sandbox.Resolve(p, f.look)
	}
	if !ok || r.Kind == sandbox.Directory {
		f.known[p] = r
	}
	return r
}

// child is Resolve where no link is met, as it mostly is: from what is known of the directory above.
func (f *files) child(p string) (r sandbox.File, ok bool) {
	if p == "/" || path.Clean(p) != p || p[0] != '/' {
		return r, false
	}
	dir := f.lookup(path.Dir(p))
	if len(dir.Links) > 0 {
		return r, false
	}
	r = sandbox.File{Path: p, Real: p}
	if dir.Kind == sandbox.Missing || f.lacks(dir.Real, path.Base(p)) {
		return r, true
	}
	l := f.look(p)
	r.Kind, r.UID, r.GID, r.Mode, r.MTime = l.Kind, l.UID, l.GID, l.Mode, l.MTime
	return r, l.Link == ""
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
	if l.Kind != sandbox.Missing || l.Link != "" {
		f.looks[p] = l
	}
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
	entries, all := readDir(dir)
	if !all {
		long, _ := os.ReadDir(dir)
		for _, e := range long {
			if e.Type()&os.ModeSymlink != 0 {
				names = append(names, e.Name())
			}
		}
		return names
	}
	for _, e := range entries {
		if e.kind == unix.DT_LNK || e.kind == unix.DT_UNKNOWN {
			names = append(names, e.name) // of an unknown one, Compile finds out
		}
	}
	slices.Sort(names)
	return names
}

type entry struct {
	name string
	kind uint8 // DT_* of getdents(2)
}

// readDir reads a directory that is not too long: os.ReadDir takes three times as long, for what is asked for at
// every start.
func readDir(dir string) (entries []entry, all bool) {
	fd, err := unix.Open(dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, false
	}
	defer unix.Close(fd)
	buf := make([]byte, 16<<10)
	for round := 0; ; round++ {
		n, err := unix.Getdents(fd, buf)
		if err != nil || round == 4 {
			return nil, false
		}
		if n == 0 {
			return entries, true
		}
		for b := buf[:n]; len(b) >= direntName; {
			d := (*unix.Dirent)(unsafe.Pointer(&b[0]))
			name := unix.ByteSliceToString(b[direntName:d.Reclen])
			if name != "." && name != ".." {
				entries = append(entries, entry{name, d.Type})
			}
			b = b[d.Reclen:]
		}
	}
}

// direntName is where the name stands in struct linux_dirent64.
const direntName = int(unsafe.Offsetof(unix.Dirent{}.Name))

// Foreign lists directories in the home of which an owner is not mapped: with only the user's own ids mapped, the
// kernel cannot copy up what is in them (EOVERFLOW). At most ten are named, with nothing in them, and it is not looked
// for longer than what a user would notice.
func Foreign(host sandbox.Host) (names []string) {
	const most, entries = 10, 20_000
	looked := 0
	todo := []string{""}
	for len(todo) > 0 && len(names) < most && looked < entries {
		rel := todo[0]
		todo = todo[1:]
		children, all := readDir(path.Join(host.User.Home, rel))
		if !all {
			continue
		}
		for _, e := range children {
			if looked++; e.kind != unix.DT_DIR && e.kind != unix.DT_UNKNOWN {
				continue
			}
			var st unix.Stat_t
			name := path.Join(rel, e.name)
			if unix.Lstat(path.Join(host.User.Home, name), &st) != nil || st.Mode&unix.S_IFMT != unix.S_IFDIR {
				continue
			}
			if int(st.Uid) == host.User.UID && int(st.Gid) == host.User.GID {
				todo = append(todo, name)
			} else if names = append(names, name); len(names) == most {
				break
			}
		}
	}
	return names
}
