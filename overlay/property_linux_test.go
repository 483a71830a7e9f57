package overlay

import (
	"bytes"
	"encoding/gob"
	"fmt"
	"math/rand/v2"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// A picture is a tree as it must come out: for each path what it is, and of which others it is a hard link.
type picture struct {
	What  map[string]string // type, mode, content, attributes
	Dir   map[string]bool
	Time  map[string]unix.Timespec
	Inode map[string]uint64
}

func takePicture(t testing.TB, dir string) picture {
	t.Helper()
	p := picture{map[string]string{}, map[string]bool{}, map[string]unix.Timespec{}, map[string]uint64{}}
	for rel, s := range takeSnapshot(t, dir) {
		if s.kind == whiteoutKind {
			continue // to a program it is not there
		}
		var st unix.Stat_t
		if err := unix.Lstat(filepath.Join(dir, rel), &st); err != nil {
			t.Fatal(err)
		}
		p.What[rel] = fmt.Sprintf("%o %o %q %s", s.kind, s.mode, s.content, s.xattrs)
		p.Dir[rel] = s.kind == unix.S_IFDIR
		p.Time[rel], p.Inode[rel] = s.mtime, st.Ino
	}
	return p
}

// comparePictures compares a home after an apply with what the program saw at its end. Made are the changes, and
// refused the paths at and below which all was to stay.
func comparePictures(t testing.TB, home, merged, upper picture, made map[string]Kind, refused []string, parts bool) (ok bool) {
	t.Helper()
	ok = true
	left := func(p string) bool {
		return slices.ContainsFunc(refused, func(r string) bool { return under(p, r) })
	}
	fail := func(format string, args ...any) {
		t.Helper()
		ok = false
		t.Errorf(format, args...)
	}
	added := func(p string) bool {
		for ; p != "."; p = path.Dir(p) {
			if k := made[p]; k == Added || k == Retyped {
				return true
			}
		}
		return false
	}
	changedIn := map[string]bool{}
	for p, k := range made {
		if k != Meta && k != Replaced { // or its entries stay
			changedIn[path.Dir(p)] = true
		}
	}
	for p, want := range merged.What {
		if left(p) {
			continue
		}
		if p == "." { // the upper directory has no more than its permission bits
			continue
		}
		if got := home.What[p]; got != want {
			fail("%q is\n%s, not\n%s", p, got, want)
		}
		isDir := merged.Dir[p]
		regular := strings.HasPrefix(want, "100000")
		if (regular || added(p) || made[p] == Modified || isDir && changedIn[p] && made[p] != Meta) && home.Time[p] != merged.Time[p] {
			fail("%q is of %v, not %v (%s)", p, home.Time[p], merged.Time[p], made[p])
		}
	}
	for p := range home.What {
		if _, there := merged.What[p]; !there && !left(p) {
			fail("%q is there", p)
		}
	}
	// Hard links: of two changes if and only if the program saw them; of a change and something else never anew.
	byInode := map[uint64][]string{}
	for p, ino := range merged.Inode {
		if made[p] != "" && !merged.Dir[p] && !left(p) {
			byInode[ino] = append(byInode[ino], p)
		}
	}
	for _, group := range byInode {
		for _, p := range group[1:] {
			if home.Inode[p] != home.Inode[group[0]] && !parts { // which parts names of one file
				fail("%q and %q are not one file any more", p, group[0])
			}
		}
	}
	// Through overlayfs, a file that was copied up and then linked has two numbers (no index, no xino).
	linked := func(p, q string) bool {
		return merged.Inode[p] == merged.Inode[q] || upper.Inode[p] != 0 && upper.Inode[p] == upper.Inode[q]
	}
	for p := range home.What {
		for q := range home.What {
			if p < q && !home.Dir[p] && home.Inode[p] == home.Inode[q] && (made[p] != "" || made[q] != "") && !linked(p, q) && !left(p) && !left(q) {
				fail("%q and %q are one file now", p, q)
			}
		}
	}
	return ok
}

// applyAgainstOracle runs programs over homes in a mounted overlay, one for each seed, and then, outside of the user
// namespace: an apply must make the home what the program saw, and an undo what it was.
func applyAgainstOracle(t *testing.T, uid int, mount mounter, b Backend, seeds, actions int) {
	if testing.Short() {
		seeds = (seeds + 9) / 10
	}
	if os.Getenv(dirEnv) == "" {
		t.Setenv(dirEnv, quickDir(t))
	}
	base := os.Getenv(dirEnv)
	if inUserns(t, uid) {
		for seed := range seeds {
			dir := fmt.Sprintf("%s/%d", base, seed)
			mkdirs(t, dir, dir+"/home", dir+"/upper", dir+"/work", dir+"/merged")
			newProgram(uint64(seed)+2e6, dir+"/home", b).plant(40)
			unmount := mount(t, dir)
			p := newProgram(uint64(seed)+3e6, dir+"/merged", b)
			for range actions {
				p.act()
			}
			if b == Fuse {
				unmount()
				unmount = mount(t, dir)
			}
			picture := takePicture(t, dir+"/merged")
			unmount()
			unix.Chmod(dir+"/work/work", 0o700)
			var out bytes.Buffer // not JSON: names may be any bytes
			err := gob.NewEncoder(&out).Encode(picture)
			if err == nil {
				err = os.WriteFile(dir+"/merged.gob", out.Bytes(), 0o644)
			}
			if err == nil {
				err = os.WriteFile(dir+"/log", []byte(strings.Join(p.log, "\n")), 0o644)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		return
	}
	n := 0
	for seed := range seeds {
		dir := fmt.Sprintf("%s/%d", base, seed)
		if !applyOnce(t, dir, b, uint64(seed), &n) {
			log, _ := os.ReadFile(dir + "/log")
			t.Fatalf("seed %d: what the program did:\n%s", seed, log)
		}
	}
	t.Logf("%d seeds: %d changes", seeds, n)
	if n < seeds*5 {
		t.Error("hardly a change: this tests little")
	}
}

func applyOnce(t *testing.T, dir string, b Backend, seed uint64, n *int) bool {
	t.Helper()
	text, err := os.ReadFile(dir + "/merged.gob")
	if err != nil {
		t.Fatal(err)
	}
	var merged picture
	if err := gob.NewDecoder(bytes.NewReader(text)).Decode(&merged); err != nil {
		t.Fatal(err)
	}
	r := newRig(t, dir, b)
	// The home holds whiteouts that the program did not see; and that is to be replaced here, too.
	r.opts.Force = true
	upper := takePicture(t, r.upper)
	original, box := exact(t, r.home), exact(t, r.upper)
	changes, err := walkAll(t, r.upper, r.home, r.opts.Options)
	if err != nil {
		t.Fatal(err)
	}
	before := show(changes)
	made := map[string]Kind{}
	for _, c := range changes {
		made[c.Path] = c.Kind
	}
	*n += len(changes)
	// For some seeds in parts: a few paths, then all.
	var ids []int
	rnd := rand.New(rand.NewPCG(seed, 7))
	if seed%2 == 1 && len(changes) > 0 {
		var some []string
		for range 3 {
			some = append(some, changes[rnd.IntN(len(changes))].Path)
		}
		if res := r.apply(some...); res.ID > 0 {
			ids = append(ids, res.ID)
		}
	}
	res := r.apply()
	if res.ID > 0 {
		ids = append(ids, res.ID)
	}
	var refused []string
	for _, x := range res.Refused {
		// It makes sockets; and it cannot give files away.
		if x.Cause != SpecialFile && x.Cause != Forbidden {
			t.Errorf("refused: %v", x)
		}
		refused = append(refused, x.Path)
		delete(made, x.Path)
	}
	ok := comparePictures(t, takePicture(t, r.home), merged, upper, made, refused, len(ids) > 1)
	rest, err := walkAll(t, r.upper, r.home, r.opts.Options)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range rest {
		if !slices.ContainsFunc(refused, func(p string) bool { return under(c.Path, p) || c.Kind == Replaced && under(p, c.Path) }) {
			t.Errorf("still a change: %v", c)
		}
	}
	for _, id := range slices.Backward(ids) {
		if back := r.undo(id, false); len(back.Refused) > 0 || !back.Boxed {
			t.Errorf("undo %d: %+v", id, back)
		}
	}
	same(t, "the home", exact(t, r.home), original)
	same(t, "the box", exact(t, r.upper), box)
	same(t, "the changes", r.changes(), before)
	return ok && !t.Failed()
}

func TestApplyAgainstKernel(t *testing.T) {
	applyAgainstOracle(t, os.Getuid(), mountKernel, Kernel, 150, 60)
}

func TestApplyAgainstFuse(t *testing.T) {
	applyAgainstOracle(t, 0, mountFuse, Fuse, 20, 60)
}
