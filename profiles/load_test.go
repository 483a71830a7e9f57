package profiles

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"cove/sandbox"
)

// dirsWith makes files in a home, by name: "a" is the profile a, what has a / or a . in it is a path.
func dirsWith(t *testing.T, files map[string]string) Dirs {
	t.Helper()
	home := t.TempDir()
	d := Dirs{Config: filepath.Join(home, ".config/cove"), Home: home, Cwd: filepath.Join(home, "project")}
	for name, text := range files {
		file := filepath.Join(d.Config, "profiles", name+".toml")
		if strings.ContainsAny(name, "/.") {
			file = filepath.Join(d.Cwd, name)
		}
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return d
}

// What stands on what, in the order in which it is merged.
func TestLoadOrder(t *testing.T) {
	files := map[string]string{
		"a":            `home.mode = "tmpfs"`,
		"b":            `env.set = {B = "1"}`,
		"alone":        "extends = []\nhome.mode = \"tmpfs\"",
		"says":         `extends = ["default"]`,
		"on-a":         `extends = ["a"]`,
		"on-alone":     `extends = ["alone"]`,
		"x.toml":       `extends = ["./y.toml"]`,
		"y.toml":       ``,
		".cove.toml":   `files.hide = ["~/notes"]`,
		"strict-still": `extends = ["strict"]`,
	}
	for _, test := range []struct{ names, want string }{
		{"", "default"},
		{"a", "default a"},
		{"alone", "alone"},
		{"a b", "default a b"},
		{"says b", "default says b"},
		// What says nothing does not take back what was set before it.
		{"alone b", "default alone b"},
		{"alone says", "alone default says"},
		{"alone says b", "default alone says b"},
		{"on-a", "default a on-a"},
		{"on-alone", "alone on-alone"},
		{"./x.toml", "default y.toml x.toml"},
		{"strict-still", "default strict strict-still"},
		{"build", "default build"},
		{"b build", "default b build"},
		{".", "default .cove.toml"},
		{"b .", "default b .cove.toml"},
		{"alone .", "alone .cove.toml"},
	} {
		layers, _, err := Load(dirsWith(t, files), strings.Fields(test.names))
		if err != nil {
			t.Errorf("%s: %v", test.names, err)
			continue
		}
		var got []string
		for _, l := range layers {
			name := l.Path
			if name == "" {
				name = strings.TrimPrefix(l.Name, builtinPrefix)
			}
			got = append(got, filepath.Base(strings.TrimSuffix(strings.ReplaceAll(name, "/profiles/", "/"), map[bool]string{true: ".toml"}[strings.Contains(name, "/profiles/")])))
		}
		if got := strings.Join(got, " "); got != test.want {
			t.Errorf("%s: %s, not %s", test.names, got, test.want)
		}
	}
}

// Nobody's silence shows a secret: only extends = [] does.
func TestSilenceHidesSecrets(t *testing.T) {
	hides := func(files map[string]string, names ...string) bool {
		t.Helper()
		layers, _, err := Load(dirsWith(t, files), names)
		if err != nil {
			t.Fatal(err)
		}
		s, err := Merge(layers...)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range s.Masks {
			if m.Path == "~/.ssh" {
				return true
			}
		}
		return false
	}
	for _, test := range []struct {
		want  bool
		files map[string]string
		names string
	}{
		{true, map[string]string{"p": `env.set = {A = "1"}`}, "p"},
		{true, map[string]string{"p": ``}, "p"},
		{false, map[string]string{"p": `extends = []`}, "p"},
		{true, map[string]string{"p": `extends = []`, "q": ``}, "p q"},
		{true, map[string]string{"p": `extends = []`, "q": ``}, "q p"},
		// Yours of the name default stands on the built-in one, unless it says not to.
		{true, map[string]string{"default": `env.set = {A = "1"}`}, ""},
		{true, map[string]string{"default": `env.set = {A = "1"}`, "p": ``}, "p"},
		{false, map[string]string{"default": `extends = []`, "p": ``}, "p"},
		{false, map[string]string{"default": `extends = []`}, "build"},
		{true, map[string]string{"default": `extends = ["p"]`, "p": ``}, ""},
	} {
		if got := hides(test.files, strings.Fields(test.names)...); got != test.want {
			t.Errorf("%v with -p %s: hidden: %v", test.files, test.names, got)
		}
	}
}

// A project's file is held to what the user's profiles say, default's part included.
func TestProjectTightensDefault(t *testing.T) {
	files := map[string]string{"p": ``, ".cove.toml": "[env]\npass = [\"LANG\"]"}
	layers, _, err := Load(dirsWith(t, files), []string{"p", "."})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Merge(layers...); err != nil {
		t.Errorf("default passes LANG, but: %v", err)
	}
	files["p"] = `extends = []`
	if layers, _, err = Load(dirsWith(t, files), []string{"p", "."}); err != nil {
		t.Fatal(err)
	}
	if _, err := Merge(layers...); err == nil {
		t.Error("a project passed a variable that no profile of the user's passes")
	}
}

// What Show writes comes to the same, used as a profile: default does not come back into it.
func TestShowIsAll(t *testing.T) {
	dirs := dirsWith(t, map[string]string{"p": "[files]\nro = [\"~/.ssh\"]"})
	merged := func(name string) sandbox.Spec {
		layers, _, err := Load(dirs, []string{name})
		if err != nil {
			t.Fatal(err)
		}
		s, err := Merge(layers...)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	text := Show(merged("p"))
	if err := os.WriteFile(filepath.Join(dirs.Config, "profiles/shown.toml"), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	again := merged("shown")
	for _, m := range again.Masks {
		if m.Path == "~/.ssh" {
			t.Error("~/.ssh was let in, and is hidden again")
		}
	}
	if got, want := len(again.Masks), len(merged("p").Masks); got != want || len(again.Grants) != 1 {
		t.Errorf("%d masks, not %d; grants: %v", got, want, again.Grants)
	}
}

func TestWiderInWords(t *testing.T) {
	dirs := dirsWith(t, map[string]string{".cove.toml": "[env]\nset = {A = \"1\"}\npass = [\"B\"]"})
	layers, _, err := Load(dirs, []string{"."})
	if err != nil {
		t.Fatal(err)
	}
	_, err = Merge(layers...)
	for _, want := range []string{`it sets the variable "A"`, `it passes the variable "B"`} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("not %q: %v", want, err)
		}
	}
}
