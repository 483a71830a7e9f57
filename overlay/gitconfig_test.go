package overlay

import (
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"cove/internal/testenv"
)

func TestGitCommands(t *testing.T) {
	for _, tt := range []struct{ text, want string }{
		{"", ""},
		{"[core]\n\tbare = false\n\trepositoryFormatVersion=0\n[remote \"origin\"]\nurl = https://x/y\nfetch = +a:b\n[branch \"main\"]\nremote = origin\nmerge = refs/heads/main\n", ""},
		{"[core] fsmonitor = ./x\n", "core.fsmonitor=./x"},
		{"[CORE]\n hooksPath\t=  \"a b\"  # c\n", "core.hookspath=a b"},
		{"[alias]\n x = !sh -c 'y'\n", "alias.x=!sh -c 'y'"},
		{"[filter \"a.b\"]\nclean = c \\\n  d\n", "filter.a.b.clean=c   d"},
		{"[diff \"x\"]\ntextconv = y\n", "diff.x.textconv=y"},
		{"[diff]\nrenames = true\nexternal=z\n", "diff.external=z"},
		{"[credential \"https://h\"]\nusername = u\nhelper = !x\n", "credential.https://h.helper=!x"},
		{"[remote \"o\"]\nurl = ext::sh -c x\n", "remote.o.url=ext::sh -c x"},
		{"[remote \"o\"]\nurl = ssh://-oProxyCommand=x/y\nurl=git@h:x\n", "remote.o.url=ssh://-oProxyCommand=x/y"},
		{"[remote \"o\"]\nuploadpack = x\n", "remote.o.uploadpack=x"},
		{"[submodule \"s\"]\nupdate = !x\n[submodule \"t\"]\nupdate = none\n", "submodule.s.update=!x"},
		{"[include]\npath = ../evil\n", "include.path=../evil"},
		{"[color \"x.y\"]\nz = !a\n[colors]\nui = auto\n", "colors.ui=auto"},
		{"[color \"diff\"]\nmeta = yellow\n", ""},
		{"[core \"x\"]\nbare = y\n", "core.x.bare=y"},
		{"[future]\nfeature\n", "future.feature=true"},
		{"[core]\nbare", ""},
		{"x = 1\n", "bad"},
		{"[core\n", "bad"},
		{"[core]\nx = \"a\n", "bad"},
		{"[core]\nx = a\\q\n", "bad"},
		{"[a \"b\nc\"]\n", "bad"},
	} {
		list, ok := gitCommands(tt.text)
		got := strings.Join(list, "|")
		if !ok {
			got = "bad"
		}
		if got != tt.want {
			t.Errorf("%q: %q, not %q", tt.text, got, tt.want)
		}
	}
}

func TestGitDiffers(t *testing.T) {
	for _, tt := range []struct{ before, after, want string }{
		{"", "", ""}, {"a=1", "a=1", ""}, {"a=1", "a=2", "a"}, {"", "a=1 b=1", "a b"}, {"a=1", "", "a"}, {"a=1 b=1", "b=1 a=1", "b"}, {"a=1", "a=1 a=1", "a"},
		{"", "a=1 b=1 c=1 d=1 e=1", "a b c d …"},
	} {
		if got := strings.Join(gitDiffers(strings.Fields(tt.before), strings.Fields(tt.after)), " "); got != tt.want {
			t.Errorf("%q to %q: %q, not %q", tt.before, tt.after, got, tt.want)
		}
	}
}

// randomConfig is mostly a configuration.
func randomConfig(rng *rand.Rand) string {
	pieces := []string{"[core]", "[a \"b\"]", "[a.b]", "[A \"B \\\" \\\\ c\"]", "\n", "\n", "\n", " ", "\t", "key", " = ", "=", "value", "\"quo ted\"", "# c\n", "; c\n", "\\\n", "\\t", "\\\"", "\\\\",
		"x-1", "\r\n", "\"", "#", "a b  ", "\"a # b\"", "[core] k = v\n", "v1 \\\n v2\n", "-", "é"}
	var b strings.Builder
	b.WriteString("[top]\n")
	for range rng.IntN(14) {
		b.WriteString(pieces[rng.IntN(len(pieces))])
	}
	return b.String()
}

// keysOf is all that a configuration says, by our parser.
func keysOf(text string) (list []string, ok bool) {
	p := gitParser{text: text}
	for {
		key, value, more, ok := p.next()
		if !ok || !more {
			return list, ok
		}
		list = append(list, key+"="+value)
	}
}

// What we read is what git reads.
func TestGitConfigAsGit(t *testing.T) {
	_, err := exec.LookPath("git")
	testenv.Need(t, "git", err)
	file := filepath.Join(t.TempDir(), "config")
	rng := rand.New(rand.NewPCG(3, 4))
	both := 0
	for range 600 {
		text := randomConfig(rng)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command("git", "config", "--no-includes", "--list", "-z", "-f", file)
		cmd.Env = append(os.Environ(), "GIT_CONFIG_NOSYSTEM=1", "HOME="+t.TempDir())
		out, err := cmd.Output()
		var want []string
		for entry := range strings.SplitSeq(strings.TrimSuffix(string(out), "\x00"), "\x00") {
			key, value, ok := strings.Cut(entry, "\n")
			if !ok {
				value = "true"
			}
			if entry != "" {
				want = append(want, key+"="+value)
			}
		}
		got, ok := keysOf(text)
		switch {
		case err == nil && !ok:
			// A refusal of ours means only that the file is looked at by people.
			t.Logf("%q: refused, git reads %q", text, want)
		case err != nil && ok:
			t.Errorf("%q: we read %q, git refuses", text, got)
		case err == nil && !slices.Equal(got, want):
			t.Errorf("%q: %q, git reads %q", text, got, want)
		case err == nil:
			both++
		}
	}
	if both < 100 {
		t.Errorf("only %d configurations that both read", both)
	}
}

func FuzzGitCommands(f *testing.F) {
	f.Add("[a \"b\"] c = \"d\\\n e\" # f\n")
	f.Fuzz(func(t *testing.T, text string) {
		list, ok := gitCommands(text)
		for _, entry := range list {
			if key, _, is := strings.Cut(entry, "="); !ok || !is || !strings.Contains(key, ".") {
				t.Errorf("%q: %q", text, entry)
			}
		}
	})
}
