package launch

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"cove/sandbox"
	"cove/userns"
)

func TestDistro(t *testing.T) {
	for _, test := range []struct{ text, want string }{
		{"PRETTY_NAME=\"Debian GNU/Linux 12\"\nID=debian\n", "debian"},
		{"ID_LIKE=\"rhel centos fedora\"\nID=\"rocky\"\nVERSION_ID=9\n", "rocky rhel centos fedora"},
		{"ID='arch'\nVARIANT_ID=x\n", "arch"},
		{"", ""},
	} {
		if got := strings.Join(distro(test.text), " "); got != test.want {
			t.Errorf("%q: %q, not %q", test.text, got, test.want)
		}
	}
}

// Examine makes what it needs, and takes all of it away again: also where it is told to end midway, and what an
// earlier one that was killed left.
func TestExamineLeavesNothing(t *testing.T) {
	home := t.TempDir()
	t.Setenv("HOME", home)
	dirs, err := FindDirs(func(string) string { return "" }, home)
	if err != nil {
		t.Fatal(err)
	}
	signals, err := caught()
	if err != nil {
		t.Fatal(err)
	}
	m, err := Examine(dirs, signals)
	if err != nil || m.Data.Errno != "" || m.Data.Exists {
		t.Fatalf("%+v, %v", m, err)
	}
	if left, _ := os.ReadDir(home); len(left) > 0 {
		t.Errorf("it left %v", left)
	}
	unix.Kill(os.Getpid(), unix.SIGUSR1)
	if m, err := Examine(dirs, signals); m != nil || err == nil || err.Error() != "stopped by a signal (user defined signal 1)" {
		t.Errorf("told to end, it said %v", err)
	}
	if left, _ := os.ReadDir(home); len(left) > 0 {
		t.Errorf("told to end, it left %v", left)
	}

	old, young := filepath.Join(dirs.Data, trialPrefix+"1"), filepath.Join(dirs.Data, trialPrefix+"2")
	for _, d := range []string{old + "/boxes/x/work/work", young} {
		if err := os.MkdirAll(d, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	os.Chmod(old+"/boxes/x/work/work", 0)
	hours := time.Now().Add(-2 * time.Hour)
	os.Chtimes(old, hours, hours)
	if err := Try(dirs, sandbox.Spec{Home: sandbox.Set(sandbox.HomeTmpfs, sandbox.Origin{})}, signals); err != nil {
		t.Error(err)
	}
	if left, _ := os.ReadDir(dirs.Data); len(left) != 1 || left[0].Name() != filepath.Base(young) {
		t.Errorf("there are %v", left)
	}
}

// A data directory that cannot be made is said, and the rest is still looked at.
func TestExamineWithoutPlace(t *testing.T) {
	home := t.TempDir()
	t.Setenv("HOME", home)
	if err := os.WriteFile(filepath.Join(home, "file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	dirs := Dirs{Config: home + "/config", Data: home + "/file/cove", Runtime: home + "/file/cove/run"}
	signals, err := caught()
	if err != nil {
		t.Fatal(err)
	}
	m, err := Examine(dirs, signals)
	if err != nil || m.Data.Errno != "ENOTDIR" || m.Fuse.OK || m.UserNS != "" || m.Kernel == "" || m.Data.On != home+"/file" {
		t.Errorf("%+v, %v", m, err)
	}
	if m.Config.Exists || m.Config.On != home || m.Config.UID != os.Getuid() {
		t.Errorf("%+v", m.Config)
	}
}

// Which group is the user's depends on what is there, and on whether its systemd can be reached.
func TestDelegatedCgroup(t *testing.T) {
	const uid = 4321
	manager := "/user.slice/user-4321.slice/user@4321.service"
	group := func(root, p, controllers string) {
		dir := filepath.Join(root, p)
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		for name, text := range map[string]string{"cgroup.procs": "", "cgroup.subtree_control": "", "cgroup.controllers": controllers + "\n"} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	look := func(root, runtime, kinds string) sandbox.Cgroups {
		x := &examiner{m: &sandbox.Machine{}, dirs: Dirs{Runtime: runtime + "/cove"}}
		x.host.User = userns.User{UID: uid}
		for kind := range strings.FieldsSeq(kinds) {
			x.host.Mounts = append(x.host.Mounts, sandbox.MountPoint{Path: root, Type: kind})
		}
		x.cgroups()
		return x.m.Cgroups
	}
	root, runtime := t.TempDir(), t.TempDir()
	for kinds, want := range map[string]string{"": "", "cgroup": "1", "cgroup cgroup2": "hybrid", "cgroup2": "2"} {
		if c := look(root, runtime, kinds); c.Version != want || c.Path != "" {
			t.Errorf("%s: %+v", kinds, c)
		}
	}
	group(root, "/", "cpu io memory")
	if c := look(root, runtime, "cgroup2"); c.Path != "/" || c.Manager || len(c.Controllers) != 3 {
		t.Errorf("where the whole tree is ours: %+v", c)
	}
	group(root, manager, "cpu pids")
	if c := look(root, runtime, "cgroup2"); c.Manager {
		t.Errorf("without a way to reach systemd: %+v", c)
	}
	if err := os.WriteFile(filepath.Join(runtime, "bus"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if c := look(root, runtime, "cgroup2"); c.Path != manager || !c.Manager || !slices.Equal(c.Controllers, []string{"cpu", "pids"}) {
		t.Errorf("with systemd: %+v", c)
	}
	if left, _ := filepath.Glob(root + manager + "/cove-*"); len(left) > 0 {
		t.Errorf("it left %v", left)
	}
}
