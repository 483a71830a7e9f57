package overlay

import (
	"errors"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// fuzzNames are names in which something may hide.
var fuzzNames = []string{
	"a", "b", "c", ".wh.a", ".wh.b", ".wh.", ".wh..", ".wh...", ".wh..wh..opq", ".wh..wh.", ".wh..wh.a", ".wh", "\n", "\xff", "...", "-", "a.", "A",
	"n" + strings.Repeat("\xc3", 254), ".wh." + strings.Repeat("n", 251),
}

var fuzzAttrs = [][2]string{
	{"user.overlay.opaque", "y"}, {"user.overlay.opaque", "x"}, {"user.overlay.opaque", ""}, {"user.overlay.opaque", "yy"}, {"user.overlay.whiteout", ""},
	{"user.fuseoverlayfs.opaque", "y"}, {"user.fuseoverlayfs.opaque", "n"}, {"user.overlay.redirect", "/etc"}, {"user.overlay.metacopy", ""},
	{"user.overlay.origin", "\x00\xfb"}, {"user.overlay.overlay.opaque", "y"}, {"user.a", "1"}, {"user.a", "2"}, {"user.b", ""}, {"user." + strings.Repeat("x", 250), strings.Repeat("v", 300)},
}

// plantBytes makes a pair of trees as data says: of each four bytes one says on which sides and what, two where, and
// one how. It returns what makes them removable again.
func plantBytes(data []byte, upper, home string) (undo func()) {
	sides := [2]string{upper, home}
	dirs := []string{"."}
	modes := map[string]bool{}
	for len(data) >= 4 && len(dirs) < 64 {
		op, where, name, how := data[0], data[1], data[2], data[3]
		data = data[4:]
		rel := dirs[int(where)%len(dirs)] + "/" + fuzzNames[int(name)%len(fuzzNames)]
		isDir := op>>2&15 == 1 || op>>2&15 == 2
		for i, side := range sides {
			if op&(1<<i) == 0 {
				continue
			}
			p := side + "/" + rel
			switch op >> 2 & 15 {
			case 0, 14, 15:
				// What is there may be a fifo, or a link.
				if fd, err := unix.Open(p, unix.O_WRONLY|unix.O_CREAT|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0o644); err == nil {
					unix.Write(fd, []byte(strings.Repeat(string(rune('a'+how%3)), int(how>>4))))
					unix.Close(fd)
					plantOne(side, "time", p, "1000000000")
				}
			case 1, 2:
				unix.Mkdir(p, 0o755)
			case 3:
				plantOne(side, "link", p, fuzzNames[int(how)%len(fuzzNames)])
			case 4:
				unix.Link(side+"/"+dirs[int(how)%len(dirs)]+"/a", p)
			case 5:
				plantOne(side, "fifo", p, "")
			case 6:
				plantOne(side, "sock", p, "")
			case 7, 8:
				plantOne(side, "white", p, "")
			case 9:
				unix.Truncate(p, []int64{0, 1, 70_000, 1 << 40}[how%4])
			case 10:
				plantOne(side, "time", p, "77")
			case 11:
				var st unix.Stat_t
				if unix.Lstat(p, &st) == nil && st.Mode&unix.S_IFMT != unix.S_IFLNK {
					unix.Chmod(p, []uint32{0, 0o7777, 0o644, 0o100, 0o400, 0o755}[how%6])
					modes[p] = true
				}
			default:
				a := fuzzAttrs[int(how)%len(fuzzAttrs)]
				unix.Lsetxattr(p, a[0], []byte(a[1]), 0)
			}
		}
		if isDir {
			dirs = append(dirs, rel)
		}
	}
	return func() {
		for range 3 { // some lie in others
			for p := range modes {
				unix.Chmod(p, 0o755)
			}
		}
	}
}

func FuzzWalk(f *testing.F) {
	f.Add([]byte("\x07\x00\x00\x00\x03\x01\x00\x50\x02\x01\x01\x50\x31\x00\x00\x00"))         // an opaque directory, a file on both sides, one in the home
	f.Add([]byte("\x07\x00\x00\x00\x01\x01\x03\x00\x02\x01\x00\x10\x01\x01\x08\x00"))         // .wh.a and .wh..wh..opq
	f.Add([]byte("\x07\x00\x06\x00\x01\x00\x06\x00\x01\x00\x07\x00\x01\x00\x05\x00"))         // .wh.., .wh... and .wh.
	f.Add([]byte("\x03\x00\x00\x10\x02\x00\x01\x10\x1d\x00\x01\x00\x15\x00\x02\x00\x16\x00")) // a whiteout and a fifo
	f.Add([]byte("\x07\x00\x00\x00\x03\x01\x00\x50\x2f\x00\x00\x00\x2f\x00\x00\x03"))         // directories that may not be read
	f.Add([]byte("\x03\x00\x00\x10\x27\x00\x00\x03\x31\x00\x00\x04\x01\x00\x01\x00"))         // 1 TiB, and a whiteout by attribute
	base := quickDir(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > 400 {
			return
		}
		dir, err := os.MkdirTemp(base, "")
		if err != nil {
			t.Fatal(err)
		}
		upper, home := twinIn(t, dir)
		undo := plantBytes(data, upper, home)
		defer os.RemoveAll(dir)
		defer undo()
		for _, b := range []Backend{Kernel, Fuse} {
			// What is true of every walk, walkAll checks.
			changes, err := walkAll(t, upper, home, Options{Backend: b, Hidden: []string{"a/b", "c"}, Mounts: []string{"b/a"}})
			var unreadable *UnreadableError
			if err != nil && (!errors.As(err, &unreadable) || os.Geteuid() == 0) {
				t.Errorf("%s: %v", b, err)
			}
			for _, c := range changes {
				checkChange(t, c, upper, home)
			}
		}
	})
}

// checkChange compares a change with what is there.
func checkChange(t *testing.T, c Change, upper, home string) {
	t.Helper()
	var u, h unix.Stat_t
	inUpper, inHome := statBeneath(openPath(t, upper), c.Path, &u), statBeneath(openPath(t, home), c.Path, &h)
	if inHome == unix.EACCES || inUpper == unix.EACCES {
		t.Errorf("%v: how could that be known?", c)
		return
	}
	if (c.Kind == Added) != (inHome == unix.ENOENT || inHome == unix.ENOTDIR || inHome == unix.ELOOP) {
		t.Errorf("%v: the home says %v", c, inHome)
	}
	if c.Kind != Deleted && inUpper != nil {
		t.Errorf("%v: the upper says %v", c, inUpper)
	}
	a := attrOf(&h)
	b := attrOf(&u)
	switch {
	case c.Kind == Deleted && c.After != (Attr{}), c.Kind != Deleted && (c.After.Type != b.Type || c.After.Mode != b.Mode || c.After.Size != b.Size):
		t.Errorf("%v: after is %+v, the upper has %+v", c, c.After, b)
	case c.Kind == Added && c.Before != (Attr{}), c.Kind != Added && (c.Before.Type != a.Type || c.Before.Mode != a.Mode || c.Before.Size != a.Size):
		t.Errorf("%v: before is %+v, the home has %+v", c, c.Before, a)
	case c.Kind == Retyped && c.Before.Type == c.After.Type, (c.Kind == Modified || c.Kind == Meta) && c.Before.Type != c.After.Type, c.Kind == Replaced && (c.Before.Type != TypeDir || c.After.Type != TypeDir):
		t.Errorf("%v: %s and %s", c, c.Before.Type, c.After.Type)
	case c.Kind == Meta && !c.Flags.Has(DiffMode|DiffOwner|DiffXattr|DiffTime):
		t.Errorf("%v: what differs?", c)
	}
}
