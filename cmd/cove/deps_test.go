package main

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"cove/internal/testenv"
)

// arrows are what a package of ours may import of ours, and why no more. A package is held by the first line that
// fits; one that no line fits is a room that the house does not have yet.
var arrows = []struct {
	from string // a package, or with /... all below it
	to   string // separated by spaces
	why  string
}{
	{"cmd/cove", "profiles sandbox sandbox/launch overlay userns internal/box internal/escape internal/mount internal/tty internal/seccomp internal/spell internal/sys/stack internal/sys/zone",
		"the door may know everybody, but forks nothing itself: internal/stage is launch's"},
	{"profiles/...", "sandbox internal/escape internal/seccomp internal/spell",
		"reading a file must not be able to start anything"},
	{"sandbox", "userns overlay internal/mount internal/landlock internal/seccomp internal/escape",
		"a plan is made of facts that were handed in: it touches nothing, and so is the same on every machine"},
	{"sandbox/launch", "sandbox userns overlay internal/box internal/mount internal/landlock internal/seccomp internal/stage internal/sys internal/sys/early internal/sys/signals internal/tty",
		"launch carries out what was planned: it reads no profiles and speaks to nobody"},
	{"userns", "", "a workshop knows one subject of the kernel, and no other workshop"},
	{"overlay", "internal/box internal/mount internal/stage", "a workshop knows one subject of the kernel, and no other workshop; of boxes, only how a tree is removed"},
	{"internal/mount", "internal/stage", "ground: verbs of mounting, performed by the stage"},
	{"internal/landlock", "internal/stage", "ground: rules, put in force by the stage"},
	{"internal/stage", "", "code that runs after a fork must be read whole: it knows nothing of a Spec, a Plan or an Op"},
	{"internal/seccomp/...", "internal/seccomp internal/spell", "ground: filters alone"},
	{"internal/box", "", "ground: directories on disk, whatever is in them"},
	{"internal/tty", "", "ground"},
	{"internal/spell", "", "ground"},
	{"internal/escape", "", "ground"},
	{"internal/sys/early", "", "its variable must be set before package syscall is: it imports nothing"},
	{"internal/sys/signals", "", "ground"},
	{"internal/sys/zone", "", "its variable must be set before package toml is: it imports nothing of ours"},
	{"internal/sys/stack", "", "ground"},
	{"internal/sys", "", "ground"},
	{"internal/roff", "", "ground, for tests alone: manual pages"},
	{"internal/testenv/...", "", "for tests, and under all of them"},
	{"testdata/...", "internal/seccomp internal/tty", "benchmarks and tests' helpers use the program from outside"},
}

func fits(pkg, pattern string) bool {
	dir, all := strings.CutSuffix(pattern, "/...")
	return pkg == dir || all && strings.HasPrefix(pkg, dir+"/")
}

// All arrows point down.
func TestArrows(t *testing.T) {
	const root = "../.."
	seen := map[string]bool{}
	err := filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(p, ".go") || strings.HasSuffix(p, "_test.go") {
			return err
		}
		dir, err := filepath.Rel(root, filepath.Dir(p))
		if err != nil {
			return err
		}
		at := slices.IndexFunc(arrows, func(a struct{ from, to, why string }) bool { return fits(dir, a.from) })
		if at < 0 {
			t.Errorf("%s: no arrow says what it may import", dir)
			return nil
		}
		seen[arrows[at].from] = true
		f, err := parser.ParseFile(token.NewFileSet(), p, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		for _, i := range f.Imports {
			path, _ := strconv.Unquote(i.Path.Value)
			pkg, ours := strings.CutPrefix(path, "cove/")
			if ours && pkg != dir && !slices.Contains(strings.Fields(arrows[at].to), pkg) {
				t.Errorf("%s imports %s: %s", strings.TrimPrefix(p, root+"/"), pkg, arrows[at].why)
			}
			if dir == "internal/sys/early" {
				t.Errorf("%s imports %s: %s", p, path, arrows[at].why)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range arrows {
		if !seen[a.from] {
			t.Errorf("the arrow from %s holds nothing: there is no such package", a.from)
		}
	}
}

// heavy are packages whose initialisation every cove run would pay for. (kong brings regexp, go/doc and os/user, which
// start nothing.)
var heavy = map[string]string{
	"net":           "0.1 ms, and a resolver of its own",
	"os/signal":     "threads that wake one another: internal/sys/signals",
	"net/http":      "0.2 ms and 3 MB",
	"crypto/tls":    "0.1 ms",
	"text/template": "keeps the linker from dropping methods",
	"log":           "package launch has Notify, and ui.go has the words",

	"cove/internal/roff":                       "it writes docs/man, in tests alone",
	"github.com/santhosh-tekuri/jsonschema/v6": "it proves the schema in tests, and is for them alone",
}

// What the program is made of costs time at every start.
func TestNothingHeavyIsLinked(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", ".").Output()
	if err != nil {
		testenv.Need(t, "go", err)
	}
	for _, pkg := range strings.Fields(string(out)) {
		if why, bad := heavy[pkg]; bad {
			t.Errorf("cmd/cove links %s (%s)", pkg, why)
		}
	}
}
