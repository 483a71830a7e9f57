package overlay

import (
	"context"
	"os"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

// Somebody else, with the rights to do so, moves directories of the home about while changes arrive there, and puts
// links in their place. Nothing is ever written, or taken away, where a link leads.
func TestApplyRaces(t *testing.T) {
	dir := quickDir(t)
	r := newRig(t, dir, Kernel)
	r.opts.Force = true // the strictest looks are those that come first; leave them out
	secret := dir + "/secret"
	mkdirs(t, secret, secret+"/sub")
	plant(t, secret, "file key secret", "file sub/x secret", "file gone secret", "file m m")
	before := exact(t, secret)
	var cycle sync.Mutex // no round begins in the middle of one
	stop := make(chan bool)
	var wg sync.WaitGroup
	wg.Go(func() {
		b, aside := r.home+"/a/b", r.home+"/a/aside"
		for {
			select {
			case <-stop:
				return
			default:
			}
			cycle.Lock()
			// Two ways: with a moment in which nothing is there, and without.
			if os.Rename(b, aside) == nil {
				os.Symlink(secret, b)
				os.Remove(b)
				os.Rename(aside, b)
			}
			if os.Symlink(secret, aside) == nil {
				unix.Renameat2(unix.AT_FDCWD, b, unix.AT_FDCWD, aside, unix.RENAME_EXCHANGE)
				unix.Renameat2(unix.AT_FDCWD, b, unix.AT_FDCWD, aside, unix.RENAME_EXCHANGE)
				os.Remove(aside)
			}
			cycle.Unlock()
		}
	})
	rounds, made, refused := 400, 0, 0
	if testing.Short() {
		rounds = 200
	}
	for range rounds {
		cycle.Lock()
		for _, d := range []string{r.home + "/a", r.upper + "/a", r.data} {
			if err := os.RemoveAll(d); err != nil {
				t.Fatal(err)
			}
		}
		plant(t, r.home, "dir a", "dir a/b", "file a/b/key k", "dir a/b/sub", "file a/b/sub/x x", "file a/b/gone g", "file a/b/m m")
		plant(t, r.upper, "dir a", "dir a/b", "file a/b/key evil", "dir a/b/sub", "file a/b/sub/x evil", "file a/b/sub/new evil", "white a/b/gone", "file a/b/m m", "mode a/b/m 0777", "dir a/b/tree", "file a/b/tree/x evil")
		cycle.Unlock()
		h := r.history()
		pl, err := PlanApply(context.Background(), r.opts)
		if err != nil {
			h.Close()
			refused++
			continue // it could not be compared
		}
		res, err := h.Apply(context.Background(), pl, nil)
		if err != nil {
			t.Fatal(err)
		}
		made, refused = made+len(res.Made), refused+len(res.Refused)
		if res.ID > 0 {
			if _, err := h.Undo(context.Background(), res.ID, UndoOptions{Home: r.homefd, Upper: r.upperfd, Force: true}, nil); err != nil {
				t.Fatal(err)
			}
		}
		h.Close()
	}
	close(stop)
	wg.Wait()
	same(t, "what the link led to", exact(t, secret), before)
	t.Logf("%d made, %d refused", made, refused)
	if made == 0 || refused == 0 {
		t.Error("the two never met: this tests nothing")
	}
}
