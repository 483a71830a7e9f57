package userns

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"cove/internal/testenv"
)

// id(1) is asked for the same.
func id(t *testing.T, option string) string {
	t.Helper()
	out, err := exec.Command("id", option).Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}

func TestCurrentUser(t *testing.T) {
	u, err := CurrentUser(func(string) string { return "" })
	if err != nil {
		t.Fatal(err)
	}
	if u.Name != id(t, "-un") || strconv.Itoa(u.UID) != id(t, "-u") || strconv.Itoa(u.GID) != id(t, "-g") {
		t.Errorf("%+v", u)
	}
	var groups []int
	for _, g := range strings.Fields(id(t, "-G")) {
		if n, _ := strconv.Atoi(g); n != u.GID {
			groups = append(groups, n)
		}
	}
	slices.Sort(groups)
	ours := slices.Sorted(slices.Values(u.Groups))
	if !slices.Equal(groups, ours) {
		t.Errorf("groups %v, not %v", ours, groups)
	}
	u, err = CurrentUser(func(k string) string { return map[string]string{"HOME": "/elsewhere"}[k] })
	if err != nil || u.Home != "/elsewhere" {
		t.Errorf("%+v, %v", u, err)
	}
}

func TestLookUp(t *testing.T) {
	passwd := filepath.Join(t.TempDir(), "passwd")
	if err := os.WriteFile(passwd, []byte("root:x:0:0::/root:/bin/sh\nalice:x:1000:1000::/home/alice:/bin/zsh\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	const getent = `[ "$*" = "passwd 5000" ] && echo "ldap user:*:5000:100:Some One:/net/five:/bin/ksh"`
	for _, test := range []struct {
		name, passwd string
		uid          int
		getent       string
		want         string
	}{
		{"in the file", passwd, 1000, "echo bob:x:1000:1::/b:/b", "alice /home/alice /bin/zsh"},
		{"in a directory service", passwd, 5000, getent, "ldap user /net/five /bin/ksh"},
		{"without a file", "/nowhere/passwd", 5000, getent, "ldap user /net/five /bin/ksh"},
		{"getent fails", passwd, 5001, "exit 2", "bob /env /bin/bash"},
		{"getent talks of another", passwd, 5001, "echo carol:x:1:1::/c:/c", "bob /env /bin/bash"},
		{"getent talks of it, but fails", passwd, 5000, "echo carol:x:5000:1::/c:/c; exit 2", "bob /env /bin/bash"},
		{"no getent", passwd, 5000, "", "bob /env /bin/bash"},
	} {
		t.Run(test.name, func(t *testing.T) {
			scripts := map[string]string{}
			if test.getent != "" {
				scripts["getent"] = test.getent
			}
			programs(t, scripts)
			env := map[string]string{"USER": "bob", "SHELL": "/bin/bash"}
			if strings.HasPrefix(test.want, "bob") {
				env["HOME"] = "/env"
			}
			u, err := lookUp(User{UID: test.uid, GID: 100}, test.passwd, func(k string) string { return env[k] })
			if got := u.Name + " " + u.Home + " " + u.Shell; err != nil || got != test.want {
				t.Errorf("%q, %v; not %q", got, err, test.want)
			}
		})
	}
}

// A cove with rights that its caller does not have must stop. This needs a file that another user owns, which an
// ordinary user can have in a user namespace with subordinate ids.
func TestRefusesRights(t *testing.T) {
	u, subs := me(t)
	m, err := Plan(u, subs, "root", "subids")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for _, d := range []string{dir, filepath.Dir(dir)} {
		if err := os.Chmod(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	out, err := runMapped(t, testenv.Task("secure", dir), m)
	if err != nil {
		t.Fatal(err)
	}
	const no = "cannot run with rights that the caller does not have: cove is setuid, setgid or has file capabilities; " +
		"never install cove setuid; make it plain again: sudo chmod ug-s FILE; sudo setcap -r FILE (a transition in a security policy can look the same)\n"
	want := "plain: <nil>\nsetuid: " + no + "setgid: " + no + "capable: " + no + "plain again: <nil>\n"
	if out != want {
		t.Errorf("got\n%swant\n%s", out, want)
	}
}

func taskCurrent([]string) error {
	fmt.Println(RefuseSetuid())
	return nil
}

func taskSecure(args []string) error {
	if err := testenv.AwaitMap(); err != nil {
		return err
	}
	text, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		return err
	}
	file := filepath.Join(args[0], "cove")
	if err := os.WriteFile(file, text, 0o755); err != nil {
		return err
	}
	// vfs_cap_data of linux/capability.h, version 2 with the effective bit: cap_chown=ep
	capable := make([]byte, 20)
	capable[3], capable[0], capable[4] = 2, 1, 1
	for _, test := range []struct {
		name     string
		uid, gid int
		mode     os.FileMode
		caps     bool
	}{
		{"plain", 0, 0, 0o755, false},
		{"setuid", 2, 0, 0o755 | os.ModeSetuid, false},
		{"setgid", 0, 2, 0o755 | os.ModeSetgid, false},
		{"capable", 0, 0, 0o755, true},
		{"plain again", 0, 0, 0o755, false},
	} {
		os.Remove(file)
		if err := os.WriteFile(file, text, 0o755); err != nil {
			return err
		}
		if err := os.Chown(file, test.uid, test.gid); err != nil {
			return err
		}
		if err := os.Chmod(file, test.mode); err != nil {
			return err
		}
		if test.caps {
			if err := unix.Setxattr(file, "security.capability", capable, 0); err != nil {
				return fmt.Errorf("cannot set capabilities of a file: %w", err)
			}
		}
		cmd := testenv.Task("current")
		cmd.Path, cmd.Env = file, cmd.Env[len(cmd.Env)-1:] // nothing but the task
		// As an ordinary user: for root, file capabilities are nothing new.
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 1, Gid: 1}}
		out, err := cmd.Output()
		if err != nil {
			return fmt.Errorf("%s: %w", test.name, err)
		}
		fmt.Printf("%s: %s", test.name, out)
	}
	return os.Remove(file)
}
