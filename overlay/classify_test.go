package overlay

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// sevenTypes, in the order of the table.
var sevenTypes = []Type{TypeAbsent, TypeFile, TypeDir, TypeSymlink, TypeFifo, TypeSocket, TypeWhiteout}

// pairTable is the class of every pair of types, with different content where both can have one: rows are the upper's,
// columns the home's. "-" is no change. An absent upper is a name that an opaque directory lacks.
const pairTable = `
            absent  file  dir  symlink  fifo  socket  whiteout
absent      -       D     D    D        D     D       -
file        A       M     T    T        T     T       T
dir         A       T     -    T        T     T       T
symlink     A       T     T    M        T     T       T
fifo        A       T     T    T        -     T       T
socket      A       T     T    T        T     -       T
whiteout    -       D     D    D        D     D       -`

// pairKind looks up the table.
func pairKind(t testing.TB, upper, home Type) Kind {
	t.Helper()
	word := func(ty Type) string {
		if ty == TypeAbsent {
			return "absent"
		}
		return string(ty)
	}
	lines := strings.Split(strings.TrimSpace(pairTable), "\n")
	for _, line := range lines[1:] {
		cells := strings.Fields(line)
		for i, column := range strings.Fields(lines[0]) {
			if cells[0] == word(upper) && column == word(home) {
				return Kind(strings.TrimPrefix(cells[i+1], "-"))
			}
		}
	}
	t.Fatalf("no cell for %q over %q", upper, home)
	return ""
}

func TestClassify(t *testing.T) {
	looks := map[Type]look{TypeFile: lookBytes, TypeDir: lookInside, TypeSymlink: lookText, TypeFifo: lookAttr, TypeSocket: lookAttr}
	for _, u := range sevenTypes {
		for _, h := range sevenTypes {
			upper, home := &Attr{Type: u, Size: 1}, &Attr{Type: h, Size: 2}
			kind, look := classify(upper, home)
			want, wantLook := pairKind(t, u, h), lookNowhere
			if u == h && u != TypeFile && !u.nothing() {
				wantLook = looks[u]
			}
			if want == Modified && u == TypeSymlink {
				want = "" // it takes a look
			}
			if kind != want || look != wantLook {
				t.Errorf("%q over %q is %q, look %d; want %q, look %d", u, h, kind, look, want, wantLook)
			}
			upper.Size = 2
			if kind, look := classify(upper, home); u == h && !u.nothing() && (kind != "" || look != looks[u]) {
				t.Errorf("%q over its like is %q, look %d; want a look %d", u, kind, look, looks[u])
			}
		}
	}
	// What no program in a sandbox can make is told all the same.
	if kind, _ := classify(&Attr{Type: TypeDevice, rdev: 1}, &Attr{Type: TypeDevice, rdev: 2}); kind != Modified {
		t.Errorf("another device is %q", kind)
	}
	if kind, _ := classify(&Attr{Type: TypeDevice, rdev: 1}, &Attr{}); kind != Added {
		t.Errorf("a new device is %q", kind)
	}
}

func TestAttrFlags(t *testing.T) {
	base := Attr{Type: TypeFile, Mode: 0o644, UID: 1, GID: 2, MTime: time.Unix(5, 6)}
	with := func(change func(*Attr)) Attr { a := base; change(&a); return a }
	dir := func(a Attr) Attr { a.Type = TypeDir; return a }
	for i, c := range []struct {
		upper, home Attr
		backend     Backend
		want        string
	}{
		{base, base, Kernel, ""},
		{with(func(a *Attr) { a.Mode = 0o600 }), base, Kernel, "mode"},
		{with(func(a *Attr) { a.UID = 9 }), base, Kernel, "owner"},
		{with(func(a *Attr) { a.GID = 9 }), base, Kernel, "owner"},
		{with(func(a *Attr) { a.GID = 9 }), base, Fuse, ""},
		{with(func(a *Attr) { a.MTime = time.Unix(5, 7) }), base, Kernel, "mtime"},
		{with(func(a *Attr) { a.Links, a.Inode, a.dev = 5, 6, 7 }), base, Kernel, ""},
		{dir(with(func(a *Attr) { a.MTime = time.Unix(5, 7); a.Mode = 0o1777 })), dir(base), Kernel, "mode"},
		{dir(base), base, Kernel, ""},
	} {
		if got := attrFlags(&c.upper, &c.home, c.backend).String(); got != c.want {
			t.Errorf("%d: %q, want %q", i, got, c.want)
		}
	}
}

func TestWarnFlags(t *testing.T) {
	file := func(mode Mode, links uint32) Attr { return Attr{Type: TypeFile, Mode: mode, Links: links} }
	none := Attr{}
	for _, c := range []struct {
		kind        Kind
		upper, home Attr
		want        string
	}{
		{Added, file(0o644, 1), none, ""},
		{Added, file(0o6755, 2), none, "setuid,setgid"},
		{Modified, file(0o4755, 1), file(0o4755, 1), ""},
		{Modified, file(0o6755, 1), file(0o4755, 1), "setgid"},
		{Meta, file(0o4755, 1), file(0o755, 3), "setuid,hard-link"},
		{Retyped, file(0o4755, 1), Attr{Type: TypeDir, Mode: 0o4755, Links: 9}, "setuid"},
		{Retyped, Attr{Type: TypeSymlink}, file(0o644, 2), "hard-link"},
		{Deleted, none, file(0o4644, 2), ""},
		{Added, Attr{Type: TypeDir, Mode: 0o2755, Links: 4}, none, ""},
		{Added, Attr{Type: TypeFifo}, none, "special"},
		{Added, Attr{Type: TypeSocket}, none, "special"},
		{Retyped, Attr{Type: TypeDevice}, file(0, 1), "special"},
		{Deleted, none, Attr{Type: TypeFifo}, ""},
		{Retyped, file(0o644, 1), Attr{Type: TypeWhiteout, Links: 7}, "hidden"},
		{Meta, Attr{Type: TypeFifo}, Attr{Type: TypeFifo}, ""},
	} {
		if got := warnFlags(c.kind, &c.upper, &c.home).String(); got != c.want {
			t.Errorf("%s %v over %v: %q, want %q", c.kind, c.upper, c.home, got, c.want)
		}
	}
}

func TestCounts(t *testing.T) {
	for name, want := range map[string]bool{
		"user.mime_type": true, "user.overlay": true, "user.overlays.x": true, "system.posix_acl_access": true,
		"system.posix_acl_default": true, "security.capability": true,
		"user.overlay.opaque": false, "user.overlay.overlay.opaque": false, "user.fuseoverlayfs.origin": false,
		"security.selinux": false, "security.ima": false, "trusted.overlay.opaque": false, "system.nfs4_acl": false, "": false,
	} {
		if counts(name) != want {
			t.Errorf("counts(%q) = %v", name, !want)
		}
	}
}

func TestMasks(t *testing.T) {
	m := newMasks([]string{".ssh", "a/b/", "./c"}, []string{"src/project"})
	for _, c := range []struct {
		path        string
		at, isFront bool
	}{
		{"", false, true}, {".ssh", true, false}, {".ssh/x", false, false}, {".sshx", false, false}, {"a", false, true},
		{"a/b", true, false}, {"c", true, false}, {"src", false, true}, {"src/project", false, false}, {"sr", false, false},
	} {
		if at, front := m.at([]byte(c.path)), m.frontDir([]byte(c.path)); at != c.at || front != c.isFront {
			t.Errorf("%q: %v %v, want %v %v", c.path, at, front, c.at, c.isFront)
		}
	}
	if m := newMasks([]string{"."}, nil); !m.at(nil) || m.at([]byte("x")) || m.frontDir(nil) {
		t.Error("the home itself")
	}
}

func TestSift(t *testing.T) {
	names := func(s string) []string { return strings.Fields(s) }
	for _, c := range []struct {
		backend        Backend
		in             string
		files, deleted string
		opaque         bool
	}{
		{Kernel, ".wh..wh..opq .wh.a b", ".wh..wh..opq .wh.a b", "", false},
		{Fuse, "-x .wg a b", "-x .wg a b", "", false},
		{Fuse, "-x .wh..wh..opq a", "-x a", "", true},
		{Fuse, "-x .wh.a .wh.c .wi b c", "-x .wi b c", "a", false},
		{Fuse, ".wh. .wh.. .wh... .wh..wh.a .wh..wh..wh. .wh.b", "", "b", false}, // "", ".", "..", and names never shown
		{Fuse, ".wh..a .wh.....", "", ".a ....", false},
		{Fuse, "", "", "", false},
	} {
		files, deleted, opaque := c.backend.sift(names(c.in))
		if got := fmt.Sprint(files, deleted, opaque); got != fmt.Sprint(names(c.files), names(c.deleted), c.opaque) {
			t.Errorf("%s %q: %s", c.backend, c.in, got)
		}
	}
	for _, c := range []struct {
		backend           Backend
		home, files, want string
	}{
		{Kernel, "a b c d", "b d", "a c"}, {Kernel, "a", "", "a"}, {Kernel, "", "a", ""}, {Kernel, "b", "a c", "b"},
		{Kernel, ".wh.a b", "b", ".wh.a"}, {Fuse, ".wh.a b", "b", ""},
	} {
		if got := c.backend.missing(names(c.home), names(c.files)); fmt.Sprint(got) != fmt.Sprint(names(c.want)) {
			t.Errorf("%s: %q of %q are missing: %q", c.backend, c.home, c.files, got)
		}
	}
}
