package overlay

import (
	"context"
	"testing"
)

func TestSetOf(t *testing.T) {
	for p, want := range map[string]string{
		"a.db": "", "a.db-wal": "a.db", "d/a.db-shm": "d/a.db", "a-journal": "a", "-wal": "", "d/-wal": "", "a-walk": "", "a.db-wal/x": "",
		"p/.git/index": "p/.git", ".git/HEAD": ".git", ".git/objects/ab/cd": ".git", "p/.git": "", "p/.git/config": "", "p/.git/hooks/x": "", "p/.git/info/exclude": "",
		"p/.git/modules/m/index": "", "x.git/HEAD": "", "x.git/y/.git/HEAD": "x.git/y/.git", "a.git/b.git/c": "", "p/.gitx/HEAD": "", "p/.git/x-wal": "p/.git",
	} {
		if got := SetOf(p); got != want {
			t.Errorf("%s: %q, not %q", p, got, want)
		}
	}
}

func TestSum(t *testing.T) {
	_, home := twin(t)
	plant(t, home, "dir a", "file a/x 12345", "dir a/b", "file a/b/y 1", "link a/b/l /usr", "fifo a/f", "dir a/e", "file c 1")
	fd := openPath(t, home)
	if got, want := Sum(context.Background(), fd, "a", 100), (Total{Files: 4, Bytes: 6}); got != want {
		t.Errorf("%+v, not %+v", got, want)
	}
	if got := Sum(context.Background(), fd, "a", 3); !got.Part || got.Files > 3 {
		t.Errorf("of three entries: %+v", got)
	}
	for _, p := range []string{"none", "a/b/l", "c", "a/b/l/x", ".."} {
		if got, want := Sum(context.Background(), fd, p, 100), (Total{Part: true}); got != want {
			t.Errorf("%s: %+v", p, got)
		}
	}
}
