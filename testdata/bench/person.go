package main

import (
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// A person runs what is measured, in a home of their own and a clean environment.
type person struct {
	name string
	uid  int
	gid  int
	home string
	env  []string
	cred *syscall.Credential // nil for whoever runs the bench
	note string              // what to know about the figures
	errs string              // where what they run complains
}

// people says who runs the measured commands: whoever calls, but in root's place the ordinary user of this name. For
// root cove hides what only root can read, some twenty mounts more than any peer was told to make; and cove is not
// made for root.
func people(dir, name string) (who, root *person, err error) {
	me, err := user.Current()
	if err != nil {
		return nil, nil, err
	}
	if os.Getuid() != 0 || name == "root" {
		who, err = newPerson(dir, me, false)
		return who, nil, err
	}
	other, err := user.Lookup(name)
	if err != nil {
		who, err = newPerson(dir, me, false)
		if who != nil {
			who.note = fmt.Sprintf("measured as root, since there is no user %s: cove hides root's secrets, so it does more than its peers", name)
		}
		return who, nil, err
	}
	if root, err = newPerson(dir, me, false); err != nil {
		return nil, nil, err
	}
	who, err = newPerson(dir, other, true)
	return who, root, err
}

func newPerson(dir string, u *user.User, switchTo bool) (*person, error) {
	p := &person{name: u.Username, home: filepath.Join(dir, "home-"+u.Username), errs: filepath.Join(dir, "errors-"+u.Username)}
	var err error
	if p.uid, err = strconv.Atoi(u.Uid); err != nil {
		return nil, err
	}
	if p.gid, err = strconv.Atoi(u.Gid); err != nil {
		return nil, err
	}
	if switchTo {
		p.cred = &syscall.Credential{Uid: uint32(p.uid), Gid: uint32(p.gid)}
		groups, err := u.GroupIds()
		if err != nil {
			return nil, err
		}
		for _, g := range groups {
			n, err := strconv.ParseUint(g, 10, 32)
			if err != nil {
				return nil, err
			}
			p.cred.Groups = append(p.cred.Groups, uint32(n))
		}
	}
	p.env = []string{"HOME=" + p.home, "PATH=" + os.Getenv("PATH"), "USER=" + p.name, "LANG=C.UTF-8"}
	if err := os.Mkdir(p.home, 0o700); err != nil {
		return nil, err
	}
	return p, p.own(p.home)
}

// own gives the person a directory that was made for them, and all in it.
func (p *person) own(dir string) error {
	if p.cred == nil {
		return nil
	}
	return filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Lchown(path, p.uid, p.gid)
	})
}

// A task is a command as it is measured.
type task struct {
	who   *person
	argv  []string
	env   []string // beside the person's
	stdin string   // a file on descriptor 3, "" for none
}

// start starts the task. It complains into a file rather than a pipe, whose reader would be a part of what is measured.
func (t task) start(stdin, stdout *os.File) (*exec.Cmd, error) {
	cmd := exec.Command(t.argv[0], t.argv[1:]...)
	cmd.Dir, cmd.Env = t.who.home, slices.Concat(t.who.env, t.env)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: t.who.cred}
	if t.stdin != "" {
		f, err := os.Open(t.stdin)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		cmd.ExtraFiles = []*os.File{f}
	}
	errs, err := os.OpenFile(t.who.errs, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	defer errs.Close()
	cmd.Stderr = errs
	if stdin != nil { // a nil *os.File in an interface would not be nil
		cmd.Stdin = stdin
	}
	if stdout != nil {
		cmd.Stdout = stdout
	}
	return cmd, cmd.Start()
}

// time runs the task and says how many milliseconds it took.
func (t task) time() (float64, error) {
	begun := time.Now()
	cmd, err := t.start(nil, nil)
	if err == nil {
		err = cmd.Wait()
	}
	took := milliseconds(time.Since(begun))
	if err != nil {
		return 0, t.failed(err)
	}
	return took, nil
}

func milliseconds(d time.Duration) float64 { return float64(d) / 1e6 }

// output runs the task and says what it printed.
func (t task) output() (string, error) {
	if err := os.RemoveAll(t.who.errs); err != nil { // only what this one complains of
		return "", err
	}
	out, err := os.Create(t.who.errs + ".out")
	if err != nil {
		return "", err
	}
	defer out.Close()
	cmd, err := t.start(nil, out)
	if err == nil {
		err = cmd.Wait()
	}
	if err != nil {
		return "", t.failed(err)
	}
	said, err := os.ReadFile(out.Name())
	return string(said), err
}

// failed puts in what was complained of last. Scripts are left out of the command.
func (t task) failed(err error) error {
	said, _ := os.ReadFile(t.who.errs)
	lines := strings.Split(strings.TrimSpace(string(said)), "\n")
	words := slices.Clone(t.argv)
	for i, w := range words {
		if strings.Contains(w, "\n") {
			words[i] = "…"
		}
	}
	return fmt.Errorf("%s: %w: %s", strings.Join(words, " "), err, strings.Join(lines[max(0, len(lines)-3):], " / "))
}
