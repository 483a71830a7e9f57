package overlay

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"cove/internal/testenv"
)

func TestStrangeNames(t *testing.T) {
	upper, home := twin(t)
	names := []string{"\n", "\x1b[2J", "-rf", "...", "..x", " ", "caf\xe9", "\xff", "ü", "a\tb", `"`, `\`, strings.Repeat("n", 255), strings.Repeat("\xff", 255), "A", "b\x01c"}
	for _, name := range names {
		plant(t, upper, fmt.Sprintf("file %q x", name))
		if name != "-rf" {
			plant(t, home, fmt.Sprintf("file %q y", name))
		}
	}
	plant(t, upper, `link l "/\xff\n"`)
	changes, err := walkAll(t, upper, home, Options{})
	if err != nil || len(changes) != len(names)+1 {
		t.Fatalf("%d changes (%v) of %d:\n%s", len(changes), err, len(names)+1, show(changes))
	}
	for _, c := range changes {
		text, err := json.Marshal(c)
		var back Change
		if err2 := json.Unmarshal(text, &back); err != nil || err2 != nil || back.Path != c.Path || back.After.Target != c.After.Target {
			t.Errorf("%v became %v: %s", c, back, text)
		}
		if line := c.String(); strings.ContainsAny(line, "\n\x1b") {
			t.Errorf("%q", line)
		}
	}
}

// deep makes directories in one another and returns descriptors of the last one. Its path is too long for any call.
func deep(t *testing.T, dir string, depth int, name string) int {
	t.Helper()
	fd, err := unix.Open(dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	for i := 0; i < depth && err == nil; i++ {
		var next int
		if err = unix.Mkdirat(fd, name, 0o755); err == nil {
			next, err = unix.Openat(fd, name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		}
		unix.Close(fd)
		fd = next
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	return fd
}

func mkfile(t *testing.T, dirfd int, name, text string) {
	t.Helper()
	fd, err := unix.Openat(dirfd, name, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_CLOEXEC, 0o644)
	if err == nil {
		_, err = unix.Write(fd, []byte(text))
		err = errors.Join(err, unix.Futimes(fd, []unix.Timeval{{Sec: aDay}, {Sec: aDay}}), unix.Close(fd))
	}
	if err != nil {
		t.Fatal(err)
	}
}

func TestDeepTree(t *testing.T) {
	// With few descriptors, as Walk must not need more for more depth.
	var old unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &old); err != nil {
		t.Fatal(err)
	}
	few := old
	few.Cur = 200
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &few); err != nil {
		t.Fatal(err)
	}
	defer unix.Setrlimit(unix.RLIMIT_NOFILE, &old)

	long := strings.Repeat("n", 255)
	for _, c := range []struct {
		title       string
		name        string
		depth, home int // how deep the upper is, and the home
		opaque      bool
		want        int
	}{
		{"on both sides", "d", 4000, 4000, false, 2},
		{"in the upper alone", "d", 2000, 0, false, 2001},
		{"deeper than the home", "d", 1000, 500, false, 501},
		{"hardly deeper than the home", "d", 500, 499, false, 2},
		{"opaque at the top", "d", 500, 500, true, 4},
		{"with long names", long, 500, 500 - window, false, window + 1},
	} {
		t.Run(c.title, func(t *testing.T) {
			upper, home := twinIn(t, quickDir(t))
			defer removeDeep(t, upper)
			defer removeDeep(t, home)
			up := deep(t, upper, c.depth, c.name)
			down := deep(t, home, c.home, c.name)
			mkfile(t, up, "last", "x")
			want := c.want
			if c.home == c.depth {
				mkfile(t, down, "last", "y")
				// Something on the way back, after it: names are in order.
				plant(t, upper, "file "+c.name+"/z x")
				if c.opaque {
					plant(t, upper, "opaque "+c.name)
					mkfile(t, down, "gone", "")
				}
			}
			changes, err := walkAll(t, upper, home, Options{})
			if err != nil {
				t.Fatal(err)
			}
			if len(changes) != want {
				t.Fatalf("%d changes, want %d", len(changes), want)
			}
			var far Change
			for _, ch := range changes {
				if len(ch.Path) > len(far.Path) {
					far = ch
				}
			}
			if n := strings.Count(far.Path, "/"); n != c.depth {
				t.Errorf("the deepest change lies %d deep, want %d", n, c.depth)
			}
		})
	}
}

// removeDeep empties a directory, for which os.RemoveAll would open too many descriptors.
func removeDeep(t *testing.T, dir string) {
	t.Helper()
	fd, err := unix.Open(dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	buf := make([]byte, chunk)
	var way []string
	for err == nil {
		var names []string
		if names, err = readNames(fd, buf); err != nil {
			break
		}
		down := ""
		for _, name := range names {
			if a, _ := attrAt(fd, name); a.Type == TypeDir {
				down = name
			} else {
				unix.Unlinkat(fd, name, 0)
			}
		}
		next := -1
		switch {
		case down != "":
			next, err = openDir(fd, down, unix.O_RDONLY)
			way = append(way, down)
		case len(way) == 0:
			unix.Close(fd)
			return
		default:
			if next, err = openDir(fd, "..", unix.O_RDONLY); err == nil {
				err = unix.Unlinkat(next, way[len(way)-1], unix.AT_REMOVEDIR)
			}
			way = way[:len(way)-1]
		}
		unix.Close(fd)
		fd = next
	}
	t.Error(err)
}

// A fifo, in whichever tree, is never opened: who opens one with nobody at the other end waits.
func TestFifoDoesNotBlock(t *testing.T) {
	upper, home := twin(t)
	plant(t, upper, "fifo a", "file b x", "fifo c", "link d c", "dir e", "fifo e/p")
	plant(t, home, "file a x", "fifo b", "fifo c", "link d a", "white e")
	start := time.Now()
	expect(t, upper, home, Options{Hidden: []string{"c"}}, "T a (special)", "T b", "M d", "T e (hidden)", "A e/p (special)")
	if d := time.Since(start); d > 5*time.Second {
		t.Errorf("it took %v", d)
	}
}

func TestSparse(t *testing.T) {
	upper, home := twin(t)
	big := int64(1) << 40
	var st unix.Statfs_t
	if err := unix.Statfs(upper, &st); err != nil {
		t.Fatal(err)
	}
	sizes := fmt.Sprint(big)
	for _, dir := range []string{upper, home} {
		for _, name := range []string{"same", "data", "zeros", "moved", "end"} {
			if err := plantOne(dir, "file", dir+"/"+name, ""); err != nil {
				t.Fatal(err)
			}
			if err := plantOne(dir, "size", dir+"/"+name, sizes); err != nil {
				testenv.Need(t, "sparse files", err)
			}
		}
	}
	write := func(p string, off int64, text string) {
		t.Helper()
		f, err := os.OpenFile(p, os.O_WRONLY, 0)
		if err == nil {
			_, err = f.WriteAt([]byte(text), off)
			err = errors.Join(err, f.Close(), os.Chtimes(p, time.Time{}, time.Unix(aDay, 0)))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, dir := range []string{upper, home} {
		write(dir+"/same", 5, "x")
		write(dir+"/same", big/2, "middle")
		write(dir+"/same", big-1, "x")
		write(dir+"/data", 1<<30, "both")
		write(dir+"/zeros", 3<<30, "both")
	}
	write(upper+"/data", big/3, "only here")
	// Zeros that were written are what a hole reads as.
	write(upper+"/zeros", 1<<30, strings.Repeat("\x00", 300_000))
	write(home+"/zeros", 2<<30, strings.Repeat("\x00", 300_000))
	write(upper+"/moved", 1<<30, "text")
	write(home+"/moved", 1<<31, "text")
	write(home+"/end", big-1, "x")
	start := time.Now()
	expect(t, upper, home, Options{}, "M data", "M end", "M moved")
	if d := time.Since(start); d > 5*time.Second {
		t.Errorf("it took %v", d)
	}
}

func TestUnreadable(t *testing.T) {
	upper, home := twin(t)
	plant(t, home, "file same x", "file size x", "file mode x", `file empty ""`, "mode same 0000", "mode empty 0000", "mode size 0000",
		"dir d", "file d/f x", "dir closed", "file closed/f x", "dir nosearch", "file nosearch/f x", "dir homeclosed", "file homeclosed/f x", "dir homeblind", "file homeblind/f x",
		"dir homeopaque", "file homeopaque/f x")
	plant(t, upper, "file same x", "file size xy", "file mode x", `file empty ""`, "mode same 0000", "mode size 0000", "mode mode 0000", "mode empty 0000",
		"dir d", "file d/f y", "dir closed", "file closed/f y", "dir nosearch", "file nosearch/f y", "dir homeclosed", "file homeclosed/f y", "dir homeblind", "file homeblind/f y",
		"dir homeopaque", "opaque homeopaque", "file homeopaque/g x",
		"dir new", "file new/f x", "mode new 0000", "file newfile x", "mode newfile 0000", "white gone", "mode nosearch 0600", "mode closed 0000")
	plant(t, home, "mode homeclosed 0000", "mode homeblind 0311", "mode homeopaque 0311")
	opts := Options{}
	all := []string{"m closed (mode)", "M d/f", "m homeblind (mode)", "M homeblind/f", "m homeclosed (mode)", "m homeopaque (mode)", "A homeopaque/g", "m mode (mode)", "A new", "A newfile", "m nosearch (mode)", "M size"}
	changes, err := walkAll(t, upper, home, opts)
	if os.Geteuid() == 0 {
		if err != nil {
			t.Errorf("root may read all: %v", err)
		}
		// With CAP_DAC_OVERRIDE, as in the user namespace of the box, nothing is missed.
		want := []string{"m closed (mode)", "M closed/f", "M d/f", "m homeblind (mode)", "M homeblind/f", "m homeclosed (mode)", "M homeclosed/f", "R homeopaque (mode)", "D homeopaque/f", "A homeopaque/g",
			"m mode (mode)", "A new", "A new/f", "A newfile", "m nosearch (mode)", "M nosearch/f", "M size"}
		if got := show(changes); got != strings.Join(want, "\n")+"\n" {
			t.Errorf("got\n%s", got)
		}
		return
	}
	defer func() { // for TempDir
		for _, d := range []string{upper + "/closed", upper + "/nosearch", upper + "/new", home + "/homeclosed", home + "/homeblind", home + "/homeopaque"} {
			unix.Chmod(d, 0o700)
		}
	}()
	if got := show(changes); got != strings.Join(all, "\n")+"\n" {
		t.Errorf("got\n%swant\n%s", got, strings.Join(all, "\n"))
	}
	var unreadable *UnreadableError
	if !errors.As(err, &unreadable) || !errors.Is(err, unix.EACCES) {
		t.Fatalf("%T: %v", err, err)
	}
	if got, want := fmt.Sprint(unreadable.Paths), "[closed homeclosed homeopaque mode new nosearch same]"; got != want || unreadable.N != 7 {
		t.Errorf("got %s, want %s", got, want)
	}
}

// An ordinary user sees it all from a user namespace, where it is root over its own files.
func TestUnreadableInside(t *testing.T) {
	if !inUserns(t, 0) {
		return
	}
	TestUnreadable(t)
}

// Somebody swaps a directory for a link, and a file for a fifo or a link, all the time. Nothing outside is reached.
func TestSwappedUnderUs(t *testing.T) {
	upper, home := twin(t)
	outside := t.TempDir()
	plant(t, outside, "file secret x", "dir d", "file d/secret x", "file f 12345678")
	for i := range 200 {
		d := fmt.Sprintf("d%d", i)
		for _, side := range []string{upper, home} {
			plant(t, side, "dir "+d, "file "+d+"/f 12345678")
		}
	}
	plant(t, upper, "link swap "+outside, "fifo swapfifo")
	plant(t, home, "link swap "+outside, "fifo swapfifo")
	stop := make(chan bool)
	done := make(chan bool)
	go func() {
		defer close(done)
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
			}
			for _, side := range []string{upper, home} {
				p := fmt.Sprintf("%s/d%d", side, i%200)
				for _, with := range []string{"/swap", "/swapfifo"} {
					// Twice: there and back.
					for range 2 {
						unix.Renameat2(unix.AT_FDCWD, p, unix.AT_FDCWD, side+with, unix.RENAME_EXCHANGE)
						unix.Renameat2(unix.AT_FDCWD, p+"/f", unix.AT_FDCWD, side+with, unix.RENAME_EXCHANGE)
					}
				}
			}
		}
	}()
	deadline := time.Now().Add(time.Second)
	rounds := 0
	for ; time.Now().Before(deadline); rounds++ {
		err := Walk(context.Background(), openPathNow(t, upper), openPathNow(t, home), Options{}, func(c Change) error {
			if strings.Contains(c.Path, "secret") || strings.Contains(c.Path, "/d/") {
				t.Errorf("the link was followed: %v", c)
			}
			return nil
		})
		var unreadable *UnreadableError
		if err != nil && !errors.As(err, &unreadable) {
			t.Error(err)
		}
		for _, fd := range toClose {
			unix.Close(fd)
		}
		toClose = toClose[:0]
	}
	close(stop)
	<-done
	t.Logf("%d walks", rounds)
}

var toClose []int

func openPathNow(t *testing.T, dir string) int {
	fd, err := unix.Open(dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	toClose = append(toClose, fd)
	return fd
}

func TestEnds(t *testing.T) {
	upper, home := twin(t)
	for i := range 300 {
		plant(t, upper, fmt.Sprintf("file f%d x", i))
	}
	upperfd, homefd := openPath(t, upper), openPath(t, home)
	before := openFDs(t)

	enough := errors.New("enough")
	n := 0
	err := Walk(context.Background(), upperfd, homefd, Options{}, func(Change) error {
		if n++; n == 5 {
			return enough
		}
		return nil
	})
	if err != enough || n != 5 {
		t.Errorf("after %d: %v", n, err)
	}

	ctx, cancel := context.WithCancel(context.Background())
	n = 0
	err = Walk(ctx, upperfd, homefd, Options{}, func(Change) error {
		if n++; n == 5 {
			cancel()
		}
		return nil
	})
	if !errors.Is(err, context.Canceled) || n > batchSize {
		t.Errorf("after %d: %v", n, err)
	}
	if _, err := Count(ctx, upper, home, Options{}); !errors.Is(err, context.Canceled) {
		t.Errorf("Count: %v", err)
	}
	if after := openFDs(t); after != before {
		t.Errorf("%d descriptors stay open", after-before)
	}

	for _, c := range [][2]string{{upper + "/none", home}, {upper, home + "/none"}, {upper + "/f1", home}, {upper, upper + "/f1"}} {
		if _, err := Count(context.Background(), c[0], c[1], Options{}); err == nil || !strings.HasPrefix(err.Error(), "cannot ") {
			t.Errorf("%q: %v", c, err)
		}
	}
	if err := os.Symlink(upper, home+"/link"); err != nil {
		t.Fatal(err)
	}
	if _, err := Count(context.Background(), home+"/link", home, Options{}); err == nil {
		t.Error("an upper directory that is a link was followed")
	}
	if err := Walk(context.Background(), -1, homefd, Options{}, nil); err == nil {
		t.Error("no upper directory")
	}
	if err := Walk(context.Background(), upperfd, -1, Options{}, nil); err == nil {
		t.Error("no home directory")
	}
}

// A comparison of large files ends when it shall, too.
func TestEndsWithinAFile(t *testing.T) {
	_, home := twin(t)
	plant(t, home, "file f "+strings.Repeat("x", 1_000_000))
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	f, err := os.Open(home + "/f")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	c := &comparer{ctx: ctx}
	if _, err := c.same(int(f.Fd()), int(f.Fd()), 1_000_000); err != context.Canceled {
		t.Error(err)
	}
	c.ctx = context.Background()
	if same, err := c.sameBytes(int(f.Fd()), int(f.Fd()), 0, 1_000_001); same || err != nil {
		t.Errorf("a file that ended early: %v %v", same, err)
	}
	if same, err := c.same(int(f.Fd()), int(f.Fd()), 1_000_000); !same || err != nil {
		t.Errorf("a file is itself: %v %v", same, err)
	}
}

// A directory that was moved while Walk was deep in it is not searched for.
func TestMovedMeanwhile(t *testing.T) {
	upper, home := twinIn(t, quickDir(t))
	defer removeDeep(t, upper)
	up := deep(t, upper, window+10, "d")
	mkfile(t, up, "last", "x")
	plant(t, upper, "dir e", "file d/d/z x")
	err := Walk(context.Background(), openPath(t, upper), openPath(t, home), Options{}, func(c Change) error {
		if strings.HasSuffix(c.Path, "/last") {
			return os.Rename(upper+"/d/d/d", upper+"/e/d")
		}
		if strings.HasSuffix(c.Path, "/z") {
			t.Errorf("%v: that is not the way back", c)
		}
		return nil
	})
	if !errors.Is(err, errLost) {
		t.Errorf("Walk: %v", err)
	}
}

// A directory of a million names is sorted, but not held twice.
func TestWideDirectory(t *testing.T) {
	if testing.Short() {
		t.Skip("takes long")
	}
	upper, home := twinIn(t, quickDir(t))
	const n = 100_000
	plant(t, upper, "file one x")
	for i := range n {
		// Links, as they are made faster; a file may have 65,000 of them.
		if i%50_000 == 0 {
			plant(t, upper, fmt.Sprintf("file from%d x", i))
		}
		if err := os.Link(fmt.Sprintf("%s/from%d", upper, i/50_000*50_000), fmt.Sprintf("%s/%x", upper, i*2654435761&0xffffffff)); err != nil {
			t.Fatal(err)
		}
	}
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	peak := uint64(0)
	count, last := 0, ""
	err := Walk(context.Background(), openPath(t, upper), openPath(t, home), Options{}, func(c Change) error {
		if c.Path <= last {
			t.Fatalf("%q after %q", c.Path, last)
		}
		last = c.Path
		if count++; count%10_000 == 0 {
			runtime.ReadMemStats(&after)
			peak = max(peak, after.HeapAlloc)
		}
		return nil
	})
	if err != nil || count != n+3 {
		t.Errorf("%d changes, %v", count, err)
	}
	t.Logf("%d MB at most", peak>>20)
}

// What came to a file's place since it was looked at is not opened, or let go at once.
func TestOpenFile(t *testing.T) {
	dir, _ := twin(t)
	plant(t, dir, "file f 12345", "link l f", "fifo p", "sock s", "white w", "mode w 0644", "dir d")
	dirfd := openPath(t, dir)
	before := openFDs(t)
	for name, want := range map[string]error{"l": unix.ELOOP, "p": errChanged, "s": unix.ENXIO, "w": unix.ENXIO, "d": errChanged, "none": unix.ENOENT} {
		done := make(chan error, 1)
		go func() {
			_, _, err := openFile(dirfd, name)
			done <- err
		}()
		select {
		case err := <-done:
			if err != want {
				t.Errorf("%s: %v, want %v", name, err, want)
			}
		case <-time.After(5 * time.Second):
			t.Fatalf("%s: it waits", name)
		}
	}
	fd, size, err := openFile(dirfd, "f")
	if err != nil || size != 5 {
		t.Errorf("%d, %v", size, err)
	}
	unix.Close(fd)
	if after := openFDs(t); after != before {
		t.Errorf("%d descriptors stay open", after-before)
	}
}

func TestAttrOf(t *testing.T) {
	for _, c := range []struct {
		mode uint32
		rdev uint64
		want Type
	}{
		{unix.S_IFREG | 0o4644, 0, TypeFile}, {unix.S_IFDIR, 0, TypeDir}, {unix.S_IFLNK, 0, TypeSymlink}, {unix.S_IFIFO, 0, TypeFifo}, {unix.S_IFSOCK, 0, TypeSocket},
		{unix.S_IFCHR, 0, TypeWhiteout}, {unix.S_IFCHR, unix.Mkdev(1, 3), TypeDevice}, {unix.S_IFBLK, 0, TypeDevice}, {0, 0, TypeDevice},
	} {
		a := attrOf(&unix.Stat_t{Mode: c.mode, Rdev: c.rdev, Size: 7, Nlink: 3})
		if a.Type != c.want || a.Mode != Mode(c.mode&0o7777) || a.Links != 3 || (a.Size == 7) != (a.Type == TypeFile) {
			t.Errorf("%o %x is %+v, want %s", c.mode, c.rdev, a, c.want)
		}
	}
}
