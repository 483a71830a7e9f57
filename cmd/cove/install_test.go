package main

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"cove/internal/testenv"
)

// make install puts everything where shells and man look for it, and make uninstall takes all of it away.
func TestInstall(t *testing.T) {
	testenv.NeedProgram(t, "make")
	d := newDesk(t)
	source, dest := t.TempDir(), filepath.Join(t.TempDir(), "an 'odd; name")
	d.must(os.MkdirAll(filepath.Join(source, "bin"), 0o755))
	d.must(os.Symlink(os.Args[0], filepath.Join(source, "bin/cove"))) // as make build would have made it
	text, err := os.ReadFile("../../Makefile")
	d.must(err)
	d.must(os.WriteFile(filepath.Join(source, "Makefile"), text, 0o644))
	d.must(os.CopyFS(filepath.Join(source, "docs/man"), os.DirFS(manual)))
	run := func(target string) {
		t.Helper()
		cmd := exec.Command("make", "-o", "build", target, "DESTDIR="+dest, "PREFIX=/usr")
		cmd.Dir = source
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("make %s: %v\n%s", target, err, out)
		}
	}
	files := func() (list []string) {
		t.Helper()
		d.must(filepath.WalkDir(dest, func(p string, e fs.DirEntry, err error) error {
			if err == nil && !e.IsDir() {
				list = append(list, strings.TrimPrefix(p, dest+"/usr/"))
			}
			return err
		}))
		return list
	}

	run("install")
	want := []string{"bin/cove", "share/bash-completion/completions/cove", "share/fish/vendor_completions.d/cove.fish", "share/zsh/site-functions/_cove", "share/man/man5/cove-profile.5"}
	pages, err := filepath.Glob(manual + "/*.1")
	d.must(err)
	for _, p := range pages {
		want = append(want, "share/man/man1/"+filepath.Base(p))
	}
	slices.Sort(want)
	have := files()
	slices.Sort(have)
	if !slices.Equal(have, want) {
		t.Errorf("installed are %q\nnot %q", have, want)
	}
	for _, name := range have {
		info, err := os.Stat(filepath.Join(dest, "usr", name))
		mode := fs.FileMode(0o644)
		if name == "bin/cove" {
			mode = 0o755
		}
		if err != nil || info.Mode() != mode || info.Size() == 0 {
			t.Errorf("%s: %v, %v", name, info, err)
		}
	}

	// The shells find it by themselves.
	share := filepath.Join(dest, "usr/share")
	t.Run("bash", func(t *testing.T) {
		testenv.NeedProgram(t, "bash")
		needBashCompletion(t)
		cmd := d.command("bash", "-c", ". /usr/share/bash-completion/bash_completion; _comp_load cove 2>/dev/null || _completion_loader cove; complete -p cove")
		cmd.Env = append(cmd.Env, "XDG_DATA_DIRS="+share)
		if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "-F _cove cove") {
			t.Errorf("%v: %s", err, out)
		}
	})
	t.Run("zsh", func(t *testing.T) {
		testenv.NeedProgram(t, "zsh")
		cmd := d.command("zsh", "-fc", "fpath=($DEST $fpath); autoload -U compinit && compinit -u -D; print $_comps[cove]")
		cmd.Env = append(cmd.Env, "DEST="+share+"/zsh/site-functions")
		if out, err := cmd.CombinedOutput(); err != nil || string(out) != "_cove\n" {
			t.Errorf("%v: %s", err, out)
		}
	})
	t.Run("fish", func(t *testing.T) {
		testenv.NeedProgram(t, "fish")
		cmd := d.command("fish", "-c", `complete -C "cove comp"`)
		cmd.Env = append(cmd.Env, "XDG_DATA_DIRS="+share)
		if out, err := cmd.CombinedOutput(); err != nil || !strings.HasPrefix(string(out), "completion\t") {
			t.Errorf("%v: %s", err, out)
		}
	})

	run("uninstall")
	if left := files(); left != nil {
		t.Errorf("make uninstall leaves %q", left)
	}
}
