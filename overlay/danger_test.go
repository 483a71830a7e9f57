package overlay

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

func homeDangers(t testing.TB, extra ...DangerRule) *Dangers {
	t.Helper()
	d, err := NewDangers(DangerOptions{Home: "/home/u", Path: []string{"/usr/bin", "/home/u/tools/my*bin", "/home/u/x/../scripts/"}, Config: "/home/u/cfg",
		Data: "/srv/data", Own: []string{"/home/u/cfg/cove", "/run/user/1/cove"}, Extra: extra})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func classes(why []Hazard) string {
	var words []string
	for _, r := range why {
		words = append(words, r.Class)
	}
	return strings.Join(words, " ")
}

// A line is a kind, what is there before and after, a path, and the classes that it must have.
func TestDanger(t *testing.T) {
	d := homeDangers(t, DangerRule{Path: "~/deploy/", Why: "the server fetches it"}, DangerRule{Path: "**/Jenkinsfile", Why: "w", Gone: true})
	file, dir, none := Attr{Type: TypeFile, Mode: 0o644}, Attr{Type: TypeDir, Mode: 0o755}, Attr{}
	mode := func(a Attr, m Mode) Attr { a.Mode = m; return a }
	link := func(to string) Attr { return Attr{Type: TypeSymlink, Mode: 0o777, Target: to} }
	for _, tt := range []struct {
		kind          Kind
		before, after Attr
		path, want    string
	}{
		{Added, none, file, "doc", ""},
		{Modified, file, file, ".bashrc", "shell"},
		{Modified, file, file, "src/.bashrc", ""},
		{Meta, file, file, ".bashrc", ""},
		{Deleted, file, none, ".bashrc", "shell"},
		{Retyped, file, dir, ".bashrc", "shell"},
		{Added, none, dir, ".bashrc", ""},
		{Added, none, file, ".bashrc.d/x/y", "shell"},
		{Added, none, dir, ".bashrc.d", ""},
		{Added, none, dir, ".bashrc.d/x", "shell"},
		{Added, none, file, ".config/autostart/a.desktop", "autostart desktop"},
		{Added, none, file, "cfg/autostart/a.desktop", "autostart desktop"},
		{Added, none, file, "cfg/autostart/a", "autostart"},
		{Deleted, file, none, ".config/autostart/a.desktop", ""},
		{Added, none, file, ".config/kde-mimeapps.list", "desktop"},
		{Added, none, file, ".local/bin/ls", "program"},
		{Added, none, file, ".local/bin/sub/ls", ""},
		{Added, none, file, "tools/my*bin/ls", "program"},
		{Added, none, file, "tools/myxbin/ls", ""},
		{Added, none, file, "scripts/ls", "program"},
		{Deleted, file, none, ".local/bin/ls", ""},
		{Modified, file, file, ".ssh/config", "ssh"},
		{Deleted, file, none, ".ssh/config", "ssh"},
		{Deleted, dir, none, ".ssh", "ssh"},
		{Deleted, dir, none, ".config", "cove"},
		{Deleted, dir, none, "cfg", "cove"},
		{Deleted, dir, none, ".kde", ""},
		{Deleted, dir, none, "src", ""},
		{Retyped, dir, link("dotfiles/config"), ".config", "cove"},
		{Added, none, link("y"), ".kde", "autostart"},
		{Added, none, link("y"), "p/.git", "git"},
		{Added, none, link("y"), "p/.git/hooks", "git"},
		{Added, none, link("y"), "p/q", ""},
		{Added, none, link("/etc/passwd"), "p/q", "link"},
		{Added, none, link("/home/u/p"), "p/q", ""},
		{Added, none, link("/home/u/../v"), "p/q", "link"},
		{Added, none, link("/home/u2"), "p/q", "link"},
		{Added, none, link("../../x"), "p/q", "link"},
		{Added, none, link("../x"), "p/q", ""},
		{Added, none, link("../x/../y"), "p/q", "link"}, // x may be a link
		{Added, none, link("./a/b"), "p/q", ""},
		{Modified, link("a"), link("/a"), "p/q", "link"},
		{Modified, file, file, "p/.git/hooks/pre-commit", "git"},
		{Added, none, file, "p/.git/modules/a/b/hooks/x", "git"},
		{Added, none, dir, "p/.git", ""},
		{Added, none, file, "p/.git", "git"},
		{Modified, file, file, "p/.git/config", "git"},
		{Modified, file, file, "p/.git/index", ""},
		{Added, none, file, "a/b/.vscode/tasks.json", "editor"},
		{Added, none, file, ".vscode/tasks.json", "editor"},
		{Added, none, file, ".envrc", "direnv"},
		{Added, none, file, "a/.envrc", "direnv"},
		{Added, none, file, "a/x.envrc", ""},
		{Modified, file, file, ".config/cove/profiles/default.toml", "cove"},
		{Modified, file, file, "cfg/cove/danger.toml", "cove"},
		{Modified, file, file, "p/.cove.toml", "cove"},
		{Added, none, file, "deploy/a/b", "yours"},
		{Deleted, file, none, "x/Jenkinsfile", "yours"},
		{Deleted, file, none, "deploy/a", ""},

		{Meta, file, mode(file, 0o755), "run.sh", "executable"},
		{Modified, file, mode(file, 0o744), "run.sh", "executable"},
		{Added, none, mode(file, 0o755), "run.sh", ""},
		{Meta, mode(file, 0o700), mode(file, 0o755), "run.sh", "access"},
		{Meta, file, mode(file, 0o666), "f", "access"},
		{Meta, dir, mode(dir, 0o1777), "d", "access"},
		{Meta, mode(dir, 0o1777), mode(dir, 0o777), "d", ""}, // it is not gained; the bit that was lost shows in the list
		{Added, none, mode(file, 0o666), "f", "access"},
		{Added, none, mode(file, 0o664), "f", ""},
		{Added, none, mode(dir, 0o1777), "d", ""},
		{Meta, mode(file, 0o600), file, "f", "access"},
		{Meta, file, mode(file, 0o600), "f", ""},
		{Meta, dir, dir, ".", ""},
		{Added, none, Attr{Type: TypeFifo, Mode: 0o644}, "f", "special"},
		{Retyped, file, Attr{Type: TypeSocket, Mode: 0o644}, "f", "special"},
	} {
		c := Change{Path: tt.path, Kind: tt.kind, Before: tt.before, After: tt.after}
		why := Danger(c, d)
		if got := classes(why); got != tt.want {
			t.Errorf("%s %s (%s to %s): %q, not %q", tt.kind, tt.path, tt.before.Type, tt.after.Type, got, tt.want)
		}
		for _, r := range why {
			if r.Why == "" || r.Named != (r.Class == "cove") {
				t.Errorf("%s: %+v", tt.path, r)
			}
		}
	}
	for flags, want := range map[Flags]string{Setuid: "setuid", Setgid: "setuid", Capability: "setuid", Hidden: "hidden", HardLink: ""} {
		if got := classes(Danger(Change{Path: "f", Kind: Added, Flags: flags, After: mode(file, 0o755)}, nil)); got != want {
			t.Errorf("flags %v: %q, not %q", flags, got, want)
		}
	}
}

// Every row can be found, says why, and is written as a user's must be.
func TestDangerTable(t *testing.T) {
	d := homeDangers(t)
	for _, row := range dangers {
		if row.class == "" || row.why == "" || strings.ContainsAny(row.why, "\n.") && row.class != classGit {
			t.Errorf("row %q: %q", row.class, row.why)
		}
		for p := range strings.FieldsSeq(row.paths) {
			clean, err := checkPattern(p)
			if err != nil || clean != p {
				t.Errorf("%q: %q, %v", p, clean, err)
			}
			sample := strings.NewReplacer("**", "x/y", "*", "x").Replace(p)
			why := Danger(Change{Path: sample, Kind: Added, After: Attr{Type: TypeFile, Mode: 0o644}}, d)
			if !slices.ContainsFunc(why, func(r Hazard) bool { return r.Class == row.class }) {
				t.Errorf("%s: %q is not found by %q: %+v", row.class, sample, p, why)
			}
		}
	}
}

func TestDangerRules(t *testing.T) {
	for p, ok := range map[string]bool{"a": true, "~/a/b": true, "a/": true, "a/**": true, "**/a": true, "a/*/b*": true, "~/": false, "": false, "/a": false, "../a": false,
		"a//b": false, "a/./b": false, "**": false, "*": false, "**/*": false, "a\x00": false, "~": true, "\xff": true, "a\nb": true} {
		if err := CheckDangerRule(DangerRule{Path: p}); (err == nil) != ok {
			t.Errorf("%q: %v", p, err)
		}
	}
}

// slowMatch is what the table means, part by part, without the tree.
func slowMatch(pattern, p []string) bool {
	switch {
	case len(pattern) == 0:
		return len(p) == 0
	case pattern[0] == "**" && len(pattern) == 1:
		return len(p) > 0
	case pattern[0] == "**":
		return slowMatch(pattern[1:], p) || len(p) > 0 && slowMatch(pattern, p[1:])
	case len(p) == 0:
		return false
	}
	// A part: what stands between the stars must come in this order.
	head, rest, star := strings.Cut(pattern[0], "*")
	name, ok := strings.CutPrefix(p[0], head)
	if !star {
		return ok && name == "" && slowMatch(pattern[1:], p[1:])
	}
	for ok && star {
		var piece string
		piece, rest, star = strings.Cut(rest, "*")
		if !star {
			ok = strings.HasSuffix(name, piece)
			break
		}
		_, name, ok = strings.Cut(name, piece)
	}
	return ok && slowMatch(pattern[1:], p[1:])
}

// The tree finds what comparing with every pattern finds.
func TestDangerMatchesAll(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	words := []string{"a", "b", "ab", "aa", "aba", "*", "a*", "*a", "*b*", "a*a", "**"}
	pick := func(from []string, n int) []string {
		parts := make([]string, 1+rng.IntN(n))
		for i := range parts {
			parts[i] = from[rng.IntN(len(from))]
		}
		return parts
	}
	for range 3000 {
		root := &fork{}
		var patterns [][]string
		for i := range 1 + rng.IntN(8) {
			p := pick(words, 4)
			if strings.Trim(strings.Join(p, ""), "*") == "" {
				p = append(p, "a")
			}
			patterns = append(patterns, p)
			root.add(strings.Join(p, "/"), int32(i))
		}
		root.finish(make([]danger, len(patterns)))
		for range 20 {
			p := pick(words[:5], 5)
			var want, got []int32
			for i, pattern := range patterns {
				if slowMatch(pattern, p) {
					want = append(want, int32(i))
				}
			}
			for _, h := range root.match(nil, strings.Join(p, "/"), false, false) {
				got = append(got, h.row)
			}
			if !slices.Equal(got, want) {
				t.Fatalf("%q with %q: %v, not %v", p, patterns, got, want)
			}
		}
	}
}

// A name chosen to take long takes no longer.
func TestDangerIsNotMadeSlow(t *testing.T) {
	d := homeDangers(t, DangerRule{Path: "a*a*a*a*a*a*a*a*b"}, DangerRule{Path: "**/x/**/x/**/x/**/x/y"})
	Danger(Change{Path: strings.Repeat("a", 255), Kind: Added}, d)
	Danger(Change{Path: strings.Repeat("x/", 4000) + "z", Kind: Added, After: Attr{Type: TypeFile}}, d)
}

func FuzzDanger(f *testing.F) {
	f.Add("**/a*/b", "x/ab/b", "../..")
	f.Add(".config/**", ".config", "/")
	f.Fuzz(func(t *testing.T, pattern, p, target string) {
		d, err := NewDangers(DangerOptions{Home: "/h", Path: []string{"/h/" + p}, Extra: []DangerRule{{Path: pattern, Why: "w"}}})
		if err != nil {
			return
		}
		for _, kind := range []Kind{Added, Deleted, Retyped} {
			for _, typ := range []Type{TypeFile, TypeDir, TypeSymlink} {
				c := Change{Path: p, Kind: kind, Before: Attr{Type: TypeDir}, After: Attr{Type: typ, Target: target}}
				Danger(c, d)
			}
		}
		if clean, _ := checkPattern(pattern); !strings.Contains(clean, "*") && !strings.Contains(clean, `\`) {
			if got := Danger(Change{Path: clean, Kind: Added, After: Attr{Type: TypeFile}}, d); !slices.ContainsFunc(got, func(r Hazard) bool { return r.Class == classYours }) {
				t.Errorf("%q does not match itself", clean)
			}
		}
	})
}

func BenchmarkDanger(b *testing.B) {
	d := homeDangers(b)
	var paths []Change
	for i := range 1000 {
		paths = append(paths, Change{Path: fmt.Sprintf("src/project/node_modules/package-%d/lib/index-%d.js", i%40, i), Kind: Added, After: Attr{Type: TypeFile, Mode: 0o644}})
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if Danger(paths[i%len(paths)], d) != nil {
			b.Fatal(paths[i%len(paths)])
		}
	}
}

func BenchmarkNewDangers(b *testing.B) {
	for b.Loop() {
		homeDangers(b)
	}
}
