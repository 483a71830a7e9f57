package spell

import (
	"strings"
	"testing"
)

func TestNearest(t *testing.T) {
	words := []string{"default", "strict", "build", "--workdir", "--home", "Mode"}
	for _, test := range []struct{ word, want string }{
		{"strict", "strict"}, {"strickt", "strict"}, {"stirct", "strict"}, {"STRICT", "strict"}, {"buidl", "build"},
		{"mode", "Mode"}, {"--wrokdir", "--workdir"}, {"--hom", "--home"}, {"--h", ""}, {"", ""}, {"x", ""}, {"lab", ""},
		{strings.Repeat("strict", 20), ""},
	} {
		if got := Nearest(test.word, words); got != test.want {
			t.Errorf("%q: %q, not %q", test.word, got, test.want)
		}
	}
}

func TestDistance(t *testing.T) {
	for _, test := range []struct {
		a, b string
		want int
	}{
		{"", "", 0}, {"a", "", 1}, {"", "abc", 3}, {"ab", "ba", 1}, {"abc", "acb", 1}, {"ca", "abc", 3}, {"kitten", "sitting", 3},
		{strings.Repeat("a", 64), strings.Repeat("b", 64), 64}, {strings.Repeat("a", 65), "a", 64},
	} {
		if got, back := Distance(test.a, test.b), Distance(test.b, test.a); got != test.want || back != got {
			t.Errorf("%q and %q: %d and %d, not %d", test.a, test.b, got, back, test.want)
		}
	}
}
