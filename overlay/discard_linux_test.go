package overlay

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"cove/internal/box"
)

func (r *rig) discard(paths ...string) Discarded {
	r.t.Helper()
	trash := path.Dir(r.upper) + "/trash"
	if err := os.Mkdir(trash, 0o700); err != nil && !os.IsExist(err) {
		r.t.Fatal(err)
	}
	before := openFDs(r.t)
	fd, err := unix.Open(trash, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		r.t.Fatal(err)
	}
	d, err := Discard(context.Background(), DiscardOptions{Options: r.opts.Options, Upper: r.upperfd, Home: r.homefd, Select: Select(paths...), Trash: fd, Remove: box.RemoveTree, Alone: true})
	unix.Close(fd)
	if err != nil {
		r.t.Fatal(err)
	}
	if left, _ := os.ReadDir(trash); len(left) > 0 {
		r.t.Errorf("left in the trash: %v", left)
	}
	if after := openFDs(r.t); after != before {
		r.t.Errorf("%d descriptors were open before, %d after", before, after)
	}
	return d
}

func TestDiscard(t *testing.T) {
	r := newRig(t, t.TempDir(), Kernel)
	plantEverything(t, r.upper, r.home)
	home := exact(t, r.home)
	d := r.discard("d/a", "deleted", "t-file", "tree/x", "r/b", "r/a", "ro/f", "big")
	var got []string
	for _, m := range d.Dropped {
		got = append(got, fmt.Sprintf("%s %s %d", m.Kind, m.Path, m.Paths))
	}
	if want := "m big 1, A d/a 1, D deleted 1, M r/a 1, D r/b 1, M ro/f 1, T t-file 2, A tree/x 4"; strings.Join(got, ", ") != want {
		t.Errorf("dropped %s, not %s", strings.Join(got, ", "), want)
	}
	rest := r.changes()
	for _, p := range []string{"d/a", "deleted", "t-file", "tree/x", "r/b", "r/a", "ro/f", "big"} {
		if strings.Contains(rest, " "+p+"\n") || strings.Contains(rest, " "+p+"/") || strings.Contains(rest, " "+p+" ") {
			t.Errorf("%s is still a change:\n%s", p, rest)
		}
	}
	for _, p := range []string{"d/m", "gone", "t-dir", "tree/one", "r/c", "ro/g", "tree/ro/f"} {
		if !strings.Contains(rest, " "+p+"\n") {
			t.Errorf("%s is no change any more:\n%s", p, rest)
		}
	}
	if d := r.discard("nothing", "deleted/x"); len(d.Unmet) != 2 {
		t.Errorf("%+v", d)
	}
	r.discard()
	if rest := r.changes(); rest != "" {
		t.Errorf("still changes:\n%s", rest)
	}
	if list, _ := os.ReadDir(r.upper); len(list) > 0 {
		t.Errorf("left in the box: %v", list)
	}
	same(t, "the home", exact(t, r.home), home)
}

// discardAgainstOracle drops some of the changes that a program made, and looks through the mounted overlay: what was
// dropped is as in the home, and all else as it was.
func discardAgainstOracle(t *testing.T, uid int, mount mounter, b Backend, seeds, actions int) {
	if testing.Short() {
		seeds = (seeds + 9) / 10
	}
	if os.Getenv(dirEnv) == "" {
		t.Setenv(dirEnv, quickDir(t))
	}
	if !inUserns(t, uid) {
		return
	}
	base, dropped := os.Getenv(dirEnv), 0
	for seed := range seeds {
		dir := fmt.Sprintf("%s/%d", base, seed)
		mkdirs(t, dir, dir+"/home", dir+"/upper", dir+"/work", dir+"/merged")
		newProgram(uint64(seed)+4e6, dir+"/home", b).plant(40)
		unmount := mount(t, dir)
		p := newProgram(uint64(seed)+5e6, dir+"/merged", b)
		for range actions {
			p.act()
		}
		if b == Fuse {
			unmount()
			unmount = mount(t, dir)
		}
		merged := takePicture(t, dir+"/merged")
		unmount()
		unix.Chmod(dir+"/work/work", 0o700)
		r := newRig(t, dir, b)
		changes, err := walkAll(t, r.upper, r.home, r.opts.Options)
		if err != nil {
			t.Fatal(err)
		}
		rnd := rand.New(rand.NewPCG(uint64(seed), 8))
		var some []string
		for range min(3, len(changes)) {
			if c := changes[rnd.IntN(len(changes))]; c.Path != "." {
				some = append(some, c.Path)
			}
		}
		if len(some) == 0 {
			continue
		}
		d := r.discard(some...)
		if len(d.Refused) > 0 || len(d.Unmet) > 0 {
			t.Errorf("%+v", d)
		}
		home := takePicture(t, r.home)
		unmount = mount(t, dir)
		now := takePicture(t, dir+"/merged")
		unmount()
		unix.Chmod(dir+"/work/work", 0o700)
		in := func(p string) bool {
			return slices.ContainsFunc(some, func(q string) bool { return under(p, q) })
		}
		for p := range now.What {
			want := merged.What[p]
			if in(p) {
				want = home.What[p]
			}
			if now.What[p] != want && p != "." {
				t.Errorf("%q is %s, not %s", p, now.What[p], want)
			}
			if !in(p) && !now.Dir[p] && now.Time[p] != merged.Time[p] {
				t.Errorf("%q is of %v, not %v", p, now.Time[p], merged.Time[p])
			}
		}
		for p := range merged.What {
			if _, there := now.What[p]; !there && !in(p) {
				t.Errorf("%q is gone", p)
			}
		}
		for p := range home.What {
			if _, there := now.What[p]; !there && in(p) && now.Dir[path.Dir(p)] {
				t.Errorf("%q of the home does not show", p)
			}
		}
		dropped += len(d.Dropped)
		if t.Failed() {
			t.Fatalf("seed %d: dropped %q; what the program did:\n%s", seed, some, strings.Join(p.log, "\n"))
		}
	}
	t.Logf("%d seeds: %d dropped", seeds, dropped)
}

func TestDiscardAgainstKernel(t *testing.T) {
	discardAgainstOracle(t, os.Getuid(), mountKernel, Kernel, 100, 60)
}

func TestDiscardAgainstFuse(t *testing.T) {
	discardAgainstOracle(t, 0, mountFuse, Fuse, 20, 60)
}

// Each call fails once, as if it was stopped there: what is not dropped stays as it was, and it can be done again.
func TestDiscardStopped(t *testing.T) {
	some := []string{"d/a", "deleted", "t-file", "tree/x", "r/b", "r/a", "ro/f", "big"}
	for n := 1; ; n++ {
		r := newRig(t, quickDir(t), Kernel)
		plantEverything(t, r.upper, r.home)
		rest := func() (kept []string) {
			for _, line := range strings.Split(r.changes(), "\n") {
				p, _, _ := strings.Cut(strings.TrimPrefix(strings.Join(strings.Fields(line)[min(1, len(strings.Fields(line))):], " "), " "), " (")
				// The directory ro has another mode for the moment: the next discard knows of it.
				if p != "" && p != "r" && p != "ro" && !slices.ContainsFunc(some, func(q string) bool { return under(p, q) }) {
					kept = append(kept, line)
				}
			}
			return kept
		}
		trash := path.Dir(r.upper) + "/trash"
		mkdirs(t, trash)
		opts := DiscardOptions{Options: r.opts.Options, Upper: r.upperfd, Home: r.homefd, Select: Select(some...), Trash: openPath(t, trash), Remove: box.RemoveTree, Alone: true}
		before := rest()
		left := n
		beforeCall = func(string) error {
			if left--; left <= 0 {
				return unix.EIO // and so do all that follow
			}
			return nil
		}
		_, err := Discard(context.Background(), opts)
		beforeCall = nil
		if now := rest(); !slices.Equal(now, before) {
			t.Errorf("stopped at call %d: the others were\n%s\nand are\n%s", n, strings.Join(before, "\n"), strings.Join(now, "\n"))
		}
		if _, err := Discard(context.Background(), opts); err != nil {
			t.Errorf("again after call %d: %v", n, err)
		}
		if now := strings.Split(strings.TrimSpace(r.changes()), "\n"); len(now) != len(before) {
			t.Errorf("again after call %d: %d changes, not %d:\n%s", n, len(now), len(before), strings.Join(now, "\n"))
		}
		if err == nil || t.Failed() {
			if n < 10 {
				t.Errorf("only %d calls", n)
			}
			return
		}
	}
}
