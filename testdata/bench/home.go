package main

import (
	"archive/tar"
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// A workload is what programs do in a home.
type workload struct {
	name  string
	needs []string // programs
	// prepare fills the real home once, outside of any sandbox. run is what is measured, in a sandbox: what it hands to
	// the function t is timed under the name that t is given first, and nothing else is, so that neither a sandbox's
	// start counts nor what it takes to count and to drop its changes.
	prepare, run string
	parts        []part
}

type part struct{ name, what string }

const files = 3000

var workloads = []workload{
	{
		name: "untar", needs: []string{"tar"},
		run:   `mkdir out; t untar tar -xf tree.tar -C out; rm -r out`,
		parts: []part{{"untar", fmt.Sprintf("untar %d small files", files)}},
	},
	{
		name: "stat", needs: []string{"find"},
		prepare: `mkdir -p tree; tar -xf tree.tar -C tree`,
		run:     `for i in first second; do t stat-$i find tree -printf '%m %s %T@ %p\n'; done`,
		parts:   []part{{"stat-first", fmt.Sprintf("find -printf over %d files", files)}, {"stat-second", "find -printf again"}},
	},
	{
		name: "git-status", needs: []string{"git"},
		prepare: `mkdir -p repository; tar -xf tree.tar -C repository; cd repository; git init -q
git add .; git -c user.name=bench -c user.email=bench@localhost commit -qm all; git status`,
		run:   `cd repository; for i in first second; do t git-status-$i git status --porcelain; done`,
		parts: []part{{"git-status-first", fmt.Sprintf("git status of %d files", files)}, {"git-status-second", "git status again"}},
	},
	{
		name: "go-build", needs: []string{"go"},
		prepare: goEnv + `cd module; go build -o ../app .`,
		// A word that no build before knew, so that all packages are compiled and linked, but none of Go's own.
		run: goEnv + `cd module; for p in p*; do echo "package $p; const salt = \"$EPOCHREALTIME\"" >$p/salt.go; done
t go-build go build -o ../app .`,
		parts: []part{{"go-build", fmt.Sprintf("go build of %d packages, Go's own built before", packages)}},
	},
	{
		name: "sqlite", needs: []string{"sqlite3"},
		run: `t sqlite-bulk sqlite3 data.db <bulk.sql
t sqlite-commits sqlite3 data.db <commits.sql
rm data.db`,
		parts: []part{{"sqlite-bulk", "sqlite3, 5,000 inserts in one transaction"}, {"sqlite-commits", "sqlite3, 200 transactions of one insert"}},
	},
	{
		name: "append", needs: []string{"truncate"},
		run:   `t append eval 'echo >>big'; truncate -s 16M big`,
		parts: []part{{"append", "the first line appended to a file of 16 MB, which is copied for it"}},
	},
}

// Offline, with this Go alone.
const goEnv = `export CGO_ENABLED=0 GOPROXY=off GOFLAGS=-mod=mod GOTOOLCHAIN=local; `

// The clock is bash's own, so that reading it starts no process.
const timer = `set -e
t() {
	local name=$1 from=$EPOCHREALTIME; shift
	"$@" >/dev/null
	echo "$name $from $EPOCHREALTIME"
}
`

// home compares what programs do in a copy-on-write home with the same in the real one. All of it runs inside cove, so
// that nothing differs but the overlay.
func home(b *bench) error {
	modes := []struct{ suffix, what string }{{"", "kernel overlay"}, {"-fuse", "fuse-overlayfs"}}
	const plain = "the real home (--home share)"
	args := [][]string{{"--home", "share"}, {"--box", "bench", "--overlay", "kernel"}, {"--box", "bench", "--overlay", "fuse"}}
	prepared := false
	for _, w := range workloads {
		var names []string
		for _, p := range w.parts {
			for _, m := range modes {
				names = append(names, "home/"+p.name+m.suffix)
			}
		}
		if !b.wants(names...) {
			continue
		}
		if !prepared {
			if err := b.fillHome(); err != nil {
				return err
			}
			prepared = true
		}
		leaveOut := func(k int, why string) {
			for _, p := range w.parts {
				b.leaveOut("home/"+p.name+modes[k].suffix, p.what+": "+modes[k].what, plain, why)
			}
		}
		if why := b.ready(w); why != "" {
			for k := range modes {
				leaveOut(k, why)
			}
			continue
		}
		// The first one in each way warms up, and shows whether it works.
		sides := []side{{b: b, w: w, args: args[0]}}
		if err := sides[0].once(); err != nil {
			return err
		}
		var shown []int
		for k := range modes {
			s := side{b: b, w: w, args: args[k+1]}
			if err := s.once(); err != nil {
				leaveOut(k, "does not run here: "+err.Error())
				continue
			}
			sides, shown = append(sides, s), append(shown, k)
		}
		var measures []func() (float64, error)
		for i := range sides {
			sides[i].took = map[string][]float64{}
			measures = append(measures, func() (float64, error) { return 0, sides[i].once() })
		}
		if _, err := b.turns(9, 0, measures...); err != nil {
			return err
		}
		for _, p := range w.parts {
			for i, k := range shown {
				b.compare("home/"+p.name+modes[k].suffix, "ms", p.what+": "+modes[k].what, plain, sides[i+1].took[p.name], sides[0].took[p.name])
			}
		}
	}
	return nil
}

// A side is one kind of home, and how long each part of the workload took in it.
type side struct {
	b    *bench
	w    workload
	args []string
	took map[string][]float64
}

// once runs the workload in a fresh box. That one is not dropped at exit (--rm), since files of such a box are never
// synced to disk, and sqlite would seem faster than it is.
func (s side) once() error {
	inside := s.b.inside(append(slices.Clone(s.args), "--", "bash", "-c", timer+s.w.run))
	said, err := inside.output()
	if err != nil {
		return err
	}
	if boxes := s.b.boxes(); len(boxes) > 0 { // where nothing was changed, there is none
		if _, err := (task{who: s.b.who, argv: append([]string{s.b.cove, "rm", "-q"}, boxes...)}).output(); err != nil {
			return err
		}
	}
	seen := 0
	for line := range strings.Lines(said) {
		f := strings.Fields(line)
		if len(f) != 3 {
			return fmt.Errorf("%s: printed %q for a time", s.w.name, line)
		}
		from, err1 := strconv.ParseFloat(f[1], 64)
		to, err2 := strconv.ParseFloat(f[2], 64)
		if err1 != nil || err2 != nil {
			return fmt.Errorf("%s: printed %q for a time", s.w.name, line)
		}
		if s.took != nil {
			s.took[f[0]] = append(s.took[f[0]], (to-from)*1000)
		}
		seen++
	}
	if seen != len(s.w.parts) {
		return fmt.Errorf("%s: %d times printed, not %d", s.w.name, seen, len(s.w.parts))
	}
	return nil
}

// inside is a sandbox with the Go tree let in, which need not be in /usr.
func (b *bench) inside(args []string) task {
	argv := []string{b.cove, "run", "-q"}
	if root := goRoot(); root != "" && !strings.HasPrefix(root, "/usr/") && !strings.HasPrefix(root, "/opt/") {
		argv = append(argv, "--ro", root)
	}
	return task{who: b.who, argv: append(argv, args...)}
}

func goRoot() string {
	out, _ := exec.Command("go", "env", "GOROOT").Output()
	return strings.TrimSpace(string(out))
}

// ready prepares a workload, or says why it is left out.
func (b *bench) ready(w workload) string {
	for _, name := range w.needs {
		if _, why := find(name); why != "" {
			return why
		}
		if _, err := b.inside([]string{"--home", "share", "--", "sh", "-c", `command -v "$0"`, name}).output(); err != nil {
			return name + " cannot be seen in the sandbox: " + err.Error()
		}
	}
	t := task{who: b.who, argv: []string{"bash", "-ec", w.prepare}}
	if _, err := t.output(); err != nil {
		return "cannot be prepared: " + err.Error()
	}
	return ""
}

// packages is how many the module has that go builds.
const packages = 8

// fillHome writes what the workloads work on.
func (b *bench) fillHome() error {
	at := func(name ...string) string { return filepath.Join(append([]string{b.who.home}, name...)...) }
	archive, err := tree()
	if err != nil {
		return err
	}
	written := map[string][]byte{"tree.tar": archive, "big": make([]byte, 16<<20), "bulk.sql": bulk(), "commits.sql": commits()}
	main := "package main\n\nimport (\n"
	calls := ""
	for i := range packages {
		name := fmt.Sprintf("p%d", i)
		written["module/"+name+"/code.go"] = code(name)
		main += fmt.Sprintf("\t%q\n", "bench/"+name)
		calls += fmt.Sprintf("\tprintln(%s.Salt(), %s.F0(1))\n", name, name)
	}
	written["module/go.mod"] = []byte("module bench\n\ngo 1.22\n")
	written["module/main.go"] = []byte(main + ")\n\nfunc main() {\n" + calls + "}\n")
	for name, text := range written {
		if err := os.MkdirAll(filepath.Dir(at(name)), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(at(name), text, 0o644); err != nil {
			return err
		}
	}
	for i := range packages {
		name := fmt.Sprintf("p%d", i)
		if err := os.WriteFile(at("module", name, "salt.go"), []byte("package "+name+"; const salt = \"\"\n"), 0o644); err != nil {
			return err
		}
	}
	return b.who.own(b.who.home)
}

// tree is an archive of small files, up to 4 kB, fifty to a directory.
func tree() ([]byte, error) {
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for i := range files {
		text := bytes.Repeat([]byte(fmt.Sprintf("file %d\n", i)), 1+i%400)
		h := &tar.Header{Name: fmt.Sprintf("d%02d/e%d/f%d.txt", i/200, i/50%4, i), Mode: 0o644, Size: int64(len(text))}
		if err := w.WriteHeader(h); err != nil {
			return nil, err
		}
		if _, err := w.Write(text); err != nil {
			return nil, err
		}
	}
	err := w.Close()
	return out.Bytes(), err
}

// code is a package of some functions that give the compiler something to do.
func code(name string) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "package %s\n\nimport (\n\t\"strconv\"\n\t\"strings\"\n)\n\nfunc Salt() string { return salt }\n", name)
	for i := range 60 {
		fmt.Fprintf(&b, `
func F%d(n int) string {
	var b strings.Builder
	for i := range n {
		if i%%%d == 0 {
			b.WriteString(strconv.Itoa(i * %d))
		}
	}
	return b.String()
}
`, i, i+2, i)
	}
	return b.Bytes()
}

func bulk() []byte {
	var b bytes.Buffer
	b.WriteString("create table t (id integer primary key, name text);\nbegin;\n")
	for i := range 5000 {
		fmt.Fprintf(&b, "insert into t (name) values ('a name of some length, number %d');\n", i)
	}
	b.WriteString("commit;\n")
	return b.Bytes()
}

func commits() []byte {
	return bytes.Repeat([]byte("insert into t (name) values ('one more');\n"), 200)
}
