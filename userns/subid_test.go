package userns

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// ranges shows ranges, or the error, as text.
func ranges(r []SubRange, err error) string {
	if err != nil {
		return err.Error()
	}
	var s []string
	for _, x := range r {
		s = append(s, fmt.Sprintf("%d:%d", x.First, x.Count))
	}
	return strings.Join(s, " ")
}

func TestParseSubids(t *testing.T) {
	const hint = "; a line there reads NAME:FIRST:COUNT, as alice:100000:65536"
	for _, test := range []struct{ name, text, want string }{
		{"nothing", "", ""},
		{"one line", "alice:100000:65536\n", "100000:65536"},
		{"without a newline at the end", "alice:100000:65536", "100000:65536"},
		{"by uid", "1000:100000:65536\n", "100000:65536"},
		{"by name and by uid, in the order of the file", "1000:300000:5\nalice:100000:6\n1000:200000:7\n", "300000:5 100000:6 200000:7"},
		{"blank lines", "\n\nalice:1:2\n\n \n", "1:2"},
		{"no ids", "alice:100000:0\n", "100000:0"},
		{"the first and the last id", "alice:0:4294967294\nalice:4294967294:1\n", "0:4294967294 4294967294:1"},

		{"of others", "bob:100000:65536\nalicea:1:2\nmalice:1:2\nali:1:2\n10000:1:2\n100:1:2\n", ""},
		{"of others, however they look", "bob:x:y\nbob\n:1:2\nbob:1\r\n#alice:1:2\n# alice:1:2\nbob alice:1:2\nbob:alice:1000\n\x00\n", ""},
		{"of others whose names begin alike", "alice smith:1:2\nalice2:1:2\nalice-x:1:2\nalice.x:1:2\n1000x:1:2\n1000 x:1:2\n", ""},
		{"the case matters", "Alice:1:2\nALICE:1:2\n", ""},

		{"CRLF of another", "bob:1:2\r\nalice:1:2\n", "1:2"},
		{"CRLF", "bob:1:2\r\nalice:100000:65536\r\n",
			`cannot read F:2: "alice:100000:65536\r" has a control character, perhaps a carriage return` + hint},
		{"a NUL", "alice:1:2\x00\n", `cannot read F:1: "alice:1:2\x00" has a control character, perhaps a carriage return` + hint},
		{"blank before", "\n alice:1:2\n", `cannot read F:2: " alice:1:2" has white space around it` + hint},
		{"blank behind", "alice:1:2 \n", `cannot read F:1: "alice:1:2 " has white space around it` + hint},
		{"blank behind the name", "alice :1:2\n", `cannot read F:1: "alice :1:2" has white space after the name` + hint},
		{"blank before the number", "alice: 1:2\n", `cannot read F:1: "alice: 1:2" begins at " 1", which is no id` + hint},
		{"blanks for colons", "alice 100000 65536\n", `cannot read F:1: "alice 100000 65536" has 1 fields, not 3` + hint},
		{"tabs for colons", "1000\t1\t2\n", `cannot read F:1: "1000\t1\t2" has 1 fields, not 3` + hint},
		{"the name alone", "alice\n", `cannot read F:1: "alice" has 1 fields, not 3` + hint},
		{"two fields", "alice:100000\n", `cannot read F:1: "alice:100000" has 2 fields, not 3` + hint},
		{"four fields", "alice:1:2:3\n", `cannot read F:1: "alice:1:2:3" has 4 fields, not 3` + hint},
		{"empty fields", "alice::\n", `cannot read F:1: "alice::" begins at "", which is no id` + hint},
		{"no count", "alice:1:\n", `cannot read F:1: "alice:1:" counts "" ids, which is no number` + hint},
		{"words", "alice:one:two\n", `cannot read F:1: "alice:one:two" begins at "one", which is no id` + hint},
		{"negative", "alice:-1:2\n", `cannot read F:1: "alice:-1:2" begins at "-1", which is no id` + hint},
		{"negative count", "alice:1:-2\n", `cannot read F:1: "alice:1:-2" counts "-2" ids, which is no number` + hint},
		{"what newuidmap reads as octal", "alice:0100000:65536\n", `cannot read F:1: "alice:0100000:65536" begins at "0100000", which is no id` + hint},
		{"hexadecimal", "alice:0x10:2\n", `cannot read F:1: "alice:0x10:2" begins at "0x10", which is no id` + hint},
		{"no id", "alice:4294967295:1\n", `cannot read F:1: "alice:4294967295:1" begins at "4294967295", which is no id` + hint},
		{"past the last id", "alice:4294967294:2\n", `cannot read F:1: "alice:4294967294:2" goes beyond 4294967294, the last id` + hint},
		{"a number of many digits", "alice:1:99999999999999999999999\n",
			`cannot read F:1: "alice:1:99999999999999999999999" counts "99999999999999999999" ids, which is no number` + hint},
		{"the first bad line is named", "alice:1:2\nbob:x\nalice:3:x\nalice:4:y\n", `cannot read F:3: "alice:3:x" counts "x" ids, which is no number` + hint},
		{"a comment at the end", "alice:1:2 # mine\n", `cannot read F:1: "alice:1:2 # mine" counts "2 # mine" ids, which is no number` + hint},
		{"long", "alice:" + strings.Repeat("9", 100000),
			`cannot read F:1: "alice:` + strings.Repeat("9", 74) + `" has 2 fields, not 3` + hint},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := ranges(parseSubids("F", test.text, alice)); got != test.want {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
		})
	}
}

func TestParseSubidsOfUnknownName(t *testing.T) {
	u := User{UID: 0}
	for _, test := range []struct{ text, want string }{
		{":1:2\n1:2\n1:2:3\n", ""},
		{"0:1:2\n", "1:2"},
	} {
		if got := ranges(parseSubids("F", test.text, u)); got != test.want {
			t.Errorf("%q: %s, not %s", test.text, got, test.want)
		}
	}
}

func TestParseGetsubids(t *testing.T) {
	for _, test := range []struct{ name, text, want string }{
		{"nothing", "", ""},
		{"one", "0: alice 100000 65536\n", "100000:65536"},
		{"some", "0: alice 100000 65536\n1: alice 300000 5\n\n2: 1000 0 7", "100000:65536 300000:5 0:7"},
		{"a name with blanks", `0: CORP\alice smith 100000 65536`, "100000:65536"},
		{"carriage returns are white space", "0: alice 1 2\r\n", "1:2"},
		{"no number of the line", "alice 100000 65536", `it printed "alice 100000 65536", not "0: NAME FIRST COUNT"`},
		{"no name", "0: 100000 65536", `it printed "0: 100000 65536", not "0: NAME FIRST COUNT"`},
		{"words", "0: alice one two", `it printed "0: alice one two", not "0: NAME FIRST COUNT"`},
		{"octal", "0: alice 010 1", `it printed "0: alice 010 1", not "0: NAME FIRST COUNT"`},
		{"too big", "0: alice 4294967294 2", `it printed "0: alice 4294967294 2", not "0: NAME FIRST COUNT"`},
		{"good, then bad", "0: alice 1 2\nError fetching ranges\n", `it printed "Error fetching ranges", not "0: NAME FIRST COUNT"`},
		{"long", strings.Repeat("x", 1000), `it printed "` + strings.Repeat("x", 80) + `", not "0: NAME FIRST COUNT"`},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := ranges(parseGetsubids(test.text)); got != test.want {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
		})
	}
}

func TestSubidSource(t *testing.T) {
	for _, test := range []struct{ conf, want string }{
		{"", "files"},
		{"passwd: files systemd\ngroup: files\n", "files"},
		{"subid: sss\n", "sss"},
		{"passwd: files\nsubid:\tsss files\n", "sss"},
		{"subid: files sss\n", "files"},
		{"SubID: sss", "sss"},
		{"subid:sss\n", "sss"},
		{"subid:\nsubid:  \nsubid: sss\nsubid: ldap\n", "sss"},
		{"#subid: sss\n", "files"},
		{" subid: sss\n", "files"},
		{"subids: sss\n", "files"},
		{"subid : sss\n", "files"},
		{"subid", "files"},
		{"subid:", "files"},
	} {
		if got := subidSource(test.conf); got != test.want {
			t.Errorf("%q: %q, not %q", test.conf, got, test.want)
		}
	}
}

// A line that newuidmap understands, which is all that parseSubids may take.
var goodLine = regexp.MustCompile(`^([^:]*):(0|[1-9][0-9]*):(0|[1-9][0-9]*)$`)

func FuzzSubids(f *testing.F) {
	for _, text := range []string{
		"alice:100000:65536\n1000:1:2", "alice:1:2\r\n", "alice 1 2", "alice:-1:2", "alice:01:2", "bob:1:2\nalice:4294967294:1\n",
		"alice:0:1\n", "alice:999:3\nalice:1:5000\n", "\x00alice", "alice\xff:1:2", "alice:1:2:3", "alice :1:2",
	} {
		f.Add(text, 1000, "alice")
	}
	f.Add("0:0:5\n:1:2", 0, "")
	f.Add("a b:1:2\n", 7, "a b")
	f.Fuzz(func(t *testing.T, text string, uid int, name string) {
		if uid < 0 || uid > maxID || strings.ContainsAny(name, ":\n") {
			return
		}
		u := User{UID: uid, GID: uid, Name: name}
		got, err := parseSubids("F", text, u)
		if err != nil {
			if !strings.HasPrefix(err.Error(), "cannot read F") {
				t.Fatalf("error %v", err)
			}
			return
		}
		var want []SubRange
		for line := range strings.SplitSeq(text, "\n") {
			f := goodLine.FindStringSubmatch(line)
			if f == nil || f[1] == "" || f[1] != name && f[1] != strconv.Itoa(uid) {
				continue
			}
			first, err1 := strconv.ParseUint(f[2], 10, 32)
			count, err2 := strconv.ParseUint(f[3], 10, 32)
			if err1 != nil || err2 != nil {
				t.Fatalf("%q was taken", line)
			}
			want = append(want, SubRange{int(first), int(count)})
		}
		if ranges(got, nil) != ranges(want, nil) {
			t.Fatalf("%q is %v, not %v", text, got, want)
		}
		for _, who := range []string{"keep", "root", "3"} {
			if m, err := Plan(u, both(got...), who, "subids"); err == nil {
				holds(t, u, both(got...), m)
			}
		}
	})
}

func FuzzGetsubids(f *testing.F) {
	f.Add("0: alice 100000 65536\n1: alice 300000 5\n")
	f.Add("0: a b c 1 2\r\n\n")
	f.Add("Error fetching ranges\n")
	f.Add("0: alice 4294967294 1")
	f.Fuzz(func(t *testing.T, text string) {
		got, err := parseGetsubids(text)
		if err != nil {
			return
		}
		for _, r := range got {
			if r.First < 0 || r.Count < 0 || r.First > maxID || r.First+r.Count > maxID+1 {
				t.Fatalf("%q has %v", text, r)
			}
		}
		if m, err := Plan(alice, both(got...), "keep", "subids"); err == nil {
			holds(t, alice, both(got...), m)
		}
	})
}

func TestAfterRanges(t *testing.T) {
	for _, test := range []struct {
		text string
		want int
	}{
		{"", 0},
		{"a:100000:65536\nb:165536:65536\n", 231072},
		{"b:165536:65536\na:100000:65536", 231072},
		{"a:x:1\n# no\na:5:5 6\na:1:2\n", 3},
	} {
		if got := afterRanges(test.text); got != test.want {
			t.Errorf("%q: %d, not %d", test.text, got, test.want)
		}
	}
}
