package box

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// hostile are names that no box may have.
var hostile = []string{
	"", ".", "..", "../x", "a/b", "/", "/x", "x/", "x/..", ".x", "..x", "-x", "--help", "_x", ".trash-x",
	"X", "aX", "a b", " a", "a ", "a\n", "a\x00", "a\x00b", "a\x7f", "a\tb", `a\b`, "a*", "a?", "~", "$x", "a:b", "a,b", "a=b", "'", `"`,
	"ä", "aä", "а", "ｘ", "a\u200b", "a\u202e", "\xff", "a\xff", "é",
	strings.Repeat("a", 65), strings.Repeat("a", 255), strings.Repeat("a", 100000), strings.Repeat("../", 30) + "etc/passwd",
}

func TestCheckName(t *testing.T) {
	for _, name := range []string{"a", "0", "work", "a.b", "a..b", "a-", "a_", "a.", "1.2_3-4", strings.Repeat("a", 64), "lock", "box.json", "con"} {
		if err := CheckName(name); err != nil {
			t.Errorf("%q: %v", name, err)
		}
	}
	for _, name := range hostile {
		want := fmt.Sprintf("cannot call a box %q: a name is a small letter or a digit, then up to 63 of a-z 0-9 . _ -", name)
		if err := CheckName(name); err == nil || err.Error() != want {
			t.Errorf("%q: %v", name, err)
		}
	}
}

func TestGenerate(t *testing.T) {
	for _, words := range [][]string{manners, animals} {
		for i, w := range words {
			if slices.Contains(words[:i], w) || len(w) > 8 || strings.Trim(w, "abcdefghijklmnopqrstuvwxyz") != "" {
				t.Errorf("%q is there twice, long or strange", w)
			}
		}
	}
	if n := len(manners) * len(animals); n < 5000 {
		t.Errorf("only %d names", n)
	}
	seen := map[string]bool{}
	for range 1000 {
		for _, attempt := range []int{0, 20, 21, 1000} {
			name := generate(attempt)
			if err := CheckName(name); err != nil {
				t.Fatal(err)
			}
			if words := len(strings.Split(name, "-")); attempt <= 20 && words != 2 || attempt > 20 && words != 3 {
				t.Fatalf("attempt %d: %q", attempt, name)
			}
			seen[name] = true
		}
	}
	if len(seen) < 2000 {
		t.Errorf("only %d different names of 4000", len(seen))
	}
}

func FuzzCheckName(f *testing.F) {
	for _, name := range hostile {
		f.Add(name)
	}
	f.Add("work")
	f.Fuzz(func(t *testing.T, name string) {
		if CheckName(name) != nil {
			return
		}
		if len(name) > 64 || strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789._-") != "" || strings.ContainsAny(name[:1], "._-") {
			t.Errorf("%q is allowed", name)
		}
	})
}
