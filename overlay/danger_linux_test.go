package overlay

import (
	"strconv"
	"strings"
	"testing"
)

// A configuration of git is dangerous for the commands that it comes to name, and where it cannot be read.
func TestJudge(t *testing.T) {
	const plain, evil, says = "[core] bare = false\n", "[core] fsmonitor = ./x\n", "git may run what it names: core.fsmonitor"
	config := func(text string) []string {
		return []string{"dir c", "dir c/.git", "file c/.git/config " + strconv.Quote(text)}
	}
	for name, tt := range map[string]struct {
		home, upper []string
		want        string
	}{
		"new, harmless":      {nil, config(plain), ""},
		"new, with commands": {nil, config(evil), says},
		"changed, harmless":  {config(evil), config(evil + "[user] name = x\n"), ""},
		"comes to name one":  {config(plain), config(plain + evil), says},
		"no longer does":     {config(evil), config(plain), says},
		"not readable":       {nil, config("[x"), "git may run what it names"},
		"a link":             {nil, []string{"dir c", "dir c/.git", "link c/.git/config /etc/passwd"}, "git may run what it names, it leads out of your home"},
		"a fifo":             {nil, []string{"dir c", "dir c/.git", "fifo c/.git/config"}, "git may run what it names, it is no file, directory or link"},
		"too long":           {nil, append(config(plain), "size c/.git/config 4000000"), "git may run what it names"},
		"through a link":     {[]string{"dir e", "link c e", "dir e/.git", "file e/.git/config x"}, config(evil), says},
	} {
		t.Run(name, func(t *testing.T) {
			upper, home := twin(t)
			plant(t, home, tt.home...)
			plant(t, upper, tt.upper...)
			upperfd, homefd := openPath(t, upper), openPath(t, home)
			changes, err := walkAll(t, upper, home, Options{})
			if err != nil {
				t.Fatal(err)
			}
			for _, c := range changes {
				if c.Path != "c/.git/config" {
					continue
				}
				var why []string
				for _, r := range homeDangers(t).Judge(c, upperfd, homefd) {
					why = append(why, r.Why)
				}
				if got := strings.Join(why, ", "); got != tt.want {
					t.Errorf("%v: %q, not %q", c, got, tt.want)
				}
				return
			}
			t.Errorf("no such change: %v", changes)
		})
	}
}

// What must be named is left out with Dangerous, too.
func TestApplyNamedDanger(t *testing.T) {
	r := newRig(t, t.TempDir(), Kernel)
	plant(t, r.upper, "file a a", "file b b")
	r.opts.Danger = func(c Change) (string, bool) { return "is dangerous", c.Path == "b" }
	refused := func(paths ...string) (list string) {
		r.opts.Select = Select(paths...)
		pl, err := PlanApply(t.Context(), r.opts)
		if err != nil {
			t.Fatal(err)
		}
		for _, x := range pl.Refused {
			list += x.Path
		}
		return list
	}
	for _, tt := range []struct {
		dangerous bool
		paths     []string
		want      string
	}{{false, nil, "ab"}, {true, nil, "b"}, {false, []string{"a", "b"}, ""}, {true, []string{"b"}, ""}} {
		r.opts.Dangerous = tt.dangerous
		if got := refused(tt.paths...); got != tt.want {
			t.Errorf("%v %q: %q are left out, not %q", tt.dangerous, tt.paths, got, tt.want)
		}
	}
}
