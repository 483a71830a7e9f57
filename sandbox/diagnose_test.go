package sandbox_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/BurntSushi/toml"
	"github.com/rogpeppe/go-internal/txtar"

	"cove/internal/testenv"
	"cove/sandbox"
	"cove/userns"
)

// sound is a machine on which nothing is missing; each file of testdata/doctor says what is otherwise.
func sound() *sandbox.Machine {
	dir := func(p, fs string) sandbox.Dir {
		return sandbox.Dir{Path: p, On: p, Exists: true, UID: 1000, Mode: 0o700, Type: fs, Free: 1 << 34}
	}
	return &sandbox.Machine{
		Kernel: "6.12.48-amd64", User: userns.User{UID: 1000, GID: 1000, Name: "u", Home: "/home/u"}, Home: "/home/u",
		Distro: []string{"debian"}, Systemd: true, Self: "/usr/local/bin/cove", Landlock: 6, LSMs: "lockdown,yama,apparmor",
		Sysctls:      map[string]string{"user.max_user_namespaces": "63000", "user.max_mnt_namespaces": "63000", "user.max_net_namespaces": "63000"},
		MountSetattr: sandbox.Yes, NewMountAPI: sandbox.Yes, SeccompFilter: sandbox.Yes, CgroupNS: sandbox.Yes,
		Overlay: sandbox.Yes, Fuse: sandbox.Yes, FuseBin: "/usr/bin/fuse-overlayfs",
		NewUIDMap: userns.Helper{Path: "/usr/bin/newuidmap"}, NewGIDMap: userns.Helper{Path: "/usr/bin/newgidmap"}, SubidSource: "files",
		Subids:     userns.Ranges{UIDs: []userns.SubRange{{First: 100000, Count: 65536}}, GIDs: []userns.SubRange{{First: 100000, Count: 65536}}},
		SubidsFree: 165536, SubidsTried: sandbox.Yes,
		Data: dir("/home/u/.local/share/cove", "ext4"), Config: dir("/home/u/.config/cove", "ext4"), Runtime: dir("/run/user/1000/cove", "tmpfs"),
		Cgroups: sandbox.Cgroups{Version: "2", Path: "/user.slice/user-1000.slice/user@1000.service", Manager: true,
			Controllers: []string{"cpuset", "cpu", "io", "memory", "pids"}},
		Sandbox: sandbox.Yes,
	}
}

// clinic reads what is otherwise on the machine of a file.
func clinic(t *testing.T, file string) (*txtar.Archive, *sandbox.Machine) {
	t.Helper()
	ar, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	m := sound()
	if md, err := toml.Decode(string(ar.Files[0].Data), m); err != nil || len(md.Undecoded()) > 0 || ar.Files[0].Name != "machine.toml" {
		t.Fatal(err, md.Undecoded())
	}
	return ar, m
}

func clinics(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("../testdata/doctor/*.txtar")
	if err != nil || len(files) < 15 {
		t.Fatalf("%d machines, %v", len(files), err)
	}
	return files
}

// Each file of testdata/doctor is a machine, by what differs from a sound one, and what cove doctor says of it: of
// what is not ok, or in the comment's words is to be seen.
func TestDiagnoses(t *testing.T) {
	for _, file := range clinics(t) {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			ar, m := clinic(t, file)
			plain := sandbox.Diagnose(sound())
			var b strings.Builder
			for i, f := range sandbox.Diagnose(m) {
				if f.Status == sandbox.StatusOK && f.Found == plain[i].Found {
					continue
				}
				line := fmt.Sprintf("%-7s  %s: %s", f.Status, f.Name, f.Found)
				if f.Without != "" {
					line += "; " + f.Without
				}
				if f.Because != "" {
					line += "; see " + f.Because
				}
				b.WriteString(line + "\n")
				if f.Fix != nil {
					for l := range strings.Lines(f.Fix.Script()) {
						b.WriteString("    " + l)
					}
				}
			}
			got := b.String()
			if *update {
				ar.Files = append(ar.Files[:1], txtar.File{Name: "findings", Data: []byte(got)})
				if err := os.WriteFile(file, txtar.Format(ar), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if want := string(ar.Files[len(ar.Files)-1].Data); want != got {
				t.Errorf("the doctor now says\n%s\nnot\n%s\nrun go test ./sandbox -update, and look at the difference", got, want)
			}
		})
	}
}

// A sound machine is one; whatever is not ok has something that mends it; and what a finding refers to is not ok.
func TestEveryAilmentHasAFix(t *testing.T) {
	for _, f := range sandbox.Diagnose(sound()) {
		if f.Status != sandbox.StatusOK || f.Fix != nil || f.Without != "" {
			t.Errorf("a sound machine has %+v", f)
		}
	}
	for _, file := range clinics(t) {
		_, m := clinic(t, file)
		findings := sandbox.Diagnose(m)
		for _, f := range findings {
			at := slices.IndexFunc(findings, func(g sandbox.Finding) bool { return g.Name == f.Because })
			switch {
			case f.Status == sandbox.StatusOK:
				if f.Fix != nil || f.Because != "" {
					t.Errorf("%s: %s is ok, and has a fix", file, f.Name)
				}
			case f.Fix == nil && f.Because == "":
				t.Errorf("%s: %s has nothing that mends it", file, f.Name)
			case f.Fix != nil && len(f.Fix.Commands) == 0 && f.Fix.File == "" && f.Fix.Advice == "":
				t.Errorf("%s: the fix of %s is empty", file, f.Name)
			case f.Because != "" && (findings[at].Status == sandbox.StatusOK || findings[at].Fix == nil && findings[at].Because == ""):
				t.Errorf("%s: %s sends to %s, which has no fix", file, f.Name, f.Because)
			}
			if f.Found == "" || strings.HasSuffix(f.Found, ".") {
				t.Errorf("%s: %s found %q", file, f.Name, f.Found)
			}
		}
	}
}

// What is offered for a shell is understood by one, line by line.
func TestFixesAreScripts(t *testing.T) {
	sh := testenv.NeedProgram(t, "sh")
	for _, file := range clinics(t) {
		_, m := clinic(t, file)
		for _, f := range sandbox.Diagnose(m) {
			if f.Fix == nil {
				continue
			}
			cmd := exec.Command(sh, "-n")
			cmd.Stdin = strings.NewReader(f.Fix.Script())
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("%s: %s: %v\n%s%s", file, f.Name, err, out, f.Fix.Script())
			}
		}
	}
}

// A shell that runs the fix writes the file as it stands in the JSON.
func TestFixWritesItsFile(t *testing.T) {
	sh := testenv.NeedProgram(t, "sh")
	dir := t.TempDir()
	fix := sandbox.AppArmorFix("/home/u v/$HOME/cove", "")
	if fix.File != "" {
		t.Errorf("a profile for a path with $ in it: %+v", fix)
	}
	fix = sandbox.AppArmorFix("/home/u v/cove", "")
	name := fix.File
	fix.File, fix.Commands = filepath.Join(dir, "a b", filepath.Base(fix.File)), nil
	cmd := exec.Command(sh, "-e")
	cmd.Stdin = strings.NewReader(fix.Script())
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	got, err := os.ReadFile(fix.File)
	if err != nil || string(got) != fix.Text || name != "/etc/apparmor.d/home.u_v.cove" {
		t.Errorf("%v\n%s\nnot\n%s", err, got, fix.Text)
	}
}

// A path that its owner chose must not become anything but one path in a profile that root loads.
func TestAppArmorPaths(t *testing.T) {
	for _, bad := range []string{
		"", "cove", "/home/u/c*ve", "/home/u/{a,b}/cove", "/home/u/@{HOME}/cove", `/home/u/a"b/cove`, "/home/u/a\nb", "/home/u/a\\b", "/home/u/[ab]", "/x/a\x00b",
		"/home/u/#x", "/home/u/a'b", "/home/u/a,b", "/home/u/a\u202eb", "/home/u/\xff", "/home/u/a?b", "/home/u/a^b", "/home/u/a\tb",
	} {
		if fix := sandbox.AppArmorFix(bad, "sudo "); fix.File != "" || fix.Text != "" || len(fix.Commands) > 0 || fix.Advice == "" {
			t.Errorf("%q: %+v", bad, fix)
		}
	}
	for _, good := range []struct{ path, head string }{
		{"/usr/bin/cove", "profile usr.bin.cove /usr/bin/cove flags=(unconfined) {"},
		{"/home/u v/bin/cove", `profile home.u_v.bin.cove "/home/u v/bin/cove" flags=(unconfined) {`},
		{"/home/é/a+b/cove", `profile home._.a_b.cove "/home/é/a+b/cove" flags=(unconfined) {`},
	} {
		fix := sandbox.AppArmorFix(good.path, "sudo ")
		if !strings.Contains(fix.Text, "\n"+good.head+"\n") || fix.Commands[0] != "sudo apparmor_parser -r "+fix.File {
			t.Errorf("%q:\n%s%v", good.path, fix.Text, fix.Commands)
		}
	}
}

// Scripts rely on these names.
func TestFindingsInJSON(t *testing.T) {
	m := sound()
	m.FuseBin, m.Fuse = "", sandbox.No("fuse-overlayfs is not installed")
	for _, f := range sandbox.Diagnose(m) {
		text, err := json.Marshal(f)
		if err != nil {
			t.Fatal(err)
		}
		want := ""
		switch f.Name {
		case "kernel":
			want = `{"name":"kernel","status":"ok","found":"Linux 6.12.48-amd64","fix":null}`
		case "fuse_overlayfs":
			want = `{"name":"fuse_overlayfs","status":"less","found":"not installed","without":"homes that the kernel cannot copy (with something mounted below them) cannot be copied",` +
				`"fix":{"commands":["sudo apt-get install -y fuse-overlayfs"],"file":"","text":"","advice":""}}`
		}
		if want != "" && string(text) != want {
			t.Errorf("%s\nnot\n%s", text, want)
		}
	}
}
