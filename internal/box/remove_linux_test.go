package box

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"cove/internal/testenv"
)

// plant makes files below dir from lines "KIND MODE PATH [TARGET]": d directory, f file, l link, p pipe, s socket,
// w whiteout. Modes are set from the last to the first, so that directories may be closed.
func plant(t testing.TB, dir, lines string) {
	t.Helper()
	var chmods []func() error
	for line := range strings.Lines(lines) {
		f := strings.Fields(line)
		if len(f) == 0 {
			continue
		}
		path := filepath.Join(dir, f[2])
		var mode uint32
		fmt.Sscanf(f[1], "%o", &mode)
		var err error
		switch f[0] {
		case "d":
			err = os.Mkdir(path, 0o700)
		case "f":
			err = os.WriteFile(path, []byte("text"), 0o600)
		case "l":
			err = os.Symlink(f[3], path)
		case "p":
			err = unix.Mkfifo(path, 0o600)
		case "s":
			err = unix.Mknod(path, unix.S_IFSOCK|0o600, 0)
		case "w":
			err = unix.Mknod(path, unix.S_IFCHR, 0)
		default:
			err = errors.New("no such kind")
		}
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		if f[0] != "l" {
			chmods = append(chmods, func() error { return unix.Chmod(path, mode) })
		}
	}
	for i := len(chmods) - 1; i >= 0; i-- {
		if err := chmods[i](); err != nil {
			t.Fatal(err)
		}
	}
}

func opened(t testing.TB, dir string) int {
	t.Helper()
	fd, err := unix.Open(dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	return fd
}

func TestRemoveTree(t *testing.T) {
	var wide strings.Builder // more than one read of a directory holds
	wide.WriteString("d 700 x\n")
	for i := range 400 {
		fmt.Fprintf(&wide, "f 600 x/%0250d\n", i)
	}
	long := strings.Repeat("n", 255)
	for _, test := range []struct{ name, files string }{
		{"nothing", ""},
		{"a file", "f 600 x"},
		{"a file that nobody may touch", "f 0 x"},
		{"an empty directory", "d 700 x"},
		{"a directory", "d 755 x\nf 644 x/a\nd 755 x/b\nf 644 x/b/c\nd 755 x/b/d"},
		{"every kind of file", "d 755 x\nf 644 x/f\nl 0 x/l nowhere\np 644 x/p\ns 644 x/s\nw 0 x/w\nd 755 x/d"},
		{"closed directories", "d 0 x\nd 0 x/a\nd 0 x/a/b\nf 0 x/a/b/c\nd 0 x/e"},
		{"directories that can only be read", "d 500 x\nd 400 x/a\nf 400 x/a/b"},
		{"directories that can only be entered", "d 100 x\nd 100 x/a\nf 400 x/a/b"},
		{"as the kernel leaves a work directory", "d 700 x\nd 0 x/work\nd 0 x/work/incompat\nd 0 x/work/incompat/volatile\nf 0 x/work/incompat/volatile/dirty"},
		{"a link at the top", "l 0 x ../canary"},
		{"a link to a directory", "d 700 x\nl 0 x/l ../../canary\nl 0 x/root /\nl 0 x/up ..\nl 0 x/self ."},
		{"a link to a directory in a closed one", "d 0 x\nl 0 x/l ../../canary"},
		{"long names", "d 700 x\nd 700 x/" + long + "\nf 600 x/" + long + "/" + long},
		{"strange names", "d 700 x\nf 600 x/\x01\xff\nf 600 x/...\nf 600 x/-rf\nd 700 x/*\nf 600 x/*/a\\b\nf 600 x/.hidden"},
		{"many files", wide.String()},
	} {
		t.Run(test.name, func(t *testing.T) {
			top := newData(t)
			dir := top + "/dir"
			plant(t, top, "d 700 dir\nd 700 canary\nf 600 canary/sings\nd 755 dir/x2\nf 600 dir/x2/stays")
			plant(t, dir, test.files)
			before := tree(t, top+"/canary")
			if err := RemoveTree(opened(t, dir), "x"); err != nil {
				t.Fatal(err)
			}
			if got := tree(t, dir); got != "drwxr-xr-x x2\n-rw------- x2/stays\n" {
				t.Errorf("left:\n%s", got)
			}
			if got := tree(t, top+"/canary"); got != before {
				t.Errorf("outside there was\n%sis\n%s", before, got)
			}
		})
	}
}

func TestRemoveTreeFails(t *testing.T) {
	dir := newData(t)
	if err := RemoveTree(-1, "x"); !errors.Is(err, unix.EBADF) {
		t.Errorf("no directory: %v", err)
	}
	for _, name := range []string{"", ".", ".."} {
		if err := RemoveTree(opened(t, dir), name); err == nil && name != "" {
			t.Errorf("%q was removed", name)
		}
	}
	write(t, dir+"/file", "")
	if err := RemoveTree(opened(t, dir), "file/x"); !errors.Is(err, unix.ENOTDIR) || !strings.HasPrefix(err.Error(), `cannot remove "file/x": `) {
		t.Errorf("below a file: %v", err)
	}
}

// A tree deeper than any path, with few descriptors to spare.
func TestRemoveTreeDeep(t *testing.T) {
	const want = "depth 3000: <nil>, nothing left\n"
	if got := start(t, nil, "deep", newData(t)).ends(t); got != want {
		t.Errorf("got %s", got)
	}
}

func taskDeep(args []string) error {
	var old unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &old); err != nil {
		return err
	}
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: 64, Max: old.Max}); err != nil {
		return err
	}
	const depth = 3000
	const flags = unix.O_RDONLY | unix.O_DIRECTORY | unix.O_CLOEXEC
	dirfd, err := unix.Open(args[0], flags, 0)
	if err != nil {
		return err
	}
	// Each has a neighbour before and behind it, with something in it, and now and then the mode forbids all.
	fd, err := unix.Dup(dirfd)
	if err != nil {
		return err
	}
	name := "x"
	for i := range depth {
		if err := unix.Mkdirat(fd, name, 0o700); err != nil {
			return err
		}
		next, err := unix.Openat(fd, name, flags, 0)
		if err != nil {
			return err
		}
		if i%7 == 0 {
			if err := unix.Fchmodat(fd, name, 0, 0); err != nil {
				return err
			}
		}
		unix.Close(fd)
		fd = next
		name = strings.Repeat(string(rune('a'+i%26)), 255)
		if i%100 == 0 {
			unix.Fchmod(fd, 0o700)
			for _, n := range []string{"0", "zzzz"} {
				if err := errors.Join(unix.Mkdirat(fd, n, 0o700), unix.Mkdirat(fd, n+"/d", 0o700), unix.Mkdirat(fd, n+"/d/e", 0)); err != nil {
					return err
				}
			}
		} else if i%7 == 0 && os.Geteuid() != 0 {
			unix.Fchmod(fd, 0o300) // enough to go on making it
		}
	}
	unix.Close(fd)
	err = RemoveTree(dirfd, "x")
	list, err2 := os.ReadDir(args[0])
	if err2 != nil {
		return err2
	}
	left := "nothing"
	if len(list) > 0 {
		left = list[0].Name()
	}
	fmt.Printf("depth %d: %v, %s left\n", depth, err, left)
	return nil
}

// Others that remove, move and make files in the tree meanwhile.
func TestRemoveTreeWhileOthersRemove(t *testing.T) {
	dir := newData(t)
	fd := opened(t, dir)
	deadline := time.Now().Add(400 * time.Millisecond)
	for round := 0; time.Now().Before(deadline); round++ {
		plantMany(t, dir+"/x", 3, 4, 4)
		var wg sync.WaitGroup
		errs := make(chan error, 4)
		for i := range 4 {
			wg.Go(func() {
				if i == 3 {
					os.RemoveAll(dir + "/x") // which may well be disturbed by us
					return
				}
				errs <- RemoveTree(fd, "x")
			})
		}
		wg.Wait()
		close(errs)
		for err := range errs {
			if err != nil {
				t.Fatalf("round %d: %v", round, err)
			}
		}
		if got := names(t, dir); got != "" {
			t.Fatalf("round %d left %s:\n%s", round, got, tree(t, dir))
		}
	}
}

// plantMany makes a tree of directories, each with some files and some directories in it.
func plantMany(t testing.TB, dir string, depth, dirs, files int) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	for i := range files {
		write(t, fmt.Sprintf("%s/f%d", dir, i), "")
	}
	for i := range dirs {
		if depth > 0 {
			plantMany(t, fmt.Sprintf("%s/d%d", dir, i), depth-1, dirs, files)
		}
	}
}

// Where somebody puts a link in the place of a directory, nothing behind the link is touched.
func TestRemoveTreeWhileLinksAppear(t *testing.T) {
	top := newData(t)
	canary := top + "/canary"
	plantMany(t, canary, 1, 3, 3)
	before := tree(t, canary)
	dir := top + "/dir"
	fd := -1
	deadline := time.Now().Add(400 * time.Millisecond)
	for round := 0; time.Now().Before(deadline); round++ {
		plantMany(t, dir+"/x", 2, 3, 2)
		plantMany(t, dir+"/x/d1/swapped", 1, 2, 2)
		if err := os.Symlink(canary, dir+"/x/d1/link"); err != nil {
			t.Fatal(err)
		}
		if fd < 0 {
			fd = opened(t, dir)
		}
		stop := make(chan bool)
		var wg sync.WaitGroup
		wg.Go(func() {
			d, err := unix.Open(dir+"/x/d1", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
			if err != nil {
				return
			}
			defer unix.Close(d)
			for {
				select {
				case <-stop:
					return
				default:
				}
				unix.Renameat2(d, "swapped", d, "link", unix.RENAME_EXCHANGE)
			}
		})
		err := RemoveTree(fd, "x")
		close(stop)
		wg.Wait()
		if err != nil {
			t.Errorf("round %d: %v", round, err)
		}
		if got := tree(t, canary); got != before {
			t.Fatalf("round %d: outside there was\n%sis\n%s", round, before, got)
		}
		if got := names(t, dir); got != "" {
			t.Fatalf("round %d left %s", round, got)
		}
	}
}

// The same at the very moment between a look at a directory and its opening.
func TestRemoveTreeOpensNoLink(t *testing.T) {
	dir := newData(t)
	write(t, dir+"/canary/sings", "")
	if err := errors.Join(os.Mkdir(dir+"/x", 0o700), os.Symlink("../canary", dir+"/x/link"), os.WriteFile(dir+"/x/file", nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	fd := opened(t, dir)
	r := remover{left: -1}
	defer r.close()
	if err := r.descend(fd, "x"); err != nil {
		t.Fatal(err)
	}
	for i, name := range []string{"link", "file"} {
		if err := r.descend(r.stack[0].fd, name); err != nil || len(r.stack) != 1 || r.races != i+1 || !r.stack[0].removed {
			t.Errorf("%s: %v, %+v", name, err, r)
		}
		r.stack[0].removed = false
	}
	for _, name := range []string{"x/link", "x/file"} {
		other := remover{left: -1}
		if err := other.descend(fd, name); !errors.Is(err, unix.ENOTDIR) || len(other.stack) != 0 {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A file made in a directory that was just emptied: as the lock of a box is, by who opened the box before it was moved
// aside. The remover starts anew there; but not for ever.
func TestRemoveTreeWhileFilesAppear(t *testing.T) {
	for _, depth := range []int{0, 1, 20} {
		dir := newData(t)
		fd := opened(t, dir)
		path := dir + "/x" + strings.Repeat("/d", depth)
		if err := os.MkdirAll(path, 0o700); err != nil {
			t.Fatal(err)
		}
		r := remover{left: -1}
		at := fd
		for i := range depth + 1 {
			if err := r.descend(at, map[bool]string{true: "x", false: "d"}[i == 0]); err != nil {
				t.Fatal(err)
			}
			at = r.stack[i].fd
			for top := &r.stack[i]; ; top.todo = nil { // each is read to its end before the one in it is entered
				if err := r.read(top); err != nil {
					t.Fatal(err)
				}
				if len(top.todo) == 0 {
					break
				}
			}
		}
		write(t, path+"/lock", "")
		if err := r.ascend(fd); err != nil {
			t.Errorf("depth %d: %v", depth, err)
		}
		for len(r.stack) > 0 { // go on as tree does
			top := &r.stack[len(r.stack)-1]
			if err := r.read(top); err != nil {
				t.Fatal(err)
			}
			if len(top.todo) == 0 {
				if err := r.ascend(fd); err != nil {
					t.Fatal(err)
				}
				continue
			}
			for _, name := range top.todo {
				if isDir, err := r.unlink(top.fd, name); err != nil {
					t.Fatal(err)
				} else if isDir {
					if err := r.descend(top.fd, name); err != nil {
						t.Fatal(err)
					}
				}
			}
			r.stack[len(r.stack)-1].todo = nil
			top.todo = nil
		}
		if got := names(t, dir); got != "" {
			t.Errorf("depth %d left:\n%s", depth, tree(t, dir))
		}
	}

	dir := newData(t)
	fd := opened(t, dir)
	if err := os.MkdirAll(dir+"/x/y", 0o700); err != nil {
		t.Fatal(err)
	}
	stop := make(chan bool)
	var wg sync.WaitGroup
	y := opened(t, dir+"/x/y")
	for range 2 {
		wg.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				if f, err := unix.Openat(y, fmt.Sprint(rand.Uint64()), unix.O_CREAT|unix.O_WRONLY|unix.O_CLOEXEC, 0o600); err == nil {
					unix.Close(f)
				}
			}
		})
	}
	begun := time.Now()
	err := RemoveTree(fd, "x")
	took := time.Since(begun)
	close(stop)
	wg.Wait()
	if err != nil && !strings.HasPrefix(err.Error(), `cannot remove directory "y": somebody puts files there`) {
		t.Error(err)
	}
	if took > 8*time.Second {
		t.Errorf("it took %v", took)
	}
	if err := RemoveTree(fd, "x"); err != nil {
		t.Error(err)
	}
}

// A directory that is moved out of the tree while the remover is deep in it must not lead it astray.
func TestRemoveTreeWhileMoved(t *testing.T) {
	dir := newData(t)
	fd := opened(t, dir)
	deep := dir + "/x" + strings.Repeat("/d", 40)
	if err := os.MkdirAll(deep, 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, dir+"/elsewhere/canary", "sings")
	r := remover{left: -1}
	defer r.close()
	at := fd
	for i := range 41 {
		if err := r.descend(at, map[bool]string{true: "x", false: "d"}[i == 0]); err != nil {
			t.Fatal(err)
		}
		at = r.stack[i].fd
	}
	open := 0
	for _, l := range r.stack {
		if l.fd >= 0 {
			open++
		}
	}
	if open > window+1 {
		t.Errorf("%d directories are open", open)
	}
	if err := os.Rename(dir+"/x"+strings.Repeat("/d", 20), dir+"/elsewhere/d"); err != nil {
		t.Fatal(err)
	}
	var err error
	for err == nil && len(r.stack) > 0 {
		err = r.ascend(fd)
	}
	if want := `cannot find the way back to directory "d": it was moved meanwhile`; fmt.Sprint(err) != want {
		t.Errorf("%v", err)
	}
	if read(t, dir+"/elsewhere/canary") != "sings" {
		t.Error("the canary is gone")
	}
}

// What is mounted in the tree belongs to another file system, or to another place of this one.
func TestRemoveTreeWithMounts(t *testing.T) {
	want := `tmpfs: cannot remove "m": another file system is mounted there; unmount it first
canary: sings
directory: cannot remove "m": another file system is mounted there; unmount it first
canary: sings
file: cannot remove "m": another file system is mounted there; unmount it first
canary: sings
tree: cannot remove "x": another file system is mounted there; unmount it first
canary: sings
box: cannot remove box work: device or resource busy
inside the box: cannot remove all of box work, the rest is in DIR/.trash-: cannot remove "m": another file system is mounted there; unmount it first
canary: sings
after: <nil>
left:
`
	data := newData(t)
	got := inUserns(t, "mounts", data).ends(t)
	if got = strings.ReplaceAll(got, data+"/boxes", "DIR"); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

func taskMounts(args []string) error {
	data := args[0]
	canary := data + "/canary"
	if err := os.Mkdir(canary, 0o700); err != nil {
		return err
	}
	if err := os.WriteFile(canary+"/file", []byte("sings"), 0o600); err != nil {
		return err
	}
	dirfd, err := unix.Open(data, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	x, m := data+"/x", data+"/x/d/m"
	sings := func(path string) {
		text, err := os.ReadFile(path)
		if err != nil {
			fmt.Printf("canary: %v\n", err)
			return
		}
		fmt.Printf("canary: %s\n", text)
	}
	for _, test := range []struct {
		name, at, canary string
		mount            func() error
	}{
		{"tmpfs", m, m + "/file", func() error {
			if err := unix.Mount("tmpfs", m, "tmpfs", 0, ""); err != nil {
				return err
			}
			return os.WriteFile(m+"/file", []byte("sings"), 0o600)
		}},
		{"directory", m, canary + "/file", func() error { return unix.Mount(canary, m, "", unix.MS_BIND, "") }},
		{"file", m, canary + "/file", func() error {
			if err := errors.Join(os.Remove(m), os.WriteFile(m, nil, 0o600)); err != nil {
				return err
			}
			return unix.Mount(canary+"/file", m, "", unix.MS_BIND, "")
		}},
		{"tree", x, canary + "/file", func() error { return unix.Mount(canary, x, "", unix.MS_BIND, "") }},
	} {
		if err := os.MkdirAll(m, 0o700); err != nil {
			return err
		}
		if err := test.mount(); err != nil {
			return fmt.Errorf("%s: %w", test.name, err)
		}
		fmt.Printf("%s: %v\n", test.name, RemoveTree(dirfd, "x"))
		sings(test.canary)
		if err := errors.Join(unix.Unmount(test.at, 0), RemoveTree(dirfd, "x")); err != nil {
			return err
		}
	}

	s, err := Open(data)
	if err != nil {
		return err
	}
	for _, test := range []struct{ name, at string }{{"box", ""}, {"inside the box", "/upper/d/m"}} {
		b, err := s.Acquire("work")
		if err != nil {
			return err
		}
		if err := errors.Join(b.Prepare("/", "kernel", false), b.Close()); err != nil {
			return err
		}
		at := b.Path() + test.at
		if err := os.MkdirAll(at, 0o700); err != nil {
			return err
		}
		if test.at == "" {
			// Mounted on itself, so that the box can be taken through the mount.
			err = unix.Mount(at, at, "", unix.MS_BIND, "")
		} else {
			err = unix.Mount(canary, at, "", unix.MS_BIND, "")
		}
		if err != nil {
			return err
		}
		s.Close() // or the box would be seen below the mount
		err = s.Remove("work")
		text := fmt.Sprint(err)
		if before, rest, ok := strings.Cut(text, trash); ok {
			_, rest, _ = strings.Cut(rest, ":")
			text = before + trash + ":" + rest
		}
		fmt.Printf("%s: %s\n", test.name, text)
		if test.at == "" {
			if err := unix.Unmount(at, 0); err != nil {
				return err
			}
			continue
		}
		sings(canary + "/file")
		trashed, err := filepath.Glob(s.Path() + "/" + trash + "*")
		if err != nil || len(trashed) != 1 {
			return fmt.Errorf("aside there is %v, %v", trashed, err)
		}
		if err := unix.Unmount(trashed[0]+test.at, 0); err != nil {
			return err
		}
	}
	b, err := s.Create("")
	if err != nil {
		return err
	}
	fmt.Printf("after: %v\n", b.Remove())
	list, err := os.ReadDir(s.Path())
	if err != nil {
		return err
	}
	fmt.Print("left:")
	for _, e := range list {
		fmt.Print(" ", e.Name())
	}
	fmt.Println()
	return nil
}

// Files of subordinate ids can be removed from a user namespace that has these ids, and the error says so.
func TestRemoveNeedsMap(t *testing.T) {
	for _, test := range []struct{ name, files string }{
		{"a directory in the way", "d 755 x\nf 644 x/f"},
		{"a closed directory in the way", "d 0 x\nf 0 x/f"},
		{"a directory that others may read", "d 555 x\nd 755 x/y\nf 644 x/y/f"},
		{"a sticky directory", "d 1777 x\nf 644 x/f"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := newStore(t, newData(t))
			made(t, s, "work")
			inSubids(t, "foreign", s.Path()+"/work/upper", test.files).ends(t)
			err := s.Remove("work")
			needs := new(NeedsMapError)
			if os.Geteuid() == 0 {
				// Root needs no map.
				if err != nil || names(t, s.Path()) != "" {
					t.Errorf("%v, left: %s", err, names(t, s.Path()))
				}
				return
			}
			if !errors.As(err, &needs) || needs.Dir != s.Path() || needs.UID == os.Getuid() || needs.UID == 0 || !strings.HasPrefix(needs.Name, trash+"work-") {
				t.Fatalf("%v", err)
			}
			want := fmt.Sprintf("cannot remove %s/%s: it holds files of user id %d, which only a user namespace with your subordinate ids can remove", needs.Dir, needs.Name, needs.UID)
			if err.Error() != want {
				t.Errorf("%v", err)
			}
			if _, err := s.Get("work"); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("the box is not gone: %v", err)
			}
			// What cannot be removed keeps nobody from work.
			made(t, s, "work")
			if err := s.Remove("work"); err != nil {
				t.Error(err)
			}
			inSubids(t, "removetree", needs.Dir, needs.Name).ends(t)
			if got := names(t, s.Path()); got != "" {
				t.Errorf("left: %s", got)
			}
		})
	}
}

// A file of another in a directory of ours is ours to remove.
func TestRemoveFilesOfOthers(t *testing.T) {
	s := newStore(t, newData(t))
	made(t, s, "work")
	inSubids(t, "foreign", s.Path()+"/work/upper", "f 600 f\nd 700 empty\nl 0 link f\np 600 pipe").ends(t)
	if err := s.Remove("work"); err != nil || names(t, s.Path()) != "" {
		t.Errorf("%v, left: %s", err, names(t, s.Path()))
	}
}

// The same in a work directory, which Prepare makes anew.
func TestPrepareNeedsMap(t *testing.T) {
	s := newStore(t, newData(t))
	made(t, s, "work")
	dir := s.Path() + "/work"
	inSubids(t, "foreign", dir+"/work", "d 700 x\nf 600 x/f").ends(t)
	b := taken(t, s, "work")
	err := b.Prepare("/", "kernel", false)
	if os.Geteuid() == 0 {
		if err != nil {
			t.Error(err)
		}
		closed(t, b)
		return
	}
	needs := new(NeedsMapError)
	if !errors.As(err, &needs) || needs.Dir != dir || needs.Name != "work" || needs.UID == os.Getuid() {
		t.Fatalf("%v", err)
	}
	inSubids(t, "removetree", needs.Dir, needs.Name).ends(t)
	prepare(t, b, "/")
	closed(t, b)
}

// taskForeign makes files that belong to user 1 of the namespace.
func taskForeign(args []string) error {
	if err := testenv.AwaitMap(); err != nil {
		return err
	}
	var t failer
	plant(&t, args[0], args[1])
	// From the last to the first, as the modes were set: a directory of another may be closed to us too.
	lines := strings.Split(strings.TrimSpace(args[1]), "\n")
	for i := len(lines) - 1; i >= 0; i-- {
		if err := os.Lchown(args[0]+"/"+strings.Fields(lines[i])[2], 1, 1); err != nil {
			return err
		}
	}
	return nil
}

// A failer fails a task where a helper of tests would fail a test.
type failer struct{ testing.TB }

func (*failer) Helper() {}

func (*failer) Fatal(args ...any) {
	fmt.Fprintln(os.Stderr, args...)
	os.Exit(98)
}

func (f *failer) Fatalf(format string, args ...any) { f.Fatal(fmt.Sprintf(format, args...)) }

func taskRemoveTree(args []string) error {
	if err := testenv.AwaitMap(); err != nil {
		return err
	}
	fd, err := unix.Open(args[0], unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	return RemoveTree(fd, args[1])
}

func TestRemoveAfterClose(t *testing.T) {
	s := newStore(t, newData(t))
	b := taken(t, s, "work")
	prepare(t, b, "/")
	closed(t, b)
	if err := b.Remove(); fmt.Sprint(err) != "cannot remove box work: it was let go (this is a bug in cove)" {
		t.Error(err)
	}
	b = taken(t, s, "work")
	if !b.Existed() {
		t.Error("it was removed by who had let it go")
	}
	if err := b.Remove(); err != nil {
		t.Error(err)
	}
	if err := b.Remove(); err == nil {
		t.Error("it was removed twice")
	}
	if err := b.Close(); err != nil {
		t.Errorf("closed after it was removed: %v", err)
	}
	if got := names(t, s.Path()); got != "" {
		t.Errorf("left: %s", got)
	}
}

// What a killed Remove left is swept: a little at a time by Create, however it is spread, as the start of a program must
// not wait for it; all by the next Remove.
func TestSweep(t *testing.T) {
	s := newStore(t, newData(t))
	made(t, s, "work")
	out := t.TempDir()
	write(t, out+"/canary", "sings")
	dir := s.Path() + "/" + trash
	plantMany(t, dir+"big", 1, 2, 100)
	if err := errors.Join(os.Symlink(out, dir+"big/link"), os.Chmod(dir+"big/d0", 0o500)); err != nil {
		t.Fatal(err)
	}
	for i := range 20 {
		plantMany(t, fmt.Sprintf("%ssmall-%d", dir, i), 0, 0, 20)
	}
	count := func() (n int) {
		t.Helper()
		trashed, err := filepath.Glob(dir + "*")
		if err != nil {
			t.Fatal(err)
		}
		for _, dir := range trashed {
			filepath.WalkDir(dir, func(string, fs.DirEntry, error) error { n++; return nil })
		}
		return n
	}
	before := count()
	b, err := s.Create("")
	if err != nil {
		t.Fatal(err)
	}
	if gone := before - count(); gone < 400 || gone > 500 {
		t.Errorf("the first Create swept %d files of %d", gone, before)
	}
	more, err := s.Create("")
	if err != nil {
		t.Fatal(err)
	}
	closed(t, more)
	if n := count(); n != 0 {
		t.Errorf("the second Create left %d", n)
	}

	for i := range 35 {
		plantMany(t, fmt.Sprintf("%ssmall-%d", dir, i), 0, 0, 20)
	}
	// Whoever is at it is left alone.
	fd := opened(t, dir+"small-17")
	if err := unix.Flock(fd, unix.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	if err := b.Remove(); err != nil {
		t.Error(err)
	}
	if left, err := filepath.Glob(dir + "*"); err != nil || len(left) != 1 || len(strings.Fields(names(t, left[0]))) != 20 {
		t.Errorf("left: %v, %v", left, err)
	}
	if got := read(t, out+"/canary"); got != "sings" {
		t.Error(got)
	}
	closed(t, taken(t, s, "work"))
}

// A Remove that is killed leaves the box whole, or gone, and the rest to the next.
func TestRemoveKilled(t *testing.T) {
	data := newData(t)
	s := newStore(t, data)
	whole, gone, half := 0, 0, 0
	for round := range 6 {
		made(t, s, "work")
		plantMany(t, s.Path()+"/work/upper", 1, 4, 40)
		p := start(t, nil, "remove", data, "work")
		p.hears(t, "go")
		time.Sleep(time.Duration(round) * 2 * time.Millisecond)
		p.kill(t)
		if strings.Contains(names(t, s.Path()), trash) {
			half++
		}
		b, err := s.Get("work")
		switch {
		case err == nil:
			whole++
			if got := len(strings.Fields(names(t, b.Upper()))); got != 44 {
				t.Errorf("round %d: half of the box is left: %d", round, got)
			}
			if err := b.Remove(); err != nil {
				t.Error(err)
			}
		case errors.Is(err, fs.ErrNotExist):
			gone++
			made(t, s, "work")
			if err := s.Remove("work"); err != nil {
				t.Error(err)
			}
		default:
			t.Errorf("round %d: %v", round, err)
		}
		if got := names(t, s.Path()); got != "" {
			t.Fatalf("round %d left: %s", round, got)
		}
	}
	t.Logf("the box was whole %d times, and gone %d times, %d of these but for a rest", whole, gone, half)
}

func taskRemove(args []string) error {
	s, err := Open(args[0])
	if err != nil {
		return err
	}
	fmt.Println("go")
	return s.Remove(args[1])
}
