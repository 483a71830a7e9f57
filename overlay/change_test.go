package overlay

import (
	"encoding/json"
	"errors"
	"fmt"
	"syscall"
	"testing"
	"time"
)

func TestChangeAsJSON(t *testing.T) {
	when := time.Unix(1e9, 5).UTC()
	for _, c := range []struct {
		change Change
		want   string
	}{
		{
			Change{Path: "a b/ü", Kind: Modified, Flags: DiffMode | Setuid, Before: Attr{Type: TypeFile, Mode: 0o644, Size: 3, MTime: when, Links: 1, Inode: 7}, After: Attr{Type: TypeFile, Mode: 0o4755, UID: 5}},
			`{"path":"a b/ü","kind":"M","flags":["mode","setuid"],"before":{"type":"file","mode":"0644","uid":0,"gid":0,"links":1,"size":3,"mtime":"2001-09-09T01:46:40.000000005Z","inode":7},"after":{"type":"file","mode":"4755","uid":5,"gid":0}}`,
		},
		{
			Change{Path: "caf\xe9\n", Kind: Added, After: Attr{Type: TypeSymlink, Mode: 0o777, Target: "\xff/x"}},
			`{"path_base64":"Y2Fm6Qo=","kind":"A","after":{"type":"symlink","mode":"0777","uid":0,"gid":0,"target_base64":"/y94"}}`,
		},
		{
			Change{Path: "x\n\x1b\u202e", Kind: Deleted, Before: Attr{Type: TypeSymlink, Target: "t"}},
			`{"path":"x\n\u001b` + "\u202e" + `","kind":"D","before":{"type":"symlink","mode":"0000","uid":0,"gid":0,"target":"t"}}`,
		},
	} {
		text, err := json.Marshal(c.change)
		if err != nil || string(text) != c.want {
			t.Errorf("%v:\n%s (%v), want\n%s", c.change, text, err, c.want)
		}
		var back Change
		if err := json.Unmarshal(text, &back); err != nil || back != c.change {
			t.Errorf("%s reads back as\n%#v (%v), want\n%#v", text, back, err, c.change)
		}
	}
	for _, bad := range []string{`{"flags":["nonsense"]}`, `{"flags":3}`, `{"before":{"mode":"9"}}`, `{"after":{"mode":"77777"}}`, `{"before":3}`, `[]`} {
		if err := json.Unmarshal([]byte(bad), new(Change)); err == nil {
			t.Errorf("%s was read", bad)
		}
	}
}

func TestChangeAsText(t *testing.T) {
	c := Change{Path: "a\nD b", Kind: Modified}
	if got := c.String(); got != `M "a\nD b"` {
		t.Error(got)
	}
	c.Flags = ^Flags(0)
	if got := c.String(); got != `M "a\nD b" (mode,owner,xattr,mtime,setuid,setgid,capability,hard-link,hidden,special)` {
		t.Error(got)
	}
}

func TestUnreadableError(t *testing.T) {
	var e UnreadableError
	e.add("a\n", syscall.EACCES)
	if got := e.Error(); got != `cannot read all that may have changed: "a\n": permission denied` {
		t.Error(got)
	}
	for i := range 1_000_000 {
		e.add(fmt.Sprint(i), syscall.EIO)
	}
	if e.N != 1_000_001 || len(e.Paths) != maxUnreadable || !errors.Is(&e, syscall.EACCES) {
		t.Errorf("%d %q %v", e.N, e.Paths, e.Err)
	}
	if got := e.Error(); got != `cannot read all that may have changed: "a\n", "0", "1", "2", "3", "4", "5", "6", "7", "8" and 999991 more: permission denied` {
		t.Error(got)
	}
}
