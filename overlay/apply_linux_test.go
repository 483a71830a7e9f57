package overlay

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"cove/internal/box"
)

// A rig is a box over a home, and the history beside them.
type rig struct {
	t                 testing.TB
	upper, home, data string
	opts              ApplyOptions
	upperfd, homefd   int
}

func newRig(t testing.TB, dir string, b Backend) *rig {
	t.Helper()
	return newRigApart(t, dir, dir, b)
}

// newRigApart makes the box and the history in data, and the home in dir.
func newRigApart(t testing.TB, data, dir string, b Backend) *rig {
	t.Helper()
	r := &rig{t: t, upper: data + "/upper", home: dir + "/home", data: data + "/undo"}
	for _, d := range []string{r.upper, r.home} {
		if err := os.Mkdir(d, 0o755); err != nil && !os.IsExist(err) {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() { // directories that may not be written to cannot be emptied
		exec.Command("chmod", "-R", "u+rwx", data+"/upper", data+"/undo", dir+"/home").Run()
	})
	r.upperfd, r.homefd = openPath(t, r.upper), openPath(t, r.home)
	r.opts = ApplyOptions{Options: Options{Backend: b}, Upper: r.upperfd, Home: r.homefd, HomePath: r.home, Box: "b", BoxID: "1", Dangerous: true}
	return r
}

func (r *rig) history() *History {
	r.t.Helper()
	h, err := OpenHistory(r.data)
	if err == nil {
		err = h.Lock(context.Background())
	}
	if err != nil {
		r.t.Fatal(err)
	}
	return h
}

func (r *rig) plan(paths ...string) *Plan {
	r.t.Helper()
	opts := r.opts
	opts.Select = Select(paths...)
	pl, err := PlanApply(context.Background(), opts)
	if err != nil {
		r.t.Fatal(err)
	}
	return pl
}

// apply applies all at the paths. What is refused is for the caller to look at.
func (r *rig) apply(paths ...string) Result {
	r.t.Helper()
	before := openFDs(r.t)
	h := r.history()
	pl := r.plan(paths...)
	result, err := h.Apply(context.Background(), pl, nil)
	if err != nil {
		r.t.Fatalf("apply: %v\n%v", err, pl)
	}
	h.Close()
	if after := openFDs(r.t); after != before {
		r.t.Errorf("%d descriptors were open before, %d after", before, after)
	}
	r.clean()
	return result
}

func (r *rig) undo(id int, force bool) Result {
	r.t.Helper()
	before := openFDs(r.t)
	h := r.history()
	result, err := h.Undo(context.Background(), id, UndoOptions{Home: r.homefd, Upper: r.upperfd, Force: force}, nil)
	if err != nil {
		r.t.Fatalf("undo: %v", err)
	}
	h.Close()
	if after := openFDs(r.t); after != before {
		r.t.Errorf("%d descriptors were open before, %d after", before, after)
	}
	r.clean()
	return result
}

// clean checks what must be true of a home always: no marks of an overlay, nothing left beside.
func (r *rig) clean() {
	r.t.Helper()
	filepath.Walk(r.home, func(p string, _ os.FileInfo, err error) error {
		if strings.HasPrefix(filepath.Base(p), ".cove-") {
			r.t.Errorf("left in the home: %s", p)
		}
		buf := make([]byte, 4096)
		n, _ := unix.Llistxattr(p, buf)
		for _, name := range strings.Split(string(buf[:max(n, 0)]), "\x00") {
			if strings.HasPrefix(name, "user.overlay.") || strings.HasPrefix(name, "user.fuseoverlayfs.") {
				r.t.Errorf("%s has %s", p, name)
			}
		}
		return nil
	})
}

func (r *rig) changes() string {
	r.t.Helper()
	changes, err := walkAll(r.t, r.upper, r.home, r.opts.Options)
	if err != nil {
		r.t.Error(err)
	}
	return show(changes)
}

// exact is all that can be known of a tree but times of change and access.
func exact(t testing.TB, dir string) string {
	t.Helper()
	var b strings.Builder
	s := takeSnapshot(t, dir)
	var paths []string
	for p := range s {
		paths = append(paths, p)
	}
	slices.Sort(paths)
	for _, p := range paths {
		var st unix.Stat_t
		if err := unix.Lstat(filepath.Join(dir, p), &st); err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&b, "%q %+v ino %d links %d blocks %d\n", p, s[p], st.Ino, st.Nlink, st.Blocks)
	}
	return b.String()
}

func same(t testing.TB, what, got, want string) {
	t.Helper()
	if got == want {
		return
	}
	g, w := strings.Split(got, "\n"), strings.Split(want, "\n")
	var b strings.Builder
	for _, line := range g {
		if !slices.Contains(w, line) {
			b.WriteString("  got  " + line + "\n")
		}
	}
	for _, line := range w {
		if !slices.Contains(g, line) {
			b.WriteString("  want " + line + "\n")
		}
	}
	t.Errorf("%s:\n%s", what, b.String())
}

// everything is a box with changes of every sort.
func plantEverything(t testing.TB, upper, home string) {
	t.Helper()
	plant(t, home, "file m old", "file gone x", "dir deleted", "file deleted/x x", "dir deleted/d", "file deleted/d/y y", "file t-file x", "dir t-dir", "file t-dir/in x",
		"link t-link nowhere", "link l old", "file mode x", "file two x", "dir d", "file d/m old", "file d/stays x", "dir r", "file r/a a", "file r/b b", "file r/same s",
		"file bits x", "dir dm", "fifo fifo", "sock sock", "time d 5", "time . 7", "file linked x", "hard linked2 linked", "file big x", "size big 3000000", "dir ro", "file ro/f old", "file ro/g old", "mode ro 0555")
	plant(t, upper, "file m new", "white gone", "white deleted", "dir t-file", "file t-file/n n", "file t-dir new", "file t-link now", "link l new", "file mode x", "mode mode 0755",
		"file two x", "mode two 0600", "xattr two user.a=1", "dir d", "file d/m new", "file d/a added", "time d 77", "dir r", "opaque r", "file r/a A", "file r/same s", "dir r/c", "file r/c/n n",
		"dir tree", "dir tree/x", "file tree/x/f f", "xattr tree/x/f user.k=v", "file tree/one 1", "hard tree/x/two tree/one", "link tree/l ../m", "dir tree/ro", "file tree/ro/f f", "mode tree/ro 0555",
		"file apart 1", "hard tree/x/apart apart", "file sparse x", "size sparse 5000000", "file empty \"\"", "dir emptydir", "mode emptydir 0700", "file bits x", "mode bits 4755", "dir dm", "mode dm 0700", "xattr dm user.d=1",
		"white fifo", "fifo fifo2", "file linked y", "file big x", "size big 3000000", "mode big 0600", "dir ro", "file ro/f new", "white ro/g", "mode ro 0555", `file "x\ny" n`, "time tree 9", "time tree/x 8")
	if err := unix.Lsetxattr(upper+"/d/a", "system.posix_acl_access", []byte(posixACL), 0); err != nil && os.Getenv(inside) == "" { // whom it names is not mapped there
		t.Fatal(err)
	}
	if err := unix.Chmod(upper+"/ro", 0o555); err != nil {
		t.Fatal(err)
	}
}

// All sorts of changes arrive, are no changes any more, and can be taken back to the last inode.
func TestApplyEverything(t *testing.T) {
	dir := t.TempDir()
	r := newRig(t, dir, Kernel)
	plantEverything(t, r.upper, r.home)
	original, changes, box := exact(t, r.home), r.changes(), exact(t, r.upper)
	res := r.apply()
	if len(res.Refused) > 0 {
		t.Errorf("refused: %v", res.Refused)
	}
	if rest := r.changes(); rest != "" {
		t.Errorf("still changes:\n%s", rest)
	}
	for p, want := range map[string]string{"m": "new", "t-file/n": "n", "t-dir": "new", "t-link": "now", "d/a": "added", "r/a": "A", "r/c/n": "n", "r/same": "s", "tree/x/two": "1", "tree/x/apart": "1", "linked": "y", "linked2": "x", "ro/f": "new", "x\ny": "n"} {
		if got, err := os.ReadFile(r.home + "/" + p); err != nil || string(got) != want {
			t.Errorf("%s: %q, %v", p, got, err)
		}
	}
	for _, p := range []string{"gone", "deleted", "r/b", "fifo", "ro/g"} {
		if _, err := os.Lstat(r.home + "/" + p); !os.IsNotExist(err) {
			t.Errorf("%s: %v", p, err)
		}
	}
	stat := func(p string) (st unix.Stat_t) {
		if err := unix.Lstat(r.home+"/"+p, &st); err != nil {
			t.Error(err)
		}
		return st
	}
	if a, b := stat("apart"), stat("tree/x/apart"); a.Ino != b.Ino {
		t.Error("names of one file became two")
	}
	if st := stat("sparse"); st.Size != 5000000 || st.Blocks > 100 {
		t.Errorf("sparse: %d bytes in %d blocks", st.Size, st.Blocks)
	}
	if st := stat("bits"); st.Mode&0o7777 != 0o4755 {
		t.Errorf("bits: %o", st.Mode)
	}
	for p, want := range map[string]int64{"tree": 9, "tree/x": 8, "d": 77, "d/a": aDay, "l": aDay} {
		if st := stat(p); st.Mtim.Sec != want {
			t.Errorf("%s is of %d, not %d", p, st.Mtim.Sec, want)
		}
	}
	for p, want := range map[string]uint32{"ro": 0o555, "tree/ro": 0o555, "emptydir": 0o700, "dm": 0o700, "big": 0o600, "mode": 0o755, "two": 0o600} {
		if st := stat(p); st.Mode&0o7777 != want {
			t.Errorf("%s: %o", p, st.Mode)
		}
	}
	back := r.undo(res.ID, false)
	if len(back.Refused) > 0 || back.Kept != "" || !back.Boxed {
		t.Errorf("undo: %+v", back)
	}
	same(t, "the home", exact(t, r.home), original)
	same(t, "the changes", r.changes(), changes)
	same(t, "the box", exact(t, r.upper), box)
	if list, err := os.ReadDir(r.data); err != nil || len(list) != 2 {
		t.Errorf("the history: %v %v", list, err)
	}
}

// A part is what was named, with the directories that it needs, and no more.
func TestApplyPart(t *testing.T) {
	r := newRig(t, t.TempDir(), Kernel)
	plant(t, r.home, "dir d", "file d/m old", "file e old", "link cfg secret", "dir secret", "dir gone", "file gone/x x")
	plant(t, r.upper, "dir d", "file d/m new", "file d/n new", "file e new", "dir new", "dir new/a", "dir new/b", "file new/a/x x", "file new/a/y y", "file new/b/z z",
		"dir cfg", "file cfg/keys evil", "white gone")
	r.apply("d/m", "new/a/x")
	expect(t, r.upper, r.home, Options{}, "T cfg", "A cfg/keys", "A d/n", "M e", "D gone", "A new/a/y", "A new/b", "A new/b/z")
	// Not through what is there now.
	res := r.apply("cfg/keys")
	if len(res.Made) > 0 || len(res.Refused) != 1 || res.Refused[0].Cause != WithoutAbove {
		t.Errorf("%+v", res)
	}
	if res := r.apply("gone/x"); len(res.Made) > 0 || len(res.Refused) != 1 || res.Refused[0].Cause != WithoutAbove {
		t.Errorf("%+v", res)
	}
	if list, _ := os.ReadDir(r.home + "/secret"); len(list) > 0 {
		t.Error("written through a link")
	}
	if pl := r.plan("nothing", "d", "d/zz"); !slices.Equal(pl.Unmet, []string{"d/zz", "nothing"}) {
		t.Errorf("unmet: %v", pl.Unmet)
	}
	r.apply()
	expect(t, r.upper, r.home, Options{})
	if list, _ := os.ReadDir(r.upper); len(list) > 0 {
		t.Errorf("left in the box: %v", list)
	}
}

// What is dangerous is left out unless it is named, also in a directory that comes as a whole.
func TestApplyDangerous(t *testing.T) {
	r := newRig(t, t.TempDir(), Kernel)
	r.opts.Dangerous = false
	r.opts.Danger = func(c Change) (string, bool) {
		if filepath.Base(c.Path) == "evil" {
			return "runs", c.Path == "evil"
		}
		return "", false
	}
	r.opts.Own, r.opts.Never = []string{".config/cove"}, []string{".local/share/cove"}
	plant(t, r.home, "dir .local", "dir .local/share", "dir .local/share/cove", "file .local/share/cove/x x", "dir .config", "dir .config/cove")
	plant(t, r.upper, "dir proj", "file proj/ok x", "file proj/evil x", "dir proj/sub", "dir proj/sub/evil", "file proj/sub/evil/x x", "file evil x", "file s x", "mode s 4755", "fifo p", "sock k",
		"dir .config", "dir .config/cove", "file .config/cove/p p", "white .local")
	reasons := func(res Result) string {
		var l []string
		for _, x := range res.Refused {
			l = append(l, string(x.Cause)+" "+x.Path)
		}
		return strings.Join(l, ", ")
	}
	got := reasons(r.apply())
	if want := "own-state .config/cove/p, own-state .local, dangerous evil, special k, special p, dangerous proj/evil, dangerous proj/sub/evil, dangerous s"; got != want {
		t.Errorf("refused\n%s, not\n%s", got, want)
	}
	expect(t, r.upper, r.home, Options{}, "A .config/cove/p", "D .local", "A evil", "A k (special)", "A p (special)", "A proj/evil", "A proj/sub/evil", "A proj/sub/evil/x", "A s (setuid)")
	if got := reasons(r.apply("evil", "p", "k", ".config/cove", ".local")); got != "own-state .local, special k" {
		t.Errorf("named: %s", got)
	}
	if got := reasons(r.apply("proj")); got != "dangerous proj/evil, dangerous proj/sub/evil" {
		t.Errorf("named above: %s", got)
	}
	if got := reasons(r.apply("proj/evil", "proj/sub/evil", "s")); got != "" {
		t.Errorf("named: %s", got)
	}
	expect(t, r.upper, r.home, Options{}, "D .local", "A k (special)")
	if _, err := os.Stat(r.home + "/.local/share/cove/x"); err != nil {
		t.Error(err)
	}
}

// Files that belong together come together, or not at all.
func TestApplyTogether(t *testing.T) {
	r := newRig(t, t.TempDir(), Kernel)
	plant(t, r.home, "file a.db old", "file a.db-wal old", "file a.db-shm x", "file b.db old", "file b.db-wal old", "dir .git", "file .git/index old", "dir .git/refs", "file .git/refs/r old", "file .git/config old", "file w old")
	plant(t, r.upper, "file a.db new", "white a.db-wal", "white a.db-shm", "file b.db new", "file b.db-wal new", "dir .git", "file .git/index new", "dir .git/refs", "file .git/refs/r new", "file .git/config new", "file w new")
	var names []string
	for _, m := range r.apply("a.db-wal", ".git/index").Made {
		names = append(names, m.Path)
	}
	if got := strings.Join(names, " "); got != ".git/config .git/index .git/refs/r a.db a.db-shm a.db-wal" {
		t.Errorf("applied %s", got)
	}
	// One cannot be: neither is the other.
	t0 := time.Now().Add(-time.Hour)
	r.opts.Base = ReadBase(nil, Runs{First: t0, Last: t0})
	unix.Chmod(r.home+"/b.db-wal", 0o600) // now
	unix.UtimesNano(r.home+"/w", []unix.Timespec{{Sec: 1}, {Sec: 1}})
	pl := r.plan("b.db")
	if len(pl.Made) > 0 || len(pl.Refused) != 2 {
		t.Errorf("%v", pl)
	}
}

func TestTwoAppliesAtOnce(t *testing.T) {
	r := newRig(t, t.TempDir(), Kernel)
	plant(t, r.upper, "file a a")
	h := r.history()
	h2, err := OpenHistory(r.data)
	if err != nil {
		t.Fatal(err)
	}
	defer h2.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	if err := h2.Lock(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("two hold the lock: %v", err)
	}
	if !h2.Busy() {
		t.Error("not busy")
	}
	h.Close()
	if err := h2.Lock(context.Background()); err != nil {
		t.Error(err)
	}
}

// dig makes directories in one another, with a file in the last.
func dig(t testing.TB, dir string, depth, length int) {
	t.Helper()
	fd, err := unix.Open(dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	name := strings.Repeat("n", length)
	for i := 0; err == nil && i < depth; i++ {
		if err = unix.Mkdirat(fd, name, 0o755); err == nil {
			var next int
			next, err = openDir(fd, name, unix.O_PATH)
			unix.Close(fd)
			fd = next
		}
	}
	if err == nil {
		var f int
		if f, err = unix.Openat(fd, "bottom", unix.O_WRONLY|unix.O_CREAT|unix.O_CLOEXEC, 0o644); err == nil {
			unix.Close(f)
		}
	}
	unix.Close(fd)
	if err != nil {
		t.Fatal(err)
	}
}

// Trees may be deeper than any path can be long.
func TestApplyDeep(t *testing.T) {
	const depth, length = 500, 250
	dir := quickDir(t)
	r := newRig(t, dir, Kernel)
	t.Cleanup(func() {
		fd := openPath(t, dir)
		for _, name := range []string{"home", "upper", "undo"} {
			box.RemoveTree(fd, name)
		}
	})
	mkdirs(t, r.home+"/old", r.upper+"/new")
	dig(t, r.home+"/old", depth, length)
	dig(t, r.upper+"/new", depth, length)
	plant(t, r.upper, "white old")
	bottom := func(top string) bool {
		rel := top + strings.Repeat("/"+strings.Repeat("n", length), depth)
		fd, err := openBeneath(r.homefd, rel, unix.O_PATH)
		if err != nil {
			return false
		}
		defer unix.Close(fd)
		id, err := identAt(fd, "bottom")
		return err == nil && !id.none()
	}
	now := time.Now()
	r.opts.Base = ReadBase(nil, Runs{First: now, Last: now})
	h := r.history()
	defer h.Close()
	start := time.Now()
	res, err := h.Apply(context.Background(), r.plan(), nil)
	if err != nil || len(res.Refused) > 0 || !bottom("new") || bottom("old") {
		t.Fatalf("%v, %v", err, res.Refused)
	}
	t.Logf("applied in %v", time.Since(start))
	start = time.Now()
	back, err := h.Undo(context.Background(), res.ID, UndoOptions{Home: r.homefd, Upper: r.upperfd}, nil)
	if err != nil || len(back.Refused) > 0 || !back.Boxed || bottom("new") || !bottom("old") {
		t.Fatalf("%v, %+v", err, back)
	}
	t.Logf("taken back in %v", time.Since(start))
	// One of the deepest, alone.
	rel := "new" + strings.Repeat("/"+strings.Repeat("n", length), depth) + "/bottom"
	if res, err = h.Apply(context.Background(), r.plan(rel), nil); err != nil || len(res.Refused) > 0 || !bottom("new") {
		t.Fatalf("%v, %v", err, res.Refused)
	}
}
