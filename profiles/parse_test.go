package profiles

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/BurntSushi/toml"
	"github.com/rogpeppe/go-internal/txtar"

	"cove/sandbox"
)

// TestErrors reads testdata/*.txtar: p.toml in, what the user is told out.
func TestErrors(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal("no goldens", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			a, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			_, err = Parse("p.toml", a.Files[0].Data)
			if err == nil {
				t.Fatal("no error")
			}
			have := err.Error() + "\n"
			if *update {
				a.Files = append(a.Files[:1], txtar.File{Name: "errors", Data: []byte(have)})
				if err := os.WriteFile(file, txtar.Format(a), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if want := string(a.Files[1].Data); have != want {
				t.Errorf("have:\n%s\nwant:\n%s", have, want)
			}
			for _, e := range err.(Errors) {
				if e.Line == 0 || e.Col == 0 || e.Width == 0 || e.Excerpt == "" {
					t.Errorf("an error without a place: %+v", e)
				}
			}
		})
	}
}

// everything says all that can be said.
const everything = `
description = "all of it"
extends = ["default", "./other.toml"]
sets.mine = ["~/m1", "@history"]
sets.theirs = ["@mine", "/srv/x"]
[home]
mode = "cow"
overlay = "kernel"
[files]
ro = ["/srv", "/a:/b", "@theirs", {path = "/c:d", target = "~/e", optional = true}, "./x/", "."]
rw = ["~/work"]
hide = ["@theirs", "/with:colon", "~//double/"]
[process]
workdir = "~/work"
hostname = "box"
tty = "new"
root = "~/debian"
root_cow = true
nesting = false
[env]
pass = ["A", "LC_*", "*"]
drop = ["*_KEY", "B"]
set = {C = "1", D = ""}
[identity]
uid = 1000
ids = "subids"
[network]
mode = "host"
[limits]
files = 100
file_size = "1.5G"
core = 0
tmp_size = "64KiB"
[devices]
allow = ["dri", "/dev/fuse"]
[seccomp]
mode = "default"
allow = ["ptrace"]
deny = ["mount"]
`

func TestParse(t *testing.T) {
	l, err := Parse("f", []byte(strings.Replace(everything, `"@theirs", "/with`, `"/with`, 1)))
	if err != nil {
		t.Fatal(err)
	}
	s := l.Spec
	from := func(line int) sandbox.Origin { return sandbox.Origin{Name: "f", Line: line} }
	grants := []sandbox.Grant{
		{Source: "/srv", Access: "ro", From: from(10)},
		{Source: "/a", Target: "/b", Access: "ro", From: from(10)},
		{Source: "~/m1", Access: "ro", Optional: true, From: sandbox.Origin{Name: "f", Line: 10, Set: "@theirs"}},
	}
	for i, want := range grants {
		if s.Grants[i] != want {
			t.Errorf("grant %d: %+v, want %+v", i, s.Grants[i], want)
		}
	}
	history, _ := BuiltinSet("history")
	if n := 3 + len(history) + 1 + 3 + 1; len(s.Grants) != n {
		t.Errorf("%d grants, want %d", len(s.Grants), n)
	}
	rest := fmt.Sprint(s.Grants[len(s.Grants)-4:], s.Masks, s.Workdir.Value, s.Hostname.Value, s.TTY.Value, s.Root.Value, s.RootCow, s.Nesting,
		s.UID, s.IDs.Value, s.Net, s.Limits, s.Devices, s.Seccomp.Value, s.SeccompAllow, s.SeccompDeny, s.Env, l.Extends)
	want := "[{/c:d ~/e ro true f:10} {./x  ro false f:10} {.  ro false f:10} {~/work  rw false f:11}]" +
		" [{/with:colon f:12} {~/double f:12}]~/workboxnew~/debian{true f:18 true} {false f:19 true} {1000 f:25 true}subids{host f:28 true}" +
		" [{files 100 f:30} {file_size 1610612736 f:31} {core 0 f:32} {tmp_size 65536 f:33}]" +
		" [{/dev/dri f:35 true} {/dev/fuse f:35 true}]default[{ptrace f:38 true}] [{mount f:39 true}]" +
		" [{LC_* pass  f:21} {* pass  f:21} {*_KEY drop  f:22} {A pass  f:21} {B drop  f:22} {C set 1 f:23} {D set  f:23}] [{default 3} {./other.toml 3}]"
	// A Setting prints by its fields.
	if strings.ReplaceAll(rest, " ", "") != strings.ReplaceAll(want, " ", "") {
		t.Errorf("have %s\nwant %s", rest, want)
	}
}

func TestOwnNameBeatsSet(t *testing.T) {
	l, err := Parse("f", []byte(`files = {hide = ["@ssh"], ro = ["~/.ssh"]}`))
	if err != nil || len(l.Spec.Grants) != 1 || hides(l.Spec, "~/.ssh") || !hides(l.Spec, "~/.gnupg") {
		t.Errorf("hide @ssh, ro ~/.ssh: %v %v", l, err)
	}
	l, err = Parse("f", []byte(`files = {ro = ["@ssh"], hide = ["~/.ssh"]}`))
	if err != nil || len(l.Spec.Masks) != 1 || len(l.Spec.Grants) != 6 {
		t.Errorf("ro @ssh, hide ~/.ssh: %v %v", l, err)
	}
}

func hides(s sandbox.Spec, path string) bool {
	for _, m := range s.Masks {
		if m.Path == path {
			return true
		}
	}
	return false
}

func TestSize(t *testing.T) {
	for text, want := range map[string]Size{"0": 0, "1": 1, "1K": 1024, "1.5G": 3 << 29, "512M": 512 << 20, "2T": 2 << 40, "4MiB": 4 << 20, ".5K": 512} {
		var s Size
		if err := s.UnmarshalText([]byte(text)); err != nil || s != want {
			t.Errorf("%q: %d %v, want %d", text, s, err, want)
		}
		var back Size
		if err := back.UnmarshalText([]byte(s.String())); err != nil || back != s {
			t.Errorf("%q is written %q, and read as %d", text, s, back)
		}
	}
	for _, text := range []string{"", "M", "1k", "1MB", "1iB", "-1", "+1", "1e3", "inf", "0x10", "1_000", "1.2.3", "9999999T", " 1", "iB", "."} {
		if s := Size(0); s.UnmarshalText([]byte(text)) == nil {
			t.Errorf("%q is a size: %d", text, s)
		}
	}
}

// FuzzParse: whatever the text, nothing panics, every place is in the text, and both readers of TOML agree.
func FuzzParse(f *testing.F) {
	f.Add(everything)
	files, _ := filepath.Glob("testdata/*.txtar")
	for _, file := range files {
		if a, err := txtar.ParseFile(file); err == nil {
			f.Add(string(a.Files[0].Data))
		}
	}
	for _, text := range []string{"[[a]]\nb=1\n[[a]]\nb.c=2\n[a.d]\n[[a.e]]\nx=1", "a=[[1,2],[{b=1},{}],[]]", "\ufeffa=1\r\nb='''\r\nx'''''\r\n", "\"\"=1\n''.a=2", "a=1979-05-27 07:32:00Z # x\nb=\"\"\"a\\\"\"\"\"\"\"",
		"a.b.c=1\n[a.b.d]\n[a.e]", "[a.b]\n[a]\nc={d.e=1,\n# x }\nf=[\n1,#]\n],}", `"\x41\e\u00e9\U0001F600" = 1`, "[a]\nb=1\n[[a.c]]\n[a.c.d]\n[[a.c]]", "a = 'it''s'"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		root := scan(text)
		places(t, text, root)
		_, err := Parse("f", []byte(text))
		if errs, ok := err.(Errors); ok {
			for _, e := range errs {
				if strings.Contains(e.Hint, "bug in cove") {
					t.Fatalf("%v\n%q", e, text)
				}
				_ = e.Error()
				if lines := 1 + strings.Count(text, "\n"); e.Line < 1 || e.Line > lines || e.Col < 1 || e.Width < 1 {
					t.Fatalf("a place outside: %+v", e)
				}
				if strings.ContainsFunc(strings.ReplaceAll(e.Error(), "\n", ""), func(r rune) bool { return r < ' ' || r == 0x7f }) {
					t.Fatalf("a control character: %q", e.Error())
				}
			}
		}
		var doc map[string]any
		md, err := toml.Decode(text, &doc)
		if err != nil {
			return
		}
		agree(t, doc, root, nil)
		for _, key := range md.Keys() {
			if !reaches(root, key) {
				t.Fatalf("scan does not know the key %q of %q", key, text)
			}
		}
	})
}

func places(t *testing.T, text string, n *node) {
	for _, s := range []span{n.key, n.value} {
		if s.start < 0 || s.end < s.start || int(s.end) > len(text) {
			t.Fatalf("%q: a span outside: %v", text, s)
		}
	}
	for _, k := range n.kids {
		places(t, text, k)
	}
}

// agree holds the tree of places to the decoded document.
func agree(t *testing.T, v any, n *node, path []string) {
	switch v := v.(type) {
	case map[string]any:
		if len(v) != len(n.kids) {
			t.Fatalf("%q: %d keys, and places of %d", path, len(v), len(n.kids))
		}
		for _, k := range n.kids {
			if _, ok := v[k.name]; !ok {
				t.Fatalf("%q: a place of %q, which is not there", path, k.name)
			}
			agree(t, v[k.name], k, append(path, k.name))
		}
	case []map[string]any:
		if len(v) != len(n.kids) {
			t.Fatalf("%q: %d tables, and places of %d", path, len(v), len(n.kids))
		}
		for i := range v {
			agree(t, v[i], n.kids[i], path)
		}
	case []any:
		if len(v) != len(n.kids) {
			t.Fatalf("%q: %d items, and places of %d", path, len(v), len(n.kids))
		}
		for i := range v {
			agree(t, v[i], n.kids[i], path)
		}
	}
}

// reaches tells whether a key leads somewhere, through any item of an array.
func reaches(n *node, key []string) bool {
	if n.array {
		for _, item := range n.kids {
			if reaches(item, key) {
				return true
			}
		}
	}
	if len(key) == 0 {
		return true
	}
	k := n.kid(key[0])
	return k != nil && reaches(k, key[1:])
}

func BenchmarkParse(b *testing.B) {
	text := builtinText("default")
	for b.Loop() {
		if _, err := Parse("f", text); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkEverything(b *testing.B) {
	text := []byte(strings.Replace(everything, `"@theirs", "/with`, `"/with`, 1))
	for b.Loop() {
		if _, err := Parse("f", text); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkLoadDefault(b *testing.B) {
	d := Dirs{Config: b.TempDir(), Home: "/home/u", Cwd: b.TempDir()}
	for b.Loop() {
		layers, _, err := Load(d, nil)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := Merge(layers...); err != nil {
			b.Fatal(err)
		}
	}
}
