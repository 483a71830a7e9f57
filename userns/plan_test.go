package userns

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

var (
	alice = User{UID: 1000, GID: 1000, Name: "alice"}
	root  = User{UID: 0, GID: 0, Name: "root"}
	usual = Ranges{UIDs: []SubRange{{100000, 65536}}, GIDs: []SubRange{{100000, 65536}}}
)

func both(r ...SubRange) Ranges { return Ranges{UIDs: r, GIDs: r} }

// explain shows a plan as text: what users read, then the maps as the kernel gets them, gids only where they differ.
func explain(m Map, err error) string {
	if err != nil {
		return err.Error()
	}
	var b strings.Builder
	fmt.Fprintln(&b, m)
	if m.Helper {
		fmt.Fprintln(&b, "by newuidmap")
	}
	fmt.Fprint(&b, MapText(m.UIDs))
	if gids := MapText(m.GIDs); gids != MapText(m.UIDs) {
		fmt.Fprint(&b, "gids\n", gids)
	}
	return b.String()
}

func trim(s string) string {
	var lines []string
	for line := range strings.Lines(strings.TrimSpace(s)) {
		lines = append(lines, strings.TrimSpace(line))
	}
	return strings.Join(lines, "\n")
}

func TestPlan(t *testing.T) {
	bob := User{UID: 1001, GID: 100, Name: "bob"}
	for _, test := range []struct {
		name string
		u    User
		subs Ranges
		uid  string
		ids  string
		want string
	}{
		{"keep", alice, usual, "keep", "single", `
			1000:1000 → 1000:1000
			1000 1000 1`},
		{"keep where uid and gid differ", bob, Ranges{}, "keep", "single", `
			1001:100 → 1001:100
			1001 1001 1
			gids
			100 100 1`},
		{"root", bob, Ranges{}, "root", "single", `
			1001:100 → 0:0
			0 1001 1
			gids
			0 100 1`},
		{"a number is uid and gid", bob, Ranges{}, "5", "single", `
			1001:100 → 5:5
			5 1001 1
			gids
			5 100 1`},
		{"the last id", alice, Ranges{}, "4294967294", "single", `
			1000:1000 → 4294967294:4294967294
			4294967294 1000 1`},
		{"zero is root", alice, Ranges{}, "0", "single", `
			1000:1000 → 0:0
			0 1000 1`},
		{"one too many", alice, Ranges{}, "4294967295", "single",
			`cannot be "4294967295" inside: no such identity; say keep, root, or a number from 0 to 4294967294`},
		{"a number too big for the machine", alice, Ranges{}, "99999999999999999999", "single",
			`cannot be "99999999999999999999" inside: no such identity; say keep, root, or a number from 0 to 4294967294`},
		{"octal", alice, Ranges{}, "010", "single",
			`cannot be "010" inside: no such identity; say keep, root, or a number from 0 to 4294967294`},
		{"negative", alice, Ranges{}, "-1", "single",
			`cannot be "-1" inside: no such identity; say keep, root, or a number from 0 to 4294967294`},
		{"signed", alice, Ranges{}, "+1", "single",
			`cannot be "+1" inside: no such identity; say keep, root, or a number from 0 to 4294967294`},
		{"nothing", alice, Ranges{}, "", "single",
			`cannot be "" inside: no such identity; say keep, root, or a number from 0 to 4294967294`},
		{"a name", alice, Ranges{}, "Root\n", "single",
			`cannot be "Root\n" inside: no such identity; say keep, root, or a number from 0 to 4294967294`},
		{"no such ids", alice, usual, "keep", "all",
			`cannot map the ids "all": no such choice; say single or subids`},

		{"root with subids", alice, usual, "root", "subids", `
			1000:1000 → 0:0, ids 100000-165535 → 1-65536
			by newuidmap
			0 1000 1
			1 100000 65536`},
		{"keep leaves a gap for one's own", alice, usual, "keep", "subids", `
			1000:1000 → 1000:1000, ids 100000-100999 → 0-999, 101000-165535 → 1001-65536
			by newuidmap
			0 100000 1000
			1000 1000 1
			1001 101000 64536`},
		{"one's own right behind", alice, both(SubRange{100000, 10}), "10", "subids", `
			1000:1000 → 10:10, ids 100000-100009 → 0-9
			by newuidmap
			0 100000 10
			10 1000 1`},
		{"one's own far behind", alice, both(SubRange{100000, 10}), "4294967294", "subids", `
			1000:1000 → 4294967294:4294967294, ids 100000-100009 → 0-9
			by newuidmap
			0 100000 10
			4294967294 1000 1`},
		{"one's own between two ranges", alice, both(SubRange{100000, 5}, SubRange{200000, 5}), "5", "subids", `
			1000:1000 → 5:5, ids 100000-100004 → 0-4, 200000-200004 → 6-10
			by newuidmap
			0 100000 5
			5 1000 1
			6 200000 5`},
		{"ranges in the order of the file", alice, both(SubRange{500000, 2}, SubRange{100000, 3}, SubRange{300000, 1}), "root", "subids", `
			1000:1000 → 0:0, ids 500000-500001 → 1-2, 100000-100002 → 3-5, 300000 → 6
			by newuidmap
			0 1000 1
			1 500000 2
			3 100000 3
			6 300000 1`},
		{"more than three ranges are summed up", alice, both(SubRange{1, 1}, SubRange{3, 1}, SubRange{5, 1}, SubRange{7, 10}), "root", "subids", `
			1000:1000 → 0:0, ids (13 in 4 ranges)
			by newuidmap
			0 1000 1
			1 1 1
			2 3 1
			3 5 1
			4 7 10`},
		{"uids and gids differ", bob, Ranges{UIDs: []SubRange{{100000, 10}}, GIDs: []SubRange{{200000, 20}}}, "root", "subids", `
			1001:100 → 0:0, uids 100000-100009 → 1-10, gids 200000-200019 → 1-20
			by newuidmap
			0 1001 1
			1 100000 10
			gids
			0 100 1
			1 200000 20`},
		{"one's own id cut out of the middle", alice, both(SubRange{998, 5}), "root", "subids", `
			1000:1000 → 0:0, ids 998-999 → 1-2, 1001-1002 → 3-4
			by newuidmap
			0 1000 1
			1 998 2
			3 1001 2`},
		{"and off the ends", alice, both(SubRange{1000, 5}, SubRange{900, 101}), "root", "subids", `
			1000:1000 → 0:0, ids 1001-1004 → 1-4, 900-999 → 5-104
			by newuidmap
			0 1000 1
			1 1001 4
			5 900 100`},
		{"twice the same", alice, both(SubRange{100000, 65536}, SubRange{100000, 65536}), "root", "subids", `
			1000:1000 → 0:0, ids 100000-165535 → 1-65536
			by newuidmap
			0 1000 1
			1 100000 65536`},
		{"overlapping: the first has them", alice, both(SubRange{100000, 100}, SubRange{100050, 100}, SubRange{99990, 20}), "root", "subids", `
			1000:1000 → 0:0, ids 100000-100099 → 1-100, 100100-100149 → 101-150, 99990-99999 → 151-160
			by newuidmap
			0 1000 1
			1 100000 100
			101 100100 50
			151 99990 10`},
		{"one range around another", alice, both(SubRange{100010, 10}, SubRange{100000, 30}), "root", "subids", `
			1000:1000 → 0:0, ids 100010-100019 → 1-10, 100000-100009 → 11-20, 100020-100029 → 21-30
			by newuidmap
			0 1000 1
			1 100010 10
			11 100000 10
			21 100020 10`},
		{"neighbours are not joined: newuidmap would look for one range", alice, both(SubRange{100000, 10}, SubRange{100010, 10}), "root", "subids", `
			1000:1000 → 0:0, ids 100000-100009 → 1-10, 100010-100019 → 11-20
			by newuidmap
			0 1000 1
			1 100000 10
			11 100010 10`},
		{"all the ids there are", root, both(SubRange{0, 4294967295}), "root", "subids", `
			0:0 → 0:0, ids 1-4294967294 → 1-4294967294
			by newuidmap
			0 0 1
			1 1 4294967294`},
		{"root keeps 0", root, usual, "keep", "subids", `
			0:0 → 0:0, ids 100000-165535 → 1-65536
			by newuidmap
			0 0 1
			1 100000 65536`},
		{"0 outside is root's", alice, both(SubRange{0, 65536}), "root", "subids",
			"cannot use the subordinate ids 0:65536: they hold 0, which is root outside; correct the line in /etc/subuid or /etc/subgid"},
		{"not even alone", alice, both(SubRange{100000, 1}, SubRange{0, 1}), "keep", "subids",
			"cannot use the subordinate ids 0:1: they hold 0, which is root outside; correct the line in /etc/subuid or /etc/subgid"},
		{"nor as a group", User{UID: 0, GID: 1000, Name: "toor"}, both(SubRange{0, 2}), "keep", "subids",
			"cannot use the subordinate ids 0:2: they hold 0, which is root outside; correct the line in /etc/subuid or /etc/subgid"},
		{"an empty range at 0 holds nothing", alice, both(SubRange{0, 0}, SubRange{7, 1}), "root", "subids", `
			1000:1000 → 0:0, ids 7 → 1
			by newuidmap
			0 1000 1
			1 7 1`},
		{"beyond the last id", alice, both(SubRange{4294967294, 2}), "root", "subids",
			"cannot use the subordinate ids 4294967294:2: ids go from 0 to 4294967294; correct the line in /etc/subuid or /etc/subgid"},
		{"negative", alice, both(SubRange{-1, 2}), "root", "subids",
			"cannot use the subordinate ids -1:2: ids go from 0 to 4294967294; correct the line in /etc/subuid or /etc/subgid"},
		{"so big that a sum would wrap", alice, both(SubRange{1, 1<<63 - 1}), "root", "subids",
			"cannot use the subordinate ids 1:9223372036854775807: ids go from 0 to 4294967294; correct the line in /etc/subuid or /etc/subgid"},

		{"none", alice, Ranges{}, "root", "subids",
			"cannot map subordinate ids: /etc/subuid and /etc/subgid has none for alice; an administrator can give some that no other line has: " +
				"sudo usermod --add-subuids 100000-165535 --add-subgids 100000-165535 alice, or, for a user who is not in /etc/passwd, the line alice:100000:65536 in /etc/subuid and /etc/subgid"},
		{"no gids", alice, Ranges{UIDs: usual.UIDs}, "root", "subids",
			"cannot map subordinate ids: /etc/subgid has none for alice; an administrator can give some that no other line has: " +
				"sudo usermod --add-subgids 100000-165535 alice, or, for a user who is not in /etc/passwd, the line alice:100000:65536 in /etc/subgid"},
		{"no uids but one's own", alice, Ranges{UIDs: []SubRange{{1000, 1}, {5000, 0}}, GIDs: usual.GIDs}, "root", "subids",
			"cannot map subordinate ids: /etc/subuid has none for alice; an administrator can give some that no other line has: " +
				"sudo usermod --add-subuids 100000-165535 alice, or, for a user who is not in /etc/passwd, the line alice:100000:65536 in /etc/subuid"},
		{"subids are no matter where ids are single", alice, both(SubRange{0, 9}, SubRange{-1, -1}), "root", "single", `
			1000:1000 → 0:0
			0 1000 1`},
	} {
		t.Run(test.name, func(t *testing.T) {
			m, err := Plan(test.u, test.subs, test.uid, test.ids)
			if got := trim(explain(m, err)); got != trim(test.want) {
				t.Errorf("got:\n%s\nwant:\n%s", got, trim(test.want))
			}
			if err == nil {
				holds(t, test.u, test.subs, m)
			}
		})
	}
}

// holds checks what the kernel, newuidmap and the safety of the machine ask of every map.
func holds(t *testing.T, u User, subs Ranges, m Map) {
	t.Helper()
	for _, side := range []struct {
		name       string
		own, is    int
		lines      []Range
		subs       []SubRange
		everything bool
	}{
		{"uids", u.UID, m.UID, m.UIDs, subs.UIDs, m.Helper},
		{"gids", u.GID, m.GID, m.GIDs, subs.GIDs, m.Helper},
	} {
		fail := func(format string, args ...any) {
			t.Helper()
			t.Fatalf("%s of %+v over %v: %s; the map is\n%s", side.name, u, side.subs, fmt.Sprintf(format, args...), MapText(side.lines))
		}
		if len(side.lines) > 340 || len(MapText(side.lines)) >= 4096 {
			fail("%d lines, %d bytes", len(side.lines), len(MapText(side.lines)))
		}
		if got := outside(side.lines, side.is); got != side.own {
			fail("%d inside is %d outside, not the user's own", side.is, got)
		}
		sum := 0
		for i, r := range side.lines {
			if r.Count < 1 || r.Inside < 0 || r.Outside < 0 || r.Inside+r.Count-1 > maxID || r.Outside+r.Count-1 > maxID {
				fail("%v is no range", r)
			}
			if r.Outside == 0 && side.own != 0 {
				fail("root of the machine is mapped")
			}
			for _, o := range side.lines[:i] {
				if r.Inside < o.Inside+o.Count && o.Inside < r.Inside+r.Count {
					fail("%v and %v have an inside id in common", o, r)
				}
				if r.Outside < o.Outside+o.Count && o.Outside < r.Outside+r.Count {
					fail("%v and %v have an outside id in common", o, r)
				}
			}
			if r.Outside == side.own && r.Count == 1 {
				continue
			}
			sum += r.Count
			within := false
			for _, s := range side.subs {
				within = within || r.Outside >= s.First && r.Outside+r.Count <= s.First+s.Count
			}
			if !within {
				fail("%v lies in no one range, as newuidmap wants it", r)
			}
		}
		// Nothing is left out, and inside there are no holes.
		for _, s := range side.subs {
			for _, id := range []int{s.First, s.First + s.Count/2, s.First + s.Count - 1} {
				if side.everything && s.Count > 0 && !mapped(side.lines, id) {
					fail("%d is not mapped", id)
				}
			}
		}
		for _, id := range []int{0, sum / 2, sum - 1} {
			if sum > 0 && outside(side.lines, id) < 0 {
				fail("%d ids are mapped, but %d inside is nobody", sum, id)
			}
		}
	}
}

func mapped(lines []Range, id int) bool {
	for _, r := range lines {
		if id >= r.Outside && id < r.Outside+r.Count {
			return true
		}
	}
	return false
}

func TestPlanHoldsWithAnyRanges(t *testing.T) {
	const seed = 1
	rnd := rand.New(rand.NewPCG(seed, seed))
	ok := 0
	for range 20000 {
		u := User{UID: rnd.IntN(12), GID: rnd.IntN(12), Name: "alice"}
		var subs Ranges
		for range rnd.IntN(6) {
			subs.UIDs = append(subs.UIDs, SubRange{rnd.IntN(12), rnd.IntN(6)})
		}
		for range rnd.IntN(6) {
			subs.GIDs = append(subs.GIDs, SubRange{1 + rnd.IntN(12), rnd.IntN(6)})
		}
		uid := []string{"keep", "root", "3", "9", "4294967294"}[rnd.IntN(5)]
		m, err := Plan(u, subs, uid, "subids")
		if err != nil {
			continue
		}
		ok++
		holds(t, u, subs, m)
	}
	if ok < 2000 {
		t.Errorf("only %d plans of 20000 were no error: the ranges are badly chosen", ok)
	}
}

func TestPlanManyRanges(t *testing.T) {
	ranges := func(n, first int) (subs []SubRange) {
		for i := range n {
			subs = append(subs, SubRange{first + 2*i, 1})
		}
		return subs
	}
	for _, test := range []struct {
		name  string
		subs  []SubRange
		lines int // 0: refused
	}{
		{"339 and one's own", ranges(339, 10000), 340},
		{"340 and one's own", ranges(340, 10000), 0},
		{"340, and one line more", ranges(341, 10000), 0},
		{"many", ranges(100000, 10000), 0},
		{"many times the same", append(ranges(300, 10000), ranges(300, 10000)...), 301},
		{"few enough, but over a page of text", ranges(339, 4000000000), 0},
		{"one around many", append(ranges(200, 10001), SubRange{10000, 402}), 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			m, err := Plan(alice, both(test.subs...), "root", "subids")
			if test.lines == 0 {
				want := "cannot map so many ranges of subordinate ids: Linux takes 340, in less than a page of text; join ranges in /etc/subuid and /etc/subgid"
				if err == nil || err.Error() != want {
					t.Errorf("got %d lines, %d bytes, error %v", len(m.UIDs), len(MapText(m.UIDs)), err)
				}
				return
			}
			if err != nil || len(m.UIDs) != test.lines {
				t.Fatalf("got %d lines, %v", len(m.UIDs), err)
			}
			holds(t, alice, both(test.subs...), m)
		})
	}
}

// The limit is in bytes: a page less one is taken by the kernel (map_write), a page is not.
func TestPlanPageOfText(t *testing.T) {
	longest := 0
	for n := 1; n <= 339; n++ {
		var subs []SubRange
		for i := range n {
			subs = append(subs, SubRange{1000000000 + 2*i, 1})
		}
		m, err := Plan(alice, both(subs...), "root", "subids")
		if err != nil {
			break
		}
		longest = len(MapText(m.UIDs))
	}
	if longest < 4096-20 || longest > 4095 {
		t.Errorf("the longest text is %d bytes", longest)
	}
}

func FuzzPlan(f *testing.F) {
	f.Add(1000, 1000, "keep", 100000, 65536, 999, 3, 5, 1)
	f.Add(0, 0, "root", 0, 4294967295, 0, 0, 0, 0)
	f.Add(5, 7, "3", 1, 4, 4, 4, 2, 9)
	f.Fuzz(func(t *testing.T, uid, gid int, who string, f1, c1, f2, c2, f3, c3 int) {
		if uid < 0 || gid < 0 || uid > maxID || gid > maxID {
			return
		}
		u := User{UID: uid, GID: gid, Name: "alice"}
		for _, ids := range []string{"single", "subids"} {
			subs := both(SubRange{f1, c1}, SubRange{f2, c2}, SubRange{f3, c3})
			m, err := Plan(u, subs, who, ids)
			if err != nil {
				continue
			}
			holds(t, u, subs, m)
			if ids == "single" && (len(m.UIDs) != 1 || len(m.GIDs) != 1 || m.Helper) {
				t.Errorf("single, but %v", m)
			}
		}
	})
}
