package overlay

import (
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
)

// What is asked for is told as it is told of all, and nothing is told but that and what leads to it.
func TestOnly(t *testing.T) {
	upper, home := twin(t)
	plant(t, home, "dir a", "file a/x 1", "dir a/b", "file a/b/y 1", "file c 1", "file ab 1")
	plant(t, upper, "dir a", "file a/x 2", "dir a/b", "white a/b/y", "white c", "file ab 2", "dir n", "dir n/m", "file n/m/o 1", "file n/p 1")
	for only, want := range map[string]string{
		".":         "D a/b/y, M a/x, M ab, D c, A n, A n/m, A n/m/o, A n/p",
		"a":         "D a/b/y, M a/x",
		"a/b":       "D a/b/y",
		"a/b a/x":   "D a/b/y, M a/x",
		"n/m/o":     "A n, A n/m, A n/m/o",
		"n/m/":      "A n, A n/m, A n/m/o",
		"c ./ab":    "M ab, D c",
		"none":      "",
		"a/b/y/z":   "D a/b/y",
		"c n/p n/p": "D c, A n, A n/p",
		"c .":       "D a/b/y, M a/x, M ab, D c, A n, A n/m, A n/m/o, A n/p",
	} {
		changes, err := walkAll(t, upper, home, Options{Only: strings.Fields(only)})
		if got := strings.ReplaceAll(strings.TrimSuffix(show(changes), "\n"), "\n", ", "); got != want || err != nil {
			t.Errorf("%s: %s (%v), not %s", only, got, err, want)
		}
	}
}

func TestOnlyOfAnything(t *testing.T) {
	base := quickDir(t)
	rng := rand.New(rand.NewPCG(5, 6))
	for range 150 {
		data := make([]byte, 4*(1+rng.IntN(40)))
		for i := range data {
			data[i] = byte(rng.Uint32())
		}
		dir, err := os.MkdirTemp(base, "")
		if err != nil {
			t.Fatal(err)
		}
		upper, home := twinIn(t, dir)
		undo := plantBytes(data, upper, home)
		opts := Options{Backend: []Backend{Kernel, Fuse}[rng.IntN(2)]}
		all, _ := walkAll(t, upper, home, opts)
		for range 5 {
			only := "none"
			if len(all) > 0 {
				only = all[rng.IntN(len(all))].Path
			}
			opts.Only = []string{only}
			under := func(p string) bool { return only == "." || p == only || strings.HasPrefix(p, only+"/") }
			some, _ := walkAll(t, upper, home, opts)
			above := slices.DeleteFunc(slices.Clone(some), func(c Change) bool { return under(c.Path) })
			got, want := slices.DeleteFunc(some, func(c Change) bool { return !under(c.Path) }), slices.DeleteFunc(slices.Clone(all), func(c Change) bool { return !under(c.Path) })
			if show(got) != show(want) {
				t.Errorf("only %q: got\n%swant\n%s", only, show(got), show(want))
			}
			for _, c := range above {
				if c.Path != "." && !strings.HasPrefix(only, c.Path+"/") {
					t.Errorf("only %q: %v", only, c)
				}
			}
		}
		undo()
		os.RemoveAll(dir)
	}
}
