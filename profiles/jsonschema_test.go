package profiles

import (
	"bytes"
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"github.com/BurntSushi/toml"
	"github.com/rogpeppe/go-internal/txtar"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

// compiled is the schema as a validator takes it.
func compiled(t testing.TB) *jsonschema.Schema {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(Schema()))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft2020)
	if err := c.AddResource("profile.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("profile.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// complains is what an editor would say of a profile; nil where that is nothing.
func complains(t testing.TB, s *jsonschema.Schema, text string) error {
	t.Helper()
	var doc map[string]any
	if _, err := toml.Decode(text, &doc); err != nil {
		return err
	}
	asJSON, err := json.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(asJSON))
	if err != nil {
		t.Fatal(err)
	}
	return s.Validate(v)
}

// What Parse takes, an editor does not underline: all built-in profiles, and those in the tests of everything else.
func TestSchemaTakesProfiles(t *testing.T) {
	s := compiled(t)
	taken := 0
	try := func(name, text string) {
		if _, err := Parse(name, []byte(text)); err != nil {
			return
		}
		taken++
		if err := complains(t, s, text); err != nil {
			t.Errorf("%s: %v\n%s", name, err, text)
		}
	}
	for _, l := range builtins {
		try(l.Name, string(builtinText(strings.TrimPrefix(l.Name, builtinPrefix))))
	}
	if taken != len(builtins) {
		t.Errorf("%d of %d built-in profiles can be parsed", taken, len(builtins))
	}
	for _, pattern := range []string{"testdata/*.txtar", "../testdata/script/*.txtar", "../testdata/plan/*.txtar"} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			t.Fatal("no", pattern, err)
		}
		for _, file := range files {
			a, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range a.Files {
				if strings.HasSuffix(f.Name, ".toml") {
					try(file+": "+f.Name, string(f.Data))
				}
			}
		}
	}
	if taken < len(builtins)+10 {
		t.Errorf("only %d profiles were found", taken)
	}
	try("everything", strings.Replace(everything, `"@theirs", "/with`, `"/with`, 1))
	for _, text := range []string{
		``, `description = ""`, `description = "ä → „ö”"`, `extends = []`,
		`identity.uid = 0`, `identity.uid = "0"`, `identity.uid = 4294967294`, `identity.uid = "keep"`,
		`limits.core = 0`, `limits.core = "0"`, `limits.stack = "1.5G"`, `limits.stack = "4MiB"`, `limits.stack = ".5K"`, `limits.stack = "5.K"`,
		`files.ro = ["~", ".", "/", "./x", "~/x:/y", "/a:~/p", {path = "/a:b"}, {path = "~", target = "/h", optional = false}, "@ssh", "/..x", "/a/b..", "/ä b"]`,
		`files.hide = [".", "./x", "~/a:b", "/x", "@secrets"]`, "sets.a = [\"@ssh\", \"~/x\"]\nfiles.ro = [\"@a\"]",
		`env.pass = ["*", "A", "A*", "*A", "a.b", "Ä"]`, `env.set = {A = "", "b-c" = "x=y"}`,
		`devices.allow = ["dri", "/dev/dri", "/dev/dri/", "snd/seq", "..x"]`, `process.hostname = "a.b-c"`, `process.workdir = "."`, `process.root = "~/debian"`,
		`seccomp.deny = ["ptrace", "_llseek"]`,
	} {
		before := taken
		try(text, text)
		if taken == before {
			t.Errorf("cannot be parsed: %s", text)
		}
	}
}

// What Parse refuses, an editor underlines, each by itself.
func TestSchemaRefuses(t *testing.T) {
	s := compiled(t)
	for _, text := range []string{
		`description = 1`, `description = "a\nb"`, `descripton = "x"`, `extends = "default"`, `extends = [""]`, `extends = [1]`, `Extends = []`,
		`[nonsense]`, `home = "cow"`, `home.mode = "cwo"`, `home.mode = true`, `home.Mode = "cow"`, `home.overlay = ["auto"]`, `mode = "cow"`,
		`files.ro = "~/x"`, `files.ro = [1]`, `files.ro = ["x"]`, `files.ro = [""]`, `files.ro = ["~u/x"]`, `files.ro = ["$HOME/x"]`, `files.ro = ["?/x"]`,
		`files.ro = ["~/*"]`, `files.ro = ["~/a/../b"]`, `files.ro = ["~/.."]`, `files.ro = ["/a:b"]`, `files.ro = ["/a:/b:/c"]`, `files.ro = [":/a"]`, `files.ro = ["/a:"]`,
		`files.ro = ["/a/..:/b"]`, `files.ro = [{}]`, `files.ro = [{target = "~/y"}]`, `files.ro = [{path = 3}]`, `files.ro = [{pth = "~/z"}]`, `files.ro = [{path = "~/z", mode = "x"}]`,
		`files.ro = [{path = "~/q", optional = "yes"}]`, `files.ro = [{path = "q"}]`, `files.ro = [{path = "/q", target = "/../q"}]`,
		`files.rw = ["@ssh"]`, `files.rw = [["~/x"]]`, `files.hide = ["~"]`, `files.hide = ["/"]`, `files.hide = [{path = "~/x"}]`, `files.hide = ["x"]`, `files.hide = ["~/a/../b"]`, `files.hidden = []`,
		`sets.ssh = ["~/x"]`, `sets."@a" = ["~/x"]`, `sets.a = "~/x"`, `sets.a = [1]`, `sets.a = ["x"]`, `sets.a = ["~"]`, `sets = []`,
		`process.workdir = 1979-05-27`, `process.workdir = "x"`, `process.hostname = "my host"`, `process.hostname = ""`, `process.hostname = "-a"`,
		`process.hostname = "` + strings.Repeat("a", 65) + `"`, `process.tty = "none"`, `process.root_cow = "true"`, `process.nesting = 1`, `process.rootcow = true`,
		`env.pass = [1]`, `env.pass = ["A=1"]`, `env.pass = ["$A"]`, `env.pass = [""]`, `env.pass = ["A B"]`, `env.pass = ["A*B"]`, `env.pass = ["*A*"]`, `env.pass = ["**"]`,
		`env.drop = "A"`, `env.set = {A = 1}`, `env.set = {"A*" = ""}`, `env.set = {"" = "x"}`, `env.set = {"A=B" = "x"}`, `env.set = ["A=1"]`,
		`identity.uid = "Root"`, `identity.uid = -1`, `identity.uid = 4294967295`, `identity.uid = "007"`, `identity.uid = 1.5`, `identity.uid = true`, `identity.ids = "subid"`,
		`network.mode = "internet"`, `network = "none"`,
		`limits.files = "100"`, `limits.files = -1`, `limits.files = 1.5`, `limits.stack = 1.5`, `limits.stack = true`, `limits.stack = "lots"`, `limits.stack = "512MB"`,
		`limits.stack = "1 G"`, `limits.stack = ""`, `limits.stack = "."`, `limits.core = -1`, `limits.cores = 1`,
		`devices.allow = "dri"`, `devices.allow = {}`, `devices.allow = ["/etc/passwd"]`, `devices.allow = ["../sda"]`, `devices.allow = ["/dev/"]`, `devices.allow = [""]`, `devices.allow = ["a//b"]`, `devices.allow = ["a/./b"]`,
		`seccomp.mode = "strict"`, `seccomp.allow = ["ptrce"]`, `seccomp.deny = ["SYS_mount"]`, `seccomp.deny = [""]`, `seccomp.allow = "ptrace"`,
	} {
		if _, err := Parse("p.toml", []byte(text)); err == nil {
			t.Errorf("Parse takes %s", text)
		}
		err := complains(t, s, text)
		if _, ok := err.(*jsonschema.ValidationError); !ok {
			t.Errorf("an editor takes %s: %v", text, err)
		}
	}
	// Those of the goldens, as far as they are about single values.
	for _, name := range []string{"keys", "paths", "types", "values", "strange", "strangers"} {
		a, err := txtar.ParseFile("testdata/" + name + ".txtar")
		if err != nil {
			t.Fatal(err)
		}
		if complains(t, s, string(a.Files[0].Data)) == nil {
			t.Errorf("an editor takes testdata/%s.txtar", name)
		}
	}
}

// The examples in the documentation are profiles.
func TestSchemaTakesTheDocumentation(t *testing.T) {
	s := compiled(t)
	parts := strings.Split(docHead, "```")
	for i := 1; i < len(parts); i += 2 {
		if text, ok := strings.CutPrefix(parts[i], "toml\n"); !ok {
			continue
		} else if err := complains(t, s, text); err != nil {
			t.Errorf("%v\n%s", err, text)
		} else if _, err := Parse("doc", []byte(text)); err != nil {
			t.Error(err)
		}
	}
}

// FuzzSchema: whatever Parse takes, an editor does.
func FuzzSchema(f *testing.F) {
	f.Add(everything)
	for _, l := range builtins {
		f.Add(string(builtinText(strings.TrimPrefix(l.Name, builtinPrefix))))
	}
	f.Add(`files.ro = ["~/a:/b", {path = "/a", optional = true}]`)
	f.Add("sets.a = [\"~/x\"]\nlimits = {stack = \".5K\"}\nenv.pass = [\"*A\"]\ndevices.allow = [\"a/b\"]")
	s := compiled(f)
	f.Fuzz(func(t *testing.T, text string) {
		if _, err := Parse("f", []byte(text)); err != nil {
			return
		}
		if err := complains(t, s, text); err != nil {
			t.Errorf("%q: %v", text, err)
		}
	})
}
