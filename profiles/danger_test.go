package profiles

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

func noCheck(string) error { return nil }

func TestParseDangers(t *testing.T) {
	text := "[[danger]]\npath = \"a/**\"\nwhy = \"w\"\n\n[[danger]]\npath = 'b'\nwhy = 'x'\ngone = true\n"
	got, err := ParseDangers("f", []byte(text), noCheck)
	if want := []Danger{{"a/**", "w", false}, {"b", "x", true}}; err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, %v", got, err)
	}
	if got, err := ParseDangers("f", []byte("danger = [{path = \"a\", why = \"b\"}]"), noCheck); err != nil || len(got) != 1 {
		t.Errorf("%+v, %v", got, err)
	}
	for text, want := range map[string]string{
		"[[danger]]\npath = 1\n":                          "f:2:8: path must be a string",
		"[[danger]]\npath = \"a\"\nwhy = \"b\"\ngone = 1": "f:4:8: gone must be true or false",
		"[[danger]]\npath = \"a\"\n":                      "f:1:3: a danger needs a reason",
		"[[danger]]\nwhy = \"a\"\n":                       "f:1:3: a danger needs a path",
		"[[danger]]\npth = \"a\"\n":                       `f:2:1: unknown key "pth" in [[danger]]`,
		"[danger]\npath = \"a\"\n":                        "danger must be a list of tables",
		"[[dangers]]\npath = \"a\"\n":                     `unknown key "dangers"`,
		"[[danger]]\npath = \"bad\"\nwhy = \"b\"":         "f:2:8: no good",
		"[[danger]\n":                                     "cannot read TOML",
		"danger = 1":                                      "danger must be a list of tables",
		"danger = [1]":                                    "danger must be a list of tables",
	} {
		_, err := ParseDangers("f", []byte(text), func(p string) error {
			if p == "bad" {
				return errors.New("no good")
			}
			return nil
		})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, not %s", text, err, want)
		}
	}
}

func TestLoadDangers(t *testing.T) {
	dir := t.TempDir()
	if got, err := LoadDangers(Dirs{Config: dir + "/none"}, noCheck); got != nil || err != nil {
		t.Errorf("without a file: %v, %v", got, err)
	}
	file := filepath.Join(dir, DangerFile)
	if err := os.WriteFile(file, []byte("[[danger]]\npath = \"a\"\nwhy = \"b\"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := LoadDangers(Dirs{Config: dir}, noCheck); len(got) != 1 || err != nil {
		t.Errorf("%v, %v", got, err)
	}
	os.Remove(file)
	if err := os.Mkdir(file, 0o700); err != nil {
		t.Fatal(err)
	}
	// What is there and cannot be read must not be passed over: it would make less dangerous.
	if _, err := LoadDangers(Dirs{Config: dir}, noCheck); err == nil {
		t.Error("a directory was read")
	}
}

func FuzzParseDangers(f *testing.F) {
	f.Add("[[danger]]\npath = \"a/**\"\nwhy = \"w\"\ngone = true\n")
	f.Add("danger = [{path = \"a\", why = \"b\"}, {}]\n[danger.x]\n")
	f.Fuzz(func(t *testing.T, text string) {
		list, err := ParseDangers("f", []byte(text), noCheck)
		for _, d := range list {
			if d.Path == "" || d.Why == "" {
				t.Errorf("%q: %+v", text, d)
			}
		}
		if errs := (Errors)(nil); err != nil && (!errors.As(err, &errs) || len(errs) == 0) {
			t.Errorf("%q: %v", text, err)
		}
	})
}
