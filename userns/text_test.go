package userns

import "testing"

func TestMapText(t *testing.T) {
	for _, test := range []struct {
		lines []Range
		want  string
	}{
		{nil, ""},
		{[]Range{{0, 1000, 1}}, "0 1000 1\n"},
		{[]Range{{0, 100000, 1000}, {1000, 1000, 1}, {4294967294, 4294967294, 1}}, "0 100000 1000\n1000 1000 1\n4294967294 4294967294 1\n"},
	} {
		if got := MapText(test.lines); got != test.want {
			t.Errorf("%v: %q, not %q", test.lines, got, test.want)
		}
	}
}

func TestMapString(t *testing.T) {
	own := []Range{{0, 1000, 1}}
	more := func(r ...Range) []Range { return append([]Range{{0, 1000, 1}}, r...) }
	for _, test := range []struct {
		m    Map
		want string
	}{
		{Map{UIDs: own, GIDs: own}, "1000:1000 → 0:0"},
		{Map{UIDs: []Range{{7, 5, 1}}, GIDs: []Range{{8, 6, 1}}, UID: 7, GID: 8}, "5:6 → 7:8"},
		{Map{UIDs: own, GIDs: own, UID: 3}, "-1:1000 → 3:0, uids 1000 → 0"}, // a map that Plan does not make
		{Map{}, "-1:-1 → 0:0"},
		{Map{UIDs: []Range{{0, 5000, 100}}, GIDs: []Range{{0, 5000, 100}}, UID: 42, GID: 99}, "5042:5099 → 42:99"},
		{Map{UIDs: more(Range{1, 9, 1}), GIDs: more(Range{1, 9, 1})}, "1000:1000 → 0:0, ids 9 → 1"},
		{Map{UIDs: more(Range{1, 9, 2}), GIDs: own}, "1000:1000 → 0:0, uids 9-10 → 1-2"},
		{Map{UIDs: own, GIDs: more(Range{1, 9, 2})}, "1000:1000 → 0:0, gids 9-10 → 1-2"},
		{Map{UIDs: more(Range{1, 9, 2}), GIDs: more(Range{1, 7, 2})}, "1000:1000 → 0:0, uids 9-10 → 1-2, gids 7-8 → 1-2"},
		{Map{UIDs: more(Range{1, 9, 1}, Range{2, 11, 1}, Range{3, 13, 1}, Range{4, 15, 7}), GIDs: own}, "1000:1000 → 0:0, uids (10 in 4 ranges)"},
	} {
		if got := test.m.String(); got != test.want {
			t.Errorf("%q, not %q", got, test.want)
		}
	}
}

func TestError(t *testing.T) {
	for _, test := range []struct {
		err  Error
		want string
	}{
		{Error{"cannot do it", "try this"}, "cannot do it; try this"},
		{Error{"cannot do it", ""}, "cannot do it"},
	} {
		if got := test.err.Error(); got != test.want {
			t.Errorf("%q, not %q", got, test.want)
		}
	}
}
