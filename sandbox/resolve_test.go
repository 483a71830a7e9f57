package sandbox

import (
	"reflect"
	"testing"
)

func TestResolve(t *testing.T) {
	dir := Look{Kind: Directory}
	tree := map[string]Look{
		"/": dir, "/usr": dir, "/usr/home": dir, "/usr/home/u": dir, "/usr/home/u/f": {Kind: Regular, UID: 7},
		"/home": {Link: "usr/home"}, "/usr/home/u/up": {Link: "../../.."}, "/usr/home/u/abs": {Link: "/usr"},
		"/loop": {Link: "loop"}, "/a": {Link: "b"}, "/b": {Link: "home/u"}, "/dangling": {Link: "nowhere/at"},
	}
	look := func(p string) Look { return tree[p] }
	for _, test := range []struct {
		path, real string
		kind       Kind
		links      []string
	}{
		{"/", "/", Directory, nil},
		{"/home/u/f", "/usr/home/u/f", Regular, []string{"/home"}},
		{"/home/u/../u/./f", "/usr/home/u/f", Regular, []string{"/home"}},
		{"/a/f", "/usr/home/u/f", Regular, []string{"/a", "/b", "/home"}},
		{"/a/up", "/", Directory, []string{"/a", "/b", "/home", "/usr/home/u/up"}},
		{"/a/abs/home", "/usr/home", Directory, []string{"/a", "/b", "/home", "/usr/home/u/abs"}},
		{"/home/new/deep", "/usr/home/new/deep", Missing, []string{"/home"}},
		{"/dangling/x", "/nowhere/at/x", Missing, []string{"/dangling"}},
		{"/../../home", "/usr/home", Directory, []string{"/home"}},
	} {
		f := Resolve(test.path, look)
		var links []string
		for _, l := range f.Links {
			links = append(links, l.Path)
		}
		if f.Real != test.real || f.Kind != test.kind || !reflect.DeepEqual(links, test.links) {
			t.Errorf("%s: got %s %q via %v", test.path, f.Real, f.Kind, links)
		}
	}
	if f := Resolve("/loop", look); f.Kind != Missing {
		t.Errorf("a loop is %q", f.Kind)
	}
}
