package overlay

import (
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// The oracle says what Walk must find without knowing anything of layers, but for which directories are opaque: it
// compares a snapshot of the mounted overlay, all of it, with one of the home, by plain calls on paths.

// A seen is one file of a snapshot.
type seen struct {
	kind    uint32 // S_IFMT
	mode    uint32
	owner   string
	mtime   unix.Timespec
	content string // of a file a hash, of a link its text
	xattrs  string
}

// A snapshot is all files below a directory, by their paths relative to it.
type snapshot map[string]seen

// takeSnapshot reads a tree. Names that a directory lists but that are not there are left out: overlayfs lists the
// whiteouts of its lowest layer.
func takeSnapshot(t testing.TB, dir string) snapshot {
	t.Helper()
	s := snapshot{}
	var visit func(rel string)
	visit = func(rel string) {
		p := filepath.Join(dir, rel)
		var st unix.Stat_t
		if err := unix.Lstat(p, &st); err == unix.ENOENT {
			return
		} else if err != nil {
			t.Fatalf("%s: %v", p, err)
		}
		e := seen{kind: st.Mode & unix.S_IFMT, mode: st.Mode & 0o7777, owner: fmt.Sprint(st.Uid, ":", st.Gid), mtime: st.Mtim}
		if e.kind == unix.S_IFCHR && st.Rdev == 0 {
			e.kind = unix.S_IFCHR | 1 // a whiteout
		}
		switch e.kind {
		case unix.S_IFREG:
			data, err := os.ReadFile(p)
			if err != nil {
				t.Fatal(err)
			}
			e.content = fmt.Sprintf("%d %x", len(data), sha256.Sum256(data))
		case unix.S_IFLNK:
			e.content, _ = os.Readlink(p)
		}
		if e.kind == unix.S_IFREG || e.kind == unix.S_IFDIR {
			e.xattrs = oracleXattrs(t, p)
		}
		s[rel] = e
		if e.kind == unix.S_IFDIR {
			list, err := os.ReadDir(p)
			if err != nil {
				t.Fatal(err)
			}
			for _, d := range list {
				visit(filepath.Join(rel, d.Name()))
			}
		}
	}
	visit(".")
	return s
}

func oracleXattrs(t testing.TB, p string) string {
	buf := make([]byte, 65536)
	n, err := unix.Llistxattr(p, buf)
	if err != nil {
		t.Fatalf("%s: %v", p, err)
	}
	var list []string
	for _, name := range strings.Split(string(buf[:n]), "\x00") {
		if name == "" || strings.HasPrefix(name, "user.overlay.") || strings.HasPrefix(name, "user.fuseoverlayfs.") || name == "security.selinux" || strings.HasPrefix(name, "trusted.") {
			continue
		}
		value := make([]byte, 65536)
		n, err := unix.Lgetxattr(p, name, value)
		if err != nil {
			t.Fatalf("%s: %s: %v", p, name, err)
		}
		list = append(list, fmt.Sprintf("%s=%q", name, value[:n]))
	}
	slices.Sort(list)
	return strings.Join(list, " ")
}

const whiteoutKind = unix.S_IFCHR | 1

// oracle lists the changes: kind, path, and where it is m or R, what differs.
func oracle(merged, home snapshot, opaque func(rel string) bool, b Backend) []string {
	paths := map[string]bool{}
	for p := range merged {
		paths[p] = true
	}
	for p := range home {
		paths[p] = true
	}
	order := make([]string, 0, len(paths))
	for p := range paths {
		order = append(order, p)
	}
	slices.SortFunc(order, func(x, y string) int {
		if x == y {
			return 0
		}
		if x != "." && (y == "." || inOrder(y, x)) {
			return 1
		}
		return -1
	})
	kinds, flags := map[string]Kind{}, map[string]Flags{}
	for _, p := range order {
		m, inMerged := merged[p]
		h, inHome := home[p]
		unseen := inHome && h.kind == whiteoutKind // to a program, as if it were not there
		switch {
		case !inMerged:
			if !unseen && merged[filepath.Dir(p)].kind == unix.S_IFDIR {
				kinds[p] = Deleted
			}
		case !inHome:
			kinds[p] = Added
		case unseen || m.kind != h.kind:
			kinds[p] = Retyped
		case m.content != h.content:
			kinds[p] = Modified
		default:
			var f Flags
			if p == "." {
				// An upper directory is made with the home's permission bits and nothing else of it.
				m.mode, h.mode, m.owner = m.mode&0o777, h.mode&0o777, h.owner
				if m.xattrs == "" {
					h.xattrs = ""
				}
			}
			if m.mode != h.mode {
				f |= DiffMode
			}
			if m.owner != h.owner && b == Kernel {
				f |= DiffOwner
			}
			if m.xattrs != h.xattrs {
				f |= DiffXattr
			}
			if m.kind == unix.S_IFREG && m.mtime != h.mtime {
				f |= DiffTime
			}
			if f != 0 {
				kinds[p], flags[p] = Meta, f
			}
		}
	}
	// Directories made anew: opaque, the topmost of such, and something in them differs.
	for _, p := range order {
		if p == "." && b == Kernel || merged[p].kind != unix.S_IFDIR || home[p].kind != unix.S_IFDIR || !opaque(p) {
			continue
		}
		above := false
		for d := p; d != "."; {
			d = filepath.Dir(d)
			above = above || opaque(d) && (d != "." || b == Fuse)
		}
		differs := slices.ContainsFunc(order, func(q string) bool {
			return q != p && (p == "." || strings.HasPrefix(q, p+"/")) && kinds[q] != ""
		})
		if !above && differs {
			kinds[p] = Replaced
		}
	}
	var lines []string
	for _, p := range order {
		if kinds[p] != "" {
			lines = append(lines, oracleLine(kinds[p], p, flags[p]))
		}
	}
	return lines
}

func oracleLine(kind Kind, p string, f Flags) string {
	f &= DiffMode | DiffOwner | DiffXattr | DiffTime
	if kind != Meta && kind != Replaced {
		f = 0
	}
	return fmt.Sprintf("%s %q %v", kind, p, f)
}

// isOpaqueIn tells, by plain calls, whether a directory of the upper is marked opaque.
func isOpaqueIn(upper string, b Backend) func(rel string) bool {
	return func(rel string) bool {
		p := filepath.Join(upper, rel)
		buf := make([]byte, 16)
		names := []string{"user.overlay.opaque"}
		if b == Fuse {
			names = append(names, "user.fuseoverlayfs.opaque")
			if _, err := os.Lstat(p + "/.wh..wh..opq"); err == nil {
				return true
			}
		}
		for _, name := range names {
			if n, err := unix.Lgetxattr(p, name, buf); err == nil && string(buf[:n]) == "y" {
				return true
			}
		}
		return false
	}
}

// ask compares Walk with the oracle.
func ask(t testing.TB, merged snapshot, upper, home string, b Backend) ([]Change, bool) {
	t.Helper()
	want := oracle(merged, takeSnapshot(t, home), isOpaqueIn(upper, b), b)
	changes, err := walkAll(t, upper, home, Options{Backend: b})
	if err != nil {
		t.Errorf("Walk: %v", err)
	}
	var got []string
	for _, c := range changes {
		got = append(got, oracleLine(c.Kind, c.Path, c.Flags))
	}
	if slices.Equal(got, want) {
		return changes, true
	}
	for _, line := range got {
		if !slices.Contains(want, line) {
			t.Errorf("Walk alone:   %s", line)
		}
	}
	for _, line := range want {
		if !slices.Contains(got, line) {
			t.Errorf("oracle alone: %s", line)
		}
	}
	return changes, false
}
