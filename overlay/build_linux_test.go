package overlay

import (
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"cove/internal/testenv"
)

func lstat(t *testing.T, p string) (st unix.Stat_t) {
	t.Helper()
	if err := unix.Lstat(p, &st); err != nil {
		t.Fatalf("%s: %v", p, err)
	}
	return st
}

// build makes the layer f before home.
func build(front, home string, f Front) error {
	return Build(front, f.Entries(func(rel string) (uint32, int64, bool) {
		var st unix.Stat_t
		fd, err := unix.Open(home, unix.O_PATH|unix.O_DIRECTORY, 0)
		if err != nil {
			return 0, 0, false
		}
		defer unix.Close(fd)
		if statBeneath(fd, rel, &st) != nil || st.Mode&unix.S_IFMT != unix.S_IFDIR {
			return 0, 0, false
		}
		return st.Mode & 0o7777, st.Mtim.Nano(), true
	}))
}

func TestBuild(t *testing.T) {
	_, home := twin(t)
	outside := t.TempDir()
	plant(t, outside, "file secret x")
	plant(t, home, "mode . 0750", "dir .ssh", "file .ssh/id x", "dir .config", "dir .config/app", "file .config/app/secret x", "mode .config/app 1711", "dir src", "mode src 2775",
		"link link "+outside)
	for _, d := range []string{".config/app", ".config", "src"} {
		plant(t, home, "time "+d+" 1234")
	}
	front := t.TempDir() + "/front"
	f := Front{
		Hide:  []string{".ssh", ".config/app/secret", "link/secret", "none/x"},
		Dirs:  []string{"src/project", ".ssh/agent"},
		Files: []string{".config/file"},
	}
	before := takeSnapshot(t, home)
	if err := build(front, home, f); err != nil {
		testenv.Need(t, "attributes of users", ignoreNot(err, unix.ENOTSUP))
		t.Fatal(err)
	}
	if len(before) != len(takeSnapshot(t, home)) || len(takeSnapshot(t, outside)) != 2 {
		t.Error("Build wrote elsewhere")
	}

	for p, want := range map[string]struct {
		mode  uint32
		mtime int64 // 0: any
	}{
		".ssh": {unix.S_IFDIR | 0o755, 0}, ".ssh/agent": {unix.S_IFDIR | 0o755, 0},
		".config": {unix.S_IFDIR | 0o755, 1234}, ".config/app": {unix.S_IFDIR | 0o1711, 1234}, ".config/app/secret": {unix.S_IFCHR, 0},
		".config/file": {unix.S_IFREG | 0o644, 0}, "src": {unix.S_IFDIR | 0o2775, 1234}, "src/project": {unix.S_IFDIR | 0o755, 0},
	} {
		st := lstat(t, front+"/"+p)
		if st.Mode != want.mode || st.Rdev != 0 || want.mtime != 0 && st.Mtim.Sec != want.mtime {
			t.Errorf("%s has mode %o and time %d, want %o and %d", p, st.Mode, st.Mtim.Sec, want.mode, want.mtime)
		}
	}
	if n := len(takeSnapshot(t, front)); n != 9 {
		t.Errorf("it made %d files, want 9", n)
	}
	for _, b := range []Backend{Kernel, Fuse} {
		for p, want := range map[string]bool{".ssh": true, ".ssh/agent": false, ".config": false, "src": false} {
			if isOpaqueIn(front, b)(p) != want {
				t.Errorf("%s: %s is opaque: %v", b, p, !want)
			}
		}
	}

	// Anew, over what an earlier run left.
	if err := build(front, home, Front{Hide: []string{"src"}}); err != nil {
		t.Fatal(err)
	}
	if s := takeSnapshot(t, front); len(s) != 2 || s["src"].kind != whiteoutKind {
		t.Errorf("the layer holds what an earlier run hid: %v", s)
	}

	if err := build(front+"/none/x", home, f); err == nil || !strings.HasPrefix(err.Error(), "cannot make the layer before the home in "+front) {
		t.Errorf("in a directory that is not there: %v", err)
	}
}

// ignoreNot returns err if it is that errno.
func ignoreNot(err error, errno unix.Errno) error {
	if strings.Contains(err.Error(), errno.Error()) {
		return err
	}
	return nil
}

// A front, mounted: what it hides is not there, what the program makes of it is told as what it never saw.
func TestFrontMounted(t *testing.T) {
	if !inUserns(t, os.Getuid()) {
		return
	}
	dir := quickDir(t)
	mkdirs(t, dir+"/work", dir+"/merged")
	upper, home := twinIn(t, dir)
	plant(t, home, "dir .ssh", "file .ssh/id x", "dir .config", "xattr .config user.a=1", "file .config/secret x", "file .config/free x", "dir keep", "file keep/f x",
		"dir gone", "file gone/secret x", "dir src", "xattr src user.b=1")
	f := Front{Hide: []string{".ssh", ".config/secret", "gone/secret", "keep"}, Dirs: []string{"src/project", "keep/point"}}
	if err := build(dir+"/front", home, f); err != nil {
		t.Fatal(err)
	}
	merged := dir + "/merged"
	testenv.Need(t, "overlayfs", unix.Mount("overlay", merged, "overlay", 0, "userxattr,lowerdir="+dir+"/front:"+home+",upperdir="+upper+",workdir="+dir+"/work"))
	if _, ok := takeSnapshot(t, merged)[".ssh"]; ok {
		t.Error("what is hidden is seen")
	}
	for _, p := range []string{".config/secret", "gone/secret", "keep/f"} {
		if _, err := os.Lstat(merged + "/" + p); !os.IsNotExist(err) {
			t.Errorf("%s is seen: %v", p, err)
		}
	}
	plant(t, merged, "dir .ssh", "file .ssh/id y", "file .ssh/new x", "file .config/new x", "file .config/free y", "file src/new x", "file keep/f y")
	if err := os.RemoveAll(merged + "/gone"); err != nil {
		t.Fatal(err)
	}
	if err := unix.Unmount(merged, 0); err != nil {
		t.Fatal(err)
	}
	unix.Chmod(dir+"/work/work", 0o700)
	expect(t, upper, home, Options{Hidden: f.Hide, Mounts: f.Dirs},
		"M .config/free", "A .config/new", "M .ssh/id (hidden)", "A .ssh/new (hidden)", "D gone (hidden)", "M keep/f (hidden)", "A src/new")
}
