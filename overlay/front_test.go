package overlay

import (
	"fmt"
	"strings"
	"testing"
)

func TestFrontEntries(t *testing.T) {
	home := map[string]uint32{".config": 0o700, ".config/app": 0o755, "src": 0o750, ".ssh": 0o700}
	attr := func(rel string) (uint32, int64, bool) {
		mode, ok := home[rel]
		return mode, 7, ok
	}
	for _, test := range []struct {
		name  string
		front Front
		want  string
	}{
		{"nothing", Front{}, ""},
		{"at the top", Front{Hide: []string{".netrc", ".ssh"}}, ".netrc hide, .ssh hide"},
		{"in a directory, which keeps its looks", Front{Hide: []string{".config/gh"}}, ".config dir 0700, .config/gh hide"},
		{"in none: it must not appear", Front{Hide: []string{".aws/credentials", ".config/none/x"}}, ""},
		{"the home itself cannot be", Front{Hide: []string{".", ""}}, ""},
		{"in what is hidden", Front{Hide: []string{".ssh", ".ssh/id"}}, ".ssh hide"},
		{"mount points", Front{Dirs: []string{"new/deep"}, Files: []string{"src/f"}}, "new dir, new/deep dir, src dir 0750, src/f file"},
		{"a mount point in what is hidden and there", Front{Hide: []string{".ssh"}, Files: []string{".ssh/known_hosts"}}, ".ssh opaque, .ssh/known_hosts file"},
		{"and in what is not", Front{Hide: []string{"none"}, Dirs: []string{"none/in"}}, "none dir, none/in dir"},
		{"that is hidden itself", Front{Hide: []string{".ssh"}, Dirs: []string{".ssh"}}, ".ssh opaque"},
		{"deep in what is hidden", Front{Hide: []string{".config"}, Dirs: []string{".config/app/x"}}, ".config opaque, .config/app dir, .config/app/x dir"},
	} {
		var got []string
		for _, e := range test.front.Entries(attr) {
			s := e.Name + " " + e.Kind
			if e.Mode != 0 {
				s += fmt.Sprintf(" %04o", e.Mode)
			}
			got = append(got, s)
		}
		if s := strings.Join(got, ", "); s != test.want {
			t.Errorf("%s:\nhave %s\nwant %s", test.name, s, test.want)
		}
	}
}
