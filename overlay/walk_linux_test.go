package overlay

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"cove/internal/testenv"
)

// plantType makes a file of the type, with a content that depends on side.
func plantType(t testing.TB, dir, name string, ty Type, side string) {
	t.Helper()
	switch ty {
	case TypeFile:
		plant(t, dir, "file "+name+" "+side)
	case TypeDir:
		plant(t, dir, "dir "+name, "file "+name+"/"+side+" x", "file "+name+"/both x")
	case TypeSymlink:
		plant(t, dir, "link "+name+" "+side)
	case TypeFifo:
		plant(t, dir, "fifo "+name)
	case TypeSocket:
		plant(t, dir, "sock "+name)
	case TypeWhiteout:
		plant(t, dir, "white "+name)
	}
}

// pairNames calls f for each cell of the table: thrice, as the directory around is plain or opaque, and as a
// directory in it is opaque itself.
func pairNames(f func(dir, name string, upper, home Type, opaque bool)) {
	for _, dir := range []string{"hides", "plain"} {
		for _, h := range sevenTypes {
			for _, u := range sevenTypes {
				name := fmt.Sprintf("%s-on-%s", cmpOr(u), cmpOr(h))
				f(dir, dir+"/"+name, u, h, false)
				if u == TypeDir {
					f(dir, dir+"/"+name+"+", u, h, true)
				}
			}
		}
	}
}

func cmpOr(ty Type) string {
	if ty == "" {
		return "absent"
	}
	return string(ty)
}

// plantPairs makes all cells of the table.
func plantPairs(t testing.TB, upper, home string) {
	t.Helper()
	plant(t, home, "dir plain", "dir hides")
	plant(t, upper, "dir plain", "dir hides", "opaque hides")
	pairNames(func(dir, name string, u, h Type, opaque bool) {
		plantType(t, upper, name, u, "upper")
		plantType(t, home, name, h, "home")
		if opaque {
			plant(t, upper, "opaque "+name)
		}
	})
}

// Every pair of types, in a plain and in an opaque directory, against the table of TestClassify.
func TestEveryPair(t *testing.T) {
	upper, home := twin(t)
	plantPairs(t, upper, home)
	want := map[string]Kind{"hides": Replaced}
	pairNames(func(dir, name string, u, h Type, opaque bool) {
		kind := pairKind(t, u, h)
		if u == TypeAbsent && dir == "plain" {
			kind = ""
		}
		hides := dir == "hides" || opaque
		if u == TypeDir {
			want[name+"/upper"] = Added
			if h != TypeDir {
				want[name+"/both"] = Added
			} else if hides {
				want[name+"/home"] = Deleted
			}
			if h == TypeDir && opaque && dir == "plain" {
				kind = Replaced
			}
		}
		if kind != "" {
			want[name] = kind
		}
	})
	changes, err := walkAll(t, upper, home, Options{})
	if err != nil {
		t.Error(err)
	}
	for _, c := range changes {
		if c.Kind != want[c.Path] {
			t.Errorf("%v: want %q", c, want[c.Path])
		}
		if hidden := strings.HasSuffix(strings.TrimSuffix(c.Path, "+"), "-on-whiteout"); c.Flags.Has(Hidden) != (hidden && c.Kind == Retyped) {
			t.Errorf("%v: hidden", c)
		}
		delete(want, c.Path)
	}
	for p, kind := range want {
		t.Errorf("%s %s was not told", kind, p)
	}
}

func TestNothing(t *testing.T) {
	upper, home := twin(t)
	plant(t, home, "dir d", "file d/f x", "file f x", "white w")
	expect(t, upper, home, Options{})
	// The marks that the kernel leaves on the top.
	plant(t, upper, "xattr . user.overlay.impure=y", "xattr . user.overlay.uuid=0123456789abcdef", "opaque .")
	expect(t, upper, home, Options{})
	plant(t, upper, "mode . 0700")
	expect(t, upper, home, Options{}, "m . (mode)")
	plant(t, home, "mode . 2700")
	expect(t, upper, home, Options{})
	plant(t, upper, "xattr . user.x=1")
	expect(t, upper, home, Options{}, "m . (xattr)")
	plant(t, home, "xattr . user.x=1", "xattr . user.y=1")
	expect(t, upper, home, Options{})
}

func TestCopiedUpAndUnchanged(t *testing.T) {
	upper, home := twin(t)
	both := []string{"dir d", "file d/f x", `file empty ""`, "link l t", "fifo p", "sock s", "file big x", "size big 200000", "mode big 0600", "xattr big user.a=1"}
	plant(t, home, both...)
	plant(t, upper, both...)
	// What the overlay leaves there is not seen by the program; times of directories and special files say nothing.
	plant(t, upper, "xattr d/f user.overlay.origin=", "xattr d user.overlay.impure=y", "xattr empty user.overlay.overlay.x=1", "xattr big user.fuseoverlayfs.origin=x",
		"time d 5", "time l 5", "time p 5", "time s 5")
	expect(t, upper, home, Options{})
	expect(t, upper, home, Options{Backend: Fuse})
}

func TestContent(t *testing.T) {
	for _, size := range []string{"1", "65535", "65536", "65537", "131072", "1000000"} {
		upper, home := twin(t)
		plant(t, home, "file f x", "size f "+size, "file g x", "size g "+size)
		plant(t, upper, "file f y", "size f "+size, "file g x", "size g "+size)
		expect(t, upper, home, Options{}, "M f") // same size and time: forged
	}
	upper, home := twin(t)
	text := strings.Repeat("0123456789abcdef", 10_000)
	for _, at := range []int{0, 65_535, 65_536, 65_537, 100_000, len(text) - 1} {
		name := fmt.Sprintf("at-%06d", at)
		plant(t, home, "file "+name+" "+text)
		plant(t, upper, "file "+name+" "+text[:at]+"~"+text[at+1:])
	}
	plant(t, home, "file same "+text, "file shorter "+text, "file longer x")
	plant(t, upper, "file same "+text, "file shorter x", "file longer "+text)
	changes := expect(t, upper, home, Options{}, "M at-000000", "M at-065535", "M at-065536", "M at-065537", "M at-100000", "M at-159999", "M longer", "M shorter")
	if c := changes[6]; c.Before.Size != 1 || c.After.Size != 160_000 || c.Before.Type != TypeFile || c.After.Mode != 0o644 || c.Before.MTime.Unix() != aDay {
		t.Errorf("%+v", c)
	}
}

func TestMetadata(t *testing.T) {
	upper, home := twin(t)
	both := []string{"file mode x", "file time x", "file xattr x", "file moved x", "file all x", "file gone x", "dir dir", "dir dirx", `file empty ""`, "fifo fifo", "link link x"}
	plant(t, home, both...)
	plant(t, upper, both...)
	plant(t, home, "xattr gone user.a=1", "xattr moved user.a=1", "xattr xattr user.a=1", "mode all 0755")
	plant(t, upper, "mode mode 0755", "time time 7", "xattr xattr user.a=2", "xattr moved user.b=1", "xattr all user.c=1", "time all 3",
		"mode dir 0700", "xattr dirx user.d=1", "xattr empty user.e=1", "mode fifo 0600")
	changes := expect(t, upper, home, Options{}, "m all (mode,xattr,mtime)", "m dir (mode)", "m dirx (xattr)", "m empty (xattr)", "m fifo (mode)", "m gone (xattr)",
		"m mode (mode)", "m moved (xattr)", "m time (mtime)", "m xattr (xattr)")
	if c := changes[6]; c.Before.Mode != 0o644 || c.After.Mode != 0o755 {
		t.Errorf("%+v", c)
	}
	long := strings.Repeat("v", 1500)
	plant(t, home, "file long x", "xattr long user.long="+long)
	plant(t, upper, "file long x", "xattr long user.long="+long)
	for i := range 6 { // a list of names that is longer than one expects
		name := fmt.Sprintf("user.%s%d=1", strings.Repeat("n", 100), i)
		plant(t, home, "xattr long "+name)
		plant(t, upper, "xattr long "+name)
	}
	if got, _ := walkAll(t, upper, home, Options{}); len(got) != 10 {
		t.Errorf("with long attributes:\n%s", show(got))
	}
	plant(t, upper, "xattr long user.long="+long[:1499]+"w")
	if got, _ := walkAll(t, upper, home, Options{}); len(got) != 11 || got[6].String() != `m "long" (xattr)` {
		t.Errorf("with long attributes:\n%s", show(got))
	}
}

// posixACL is an ACL that gives user 4242 what group and others have not: acl(5), linux/posix_acl_xattr.h.
const posixACL = "\x02\x00\x00\x00\x01\x00\x06\x00\xff\xff\xff\xff\x02\x00\x04\x00\x92\x10\x00\x00\x04\x00\x04\x00\xff\xff\xff\xff\x10\x00\x04\x00\xff\xff\xff\xff\x20\x00\x04\x00\xff\xff\xff\xff"

func TestACL(t *testing.T) {
	upper, home := twin(t)
	plant(t, home, "file f x", "dir d")
	plant(t, upper, "file f x", "dir d")
	for p, name := range map[string]string{"f": "system.posix_acl_access", "d": "system.posix_acl_default"} {
		if err := unix.Lsetxattr(upper+"/"+p, name, []byte(posixACL), 0); err != nil {
			testenv.Need(t, "ACLs", err)
		}
	}
	expect(t, upper, home, Options{}, "m d (xattr)", "m f (xattr)")
}

func TestCapability(t *testing.T) {
	upper, home := twin(t)
	// linux/capability.h: VFS_CAP_REVISION_2, effective; cap_net_raw. In a user namespace it is kept as revision 3.
	capability := "\x01\x00\x00\x02\x00\x20\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"
	both := []string{"file same x", "mode same 0755", "file more x", "mode more 0755", "file other x", "mode other 0755"}
	plant(t, home, both...)
	plant(t, upper, both...)
	plant(t, upper, "file new x", "mode new 0755", "file noexec x", "file other xy", "fifo fifo")
	for _, p := range []string{home + "/same", upper + "/same", upper + "/more", upper + "/other", upper + "/new", upper + "/noexec"} {
		if err := unix.Lsetxattr(p, attrCaps, []byte(capability), 0); err != nil {
			// Only root can; in a sandbox the program is root enough for it.
			if !inUserns(t, 0) {
				return
			}
			testenv.Need(t, "file capabilities", err)
		}
	}
	expect(t, upper, home, Options{}, "A fifo (special)", "m more (xattr,capability)", "A new (capability)", "A noexec", "M other (capability)")
}

func TestWarnings(t *testing.T) {
	upper, home := twin(t)
	plant(t, home, "file one x", "hard two one", "hard three one", "hard four one", "file kept x", "mode kept 4755", "file suid x")
	plant(t, upper, "file kept y", "mode kept 4755", "file one y", "white two", "link three one", "file four x", "mode four 0600", "file suid x", "mode suid 6755",
		"file a x", "hard b a", "sock sock", "link link /etc/passwd")
	changes := expect(t, upper, home, Options{}, "A a", "A b", "m four (mode,hard-link)", "M kept", "A link", "M one (hard-link)", "A sock (special)", "m suid (mode,setuid,setgid)",
		"T three (hard-link)", "D two")
	if a, b := changes[0].After, changes[1].After; a.Inode != b.Inode || a.Links != 2 || b.Links != 2 {
		t.Errorf("%+v and %+v are one file", a, b)
	}
	if c := changes[5]; c.Before.Links != 4 {
		t.Errorf("%+v has four names", c.Before)
	}
	if c := changes[4]; c.After.Target != "/etc/passwd" {
		t.Errorf("%+v", c)
	}
	if c := changes[8]; c.Before.Type != TypeFile || c.After.Type != TypeSymlink || c.After.Target != "one" {
		t.Errorf("%+v", c)
	}
	if c := changes[9]; c.Before.Type != TypeFile || c.After != (Attr{}) {
		t.Errorf("%+v", c)
	}
}

func TestOpaque(t *testing.T) {
	upper, home := twin(t)
	tree := []string{"dir d", "file d/f x", "dir d/sub", "file d/sub/g x", "dir d/sub/deep", "link d/l t"}
	plant(t, home, tree...)
	plant(t, upper, tree...)
	plant(t, upper, "opaque d")
	t.Run("made anew and the same", func(t *testing.T) { expect(t, upper, home, Options{}) })
	plant(t, upper, "mode d 0700", "xattr d user.x=1")
	t.Run("but for its mode", func(t *testing.T) { expect(t, upper, home, Options{}, "m d (mode,xattr)") })
	plant(t, home, "file d/sub/h x")
	t.Run("something is missing deep below", func(t *testing.T) {
		expect(t, upper, home, Options{}, "R d (mode,xattr)", "D d/sub/h")
	})
	plant(t, upper, "opaque d/sub", "file d/a x")
	t.Run("opaque in opaque", func(t *testing.T) {
		expect(t, upper, home, Options{}, "R d (mode,xattr)", "A d/a", "D d/sub/h")
	})
	plant(t, upper, "white d/sub/h", "white d/nothing")
	t.Run("whiteouts in it say nothing new", func(t *testing.T) {
		expect(t, upper, home, Options{}, "R d (mode,xattr)", "A d/a", "D d/sub/h")
	})
	plant(t, home, "dir d/sub/gone", "file d/sub/gone/x x", "fifo d/zz")
	t.Run("directories once", func(t *testing.T) {
		expect(t, upper, home, Options{}, "R d (mode,xattr)", "A d/a", "D d/sub/gone", "D d/sub/h", "D d/zz")
	})

	upper, home = twin(t)
	plant(t, home, "dir a", "dir a/b", "dir a/b/c", "file a/b/c/f x", "dir x", "file x/f x")
	plant(t, upper, "dir a", "opaque a", "dir a/b", "mode a/b 0700", "dir a/b/c", "dir x", "xattr x user.overlay.opaque=x")
	t.Run("replaced before what is in it", func(t *testing.T) {
		expect(t, upper, home, Options{}, "R a", "m a/b (mode)", "D a/b/c/f")
	})
	plant(t, upper, "xattr x user.overlay.opaque=yes")
	t.Run("only y is opaque to the kernel", func(t *testing.T) { expect(t, upper, home, Options{}, "R a", "m a/b (mode)", "D a/b/c/f") })
	t.Run("but to fuse-overlayfs", func(t *testing.T) {
		expect(t, upper, home, Options{Backend: Fuse}, "R a", "m a/b (mode)", "D a/b/c/f", "R x", "D x/f")
	})
	// A directory that was moved is opaque, though the home never had it: nothing in it was deleted.
	plant(t, upper, "dir new", "opaque new", "file new/f x")
	t.Run("where the home has none", func(t *testing.T) {
		expect(t, upper, home, Options{}, "R a", "m a/b (mode)", "D a/b/c/f", "A new", "A new/f")
	})
}

func TestXattrWhiteout(t *testing.T) {
	upper, home := twin(t)
	plant(t, home, "dir d", "file d/f x", "file f x", "file full x", "file plain x")
	plant(t, upper, "dir d", "xattr d user.overlay.opaque=x", `file d/f ""`, "xattr d/f user.overlay.whiteout=y", `file f ""`, "xattr f user.overlay.whiteout=",
		`file orphan ""`, "xattr orphan user.overlay.whiteout=y", "file full y", "xattr full user.overlay.whiteout=y", `file plain ""`)
	changes := expect(t, upper, home, Options{}, "D d/f", "D f", "M full", "M plain")
	if c := changes[0]; c.After != (Attr{}) {
		t.Errorf("%+v", c)
	}
	expect(t, upper, home, Options{Backend: Fuse}, "M d/f", "M f", "M full", "A orphan", "M plain")
}

func TestFuseFormat(t *testing.T) {
	upper, home := twin(t)
	plant(t, home, "dir d", "file d/a x", "file d/b x", "dir o", "file o/a x", "file o/b x", "file f x", "file dev x", "dir x", "file x/a x", "file both x", "dir tree", "file tree/a x", "file .wh.home x")
	plant(t, upper, "dir d", `file d/.wh.a ""`, `file d/.wh.orphan ""`, "dir o", `file o/.wh..wh..opq ""`, "file o/b x", `file o/.wh.c ""`, `file .wh.f ""`, "white dev",
		"dir x", "xattr x user.fuseoverlayfs.opaque=y", `file .wh.both ""`, "file both y", "dir .wh.tree", "file .wh.tree/a x", `file .wh.. ""`, `file .wh... ""`, `file .wh. ""`, "file .xh x")
	want := []string{"A .xh", "M both", "D d/a", "D dev", "D f", "R o", "D o/a", "D tree", "R x", "D x/a"}
	expect(t, upper, home, Options{Backend: Fuse}, want...)
	// To the kernel these are names like others: mixing the two up must not go unseen.
	changes, _ := walkAll(t, upper, home, Options{Backend: Kernel})
	if got := show(changes); !strings.Contains(got, "A o/.wh..wh..opq\n") || strings.Contains(got, "D o/a") {
		t.Error(got)
	}
	// Files .wh.* of the home itself are not seen through fuse-overlayfs, so they are not deleted through it.
	upper, home = twin(t)
	plant(t, home, "dir o", "file o/.wh.x x", "file o/y x")
	plant(t, upper, "dir o", `file o/.wh..wh..opq ""`)
	expect(t, upper, home, Options{Backend: Fuse}, "R o", "D o/y")
}

func TestHidden(t *testing.T) {
	upper, home := twin(t)
	plant(t, home, "dir .ssh", "file .ssh/id x", "mode .ssh 0700", "dir .config", "dir .config/app", "file .config/app/secret x", "file .config/free x",
		"dir gone", "dir gone/deep", "file gone/deep/secret x", "dir harmless", "file typed x", "dir new", "dir new/secret", "file plain x")
	plant(t, upper, "dir .ssh", "file .ssh/id y", "file .ssh/config x", "file .sshx x", "dir .config", "dir .config/app", "file .config/app/secret y",
		"file .config/free y", "white gone", "white harmless", "dir new", "opaque new", "dir typed", "file typed/x x")
	opts := Options{Hidden: []string{".ssh", "./.config/app/secret", "gone/deep/secret", "harmless/none", "typed/x", "new/secret", "absent"}}
	expect(t, upper, home, opts, "M .config/app/secret (hidden)", "M .config/free", "m .ssh (mode,hidden)", "A .ssh/config (hidden)", "M .ssh/id (hidden)", "A .sshx",
		"D gone (hidden)", "D harmless", "R new (hidden)", "D new/secret (hidden)", "T typed", "A typed/x (hidden)")
}

// Directories above what was hidden, or above a mount point, were copied up from a layer that has only their modes.
func TestDirectoriesOfTheFront(t *testing.T) {
	upper, home := twin(t)
	for _, d := range []string{".config", "src", "other"} {
		plant(t, home, "dir "+d, "xattr "+d+" user.a=1", "dir "+d+"/sub", "xattr "+d+"/sub user.b=1")
		plant(t, upper, "dir "+d, "dir "+d+"/sub", "xattr "+d+"/sub user.b=1", "file "+d+"/x x")
	}
	opts := Options{Hidden: []string{".config/secret"}, Mounts: []string{"src/project"}}
	expect(t, upper, home, opts, "A .config/x", "m other (xattr)", "A other/x", "A src/x")
	plant(t, upper, "mode src 0700", "xattr .config user.a=2", "xattr .config user.c=3")
	expect(t, upper, home, opts, "m .config (xattr)", "A .config/x", "m other (xattr)", "A other/x", "m src (mode)", "A src/x")
	if os.Getuid() == 0 {
		if err := os.Lchown(home+"/src", 12, 34); err != nil {
			t.Fatal(err)
		}
		if err := os.Lchown(home+"/src/sub", 12, 34); err != nil {
			t.Fatal(err)
		}
		expect(t, upper, home, opts, "m .config (xattr)", "A .config/x", "m other (xattr)", "A other/x", "m src (mode)", "m src/sub (owner)", "A src/x")
		opts.Backend = Fuse
		expect(t, upper, home, opts, "m .config (xattr)", "A .config/x", "m other (xattr)", "A other/x", "m src (mode)", "A src/x")
	}
}

// What was made before the program ran is not its change, as long as it is as it was made.
func TestMade(t *testing.T) {
	upper, home := t.TempDir(), t.TempDir()
	plant(t, upper, `
		dir mnt
		dir run
		dir run/lock
		file run/lock/mine x
		file null
		file full something
		link var /usr/var
		link opt /tmp/evil
		fifo tmp
		white gone`)
	plant(t, home, "dir gone")
	made := map[string]string{"mnt": "", "run": "", "null": "", "full": "", "var": "/usr/var", "opt": "/usr/opt", "tmp": "", "gone": "", "not": ""}
	var got []string
	err := Walk(t.Context(), openPath(t, upper), openPath(t, home), Options{Made: made}, func(c Change) error {
		got = append(got, string(c.Kind)+" "+c.Path)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	want := "A full, D gone, A opt, A run/lock, A run/lock/mine, A tmp"
	if got := strings.Join(got, ", "); got != want {
		t.Errorf("got %s", got)
	}
	if n, err := Count(t.Context(), upper, home, Options{Made: made}); n != len(got) || err != nil {
		t.Errorf("%d counted, %v", n, err)
	}
}
