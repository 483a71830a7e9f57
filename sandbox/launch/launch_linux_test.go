package launch

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"cove/internal/mount"
	"cove/internal/testenv"
	"cove/sandbox"
	"cove/userns"
)

func TestFindDirs(t *testing.T) {
	for _, test := range []struct {
		env  map[string]string
		want Dirs
	}{
		{nil, Dirs{"/h/.config/cove", "/h/.local/share/cove", "/h/.local/share/cove/run"}},
		{map[string]string{"XDG_CONFIG_HOME": "/c", "XDG_DATA_HOME": "/d", "XDG_RUNTIME_DIR": "/run/user/7"}, Dirs{"/c/cove", "/d/cove", "/run/user/7/cove"}},
		{map[string]string{"XDG_CONFIG_HOME": "c", "XDG_DATA_HOME": "../d", "XDG_RUNTIME_DIR": ""}, Dirs{"/h/.config/cove", "/h/.local/share/cove", "/h/.local/share/cove/run"}},
	} {
		if got, err := FindDirs(func(k string) string { return test.env[k] }, "/h"); err != nil || got != test.want {
			t.Errorf("%v: %+v, %v", test.env, got, err)
		}
	}
	if _, err := FindDirs(func(string) string { return "" }, "h"); err == nil {
		t.Error("a relative home was taken")
	}
}

// A program is looked for where execvp(3) would, but never in the working directory, which may be the program's own.
func TestCandidates(t *testing.T) {
	for _, test := range []struct{ name, search, want string }{
		{"sh", "/usr/bin:/bin", "/usr/bin/sh /bin/sh"},
		{"sh", ":/bin:.:rel", "/bin/sh"},
		{"./sh", "/bin", "./sh"},
		{"/x/sh", "/bin", "/x/sh"},
		{"sh", "", ""},
	} {
		if got := strings.Join(candidates(test.name, test.search), " "); got != test.want {
			t.Errorf("%s in %q: %q", test.name, test.search, got)
		}
	}
}

// mount(2) makes one mount read-only at a time, with the flags that it has: the mount that a path lies in first.
func TestSubmounts(t *testing.T) {
	mounts := []sandbox.MountPoint{
		{Path: "/", Options: []string{"rw", "relatime"}}, {Path: "/usr", Options: []string{"ro", "nodev"}},
		{Path: "/usr/share/x", Options: []string{"rw", "nosuid", "noexec"}}, {Path: "/usrlocal", Options: []string{"ro"}}, {Path: "/usr", Options: []string{"rw", "noatime"}},
	}
	got := submounts(mounts, "/usr/share")
	want := []mount.Submount{{Path: "/usr", Flags: unix.MS_NOATIME}, {Path: "/usr/share/x", Flags: unix.MS_NOSUID | unix.MS_NOEXEC}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v", got)
	}
	if got := submounts(mounts, "/etc"); len(got) != 1 || got[0].Path != "/" || got[0].Flags != unix.MS_RELATIME {
		t.Errorf("got %+v", got)
	}
}

// What the lookups of a plan see is what the file system has, however many are asked for in one directory.
func TestFiles(t *testing.T) {
	home := t.TempDir()
	for _, d := range []string{".config/app", "there", "many"} {
		os.MkdirAll(filepath.Join(home, d), 0o755)
	}
	os.WriteFile(filepath.Join(home, "file"), nil, 0o640)
	os.Symlink("there", filepath.Join(home, "link"))
	os.Symlink("loop", filepath.Join(home, "loop"))
	f, plain := newFiles(home), func(p string) sandbox.File { return sandbox.Resolve(p, newFiles("/none").look) }
	var names []string
	for _, n := range strings.Fields("a b c d e f g h file link link/x loop there there/x .config .config/app .config/none .config/none/x many/1 many/2 many/3 many/4 many/5 many .. ../. none/..") {
		names = append(names, home+"/"+n)
	}
	for _, p := range append(names, names...) {
		if got, want := f.lookup(p), plain(p); !reflect.DeepEqual(got, want) {
			t.Errorf("%s:\nhave %+v\nwant %+v", p, got, want)
		}
	}
	if got := links(home); !slices.Equal(got, []string{"link", "loop"}) {
		t.Errorf("links are %v", got)
	}
}

// The kernel's overlay is tried once, and remembered for the file systems that it was tried with.
func TestOverlayIsRememberedAndForgotten(t *testing.T) {
	home := t.TempDir()
	dirs := Dirs{Data: filepath.Join(home, "data")}
	tryIt := func() sandbox.Feature { _, f := kernelOverlay(dirs, home, "6.0", &mount.NewAPI{}); return f }
	first := tryIt()
	if _, err := os.Stat(dirs.Data); err == nil {
		t.Error("trying made the data directory")
	}
	os.Mkdir(dirs.Data, 0o700)
	if tryIt(); !first.OK {
		testenv.Need(t, "kernel-overlay", errors.New(first.Reason))
	}
	want, _ := newTrial(dirs, home, "6.0")
	if remembered(dirs) != want {
		t.Error("a success is not remembered")
	}
	if left, _ := os.ReadDir(dirs.Data); len(left) != 1 {
		t.Errorf("trying left %v", left)
	}
	if other, _ := newTrial(dirs, home, "7.0"); other == want {
		t.Error("it is remembered for another kernel")
	}
	forget(dirs)
	if remembered(dirs) != (overlayTrial{}) {
		t.Error("it is not forgotten")
	}
	os.WriteFile(filepath.Join(dirs.Data, trialFile), []byte("{nonsense"), 0o600)
	if f := tryIt(); !f.OK || remembered(dirs) != want {
		t.Errorf("a broken memory is not tried anew: %+v", f)
	}
}

func TestForeign(t *testing.T) {
	home := t.TempDir()
	os.MkdirAll(filepath.Join(home, "a/b"), 0o755)
	host := sandbox.Host{User: userns.User{UID: os.Getuid(), GID: os.Getgid(), Home: home}}
	if got := Foreign(host); len(got) > 0 {
		t.Errorf("%v are somebody else's", got)
	}
	host.User.GID++
	if got := Foreign(host); !slices.Equal(got, []string{"a"}) {
		t.Errorf("got %v", got)
	}
}
