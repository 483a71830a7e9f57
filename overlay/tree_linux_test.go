package overlay

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// aDay is the time of modification of all files that plant makes, if they are not told otherwise.
const aDay = 1_000_000_000

// plant makes files below dir. Each line is a word and a path, for some with more:
//
//	file P TEXT   dir P   link P TARGET   hard P OLD   fifo P   sock P   white P
//	mode P OCTAL   xattr P NAME=VALUE   opaque P   time P SECONDS   size P BYTES
//
// Paths and arguments are in Go's quotes where they have strange characters.
func plant(t testing.TB, dir string, lines ...string) {
	t.Helper()
	for _, line := range strings.Split(strings.Join(lines, "\n"), "\n") {
		line = strings.TrimSpace(line)
		if line == "" {
			continue
		}
		verb, rest, _ := strings.Cut(line, " ")
		name, arg := word(rest)
		arg, _ = word(arg)
		if err := plantOne(dir, verb, dir+"/"+name, arg); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
	}
}

// word cuts a word off s, which may be quoted.
func word(s string) (w, rest string) {
	if strings.HasPrefix(s, `"`) {
		q, _ := strconv.QuotedPrefix(s)
		w, _ = strconv.Unquote(q)
		return w, strings.TrimPrefix(s[len(q):], " ")
	}
	w, rest, _ = strings.Cut(s, " ")
	return w, rest
}

func plantOne(dir, verb, p, arg string) error {
	sometime := func(sec int64) error {
		return unix.UtimesNanoAt(unix.AT_FDCWD, p, []unix.Timespec{{Nsec: unix.UTIME_OMIT}, {Sec: sec}}, unix.AT_SYMLINK_NOFOLLOW)
	}
	var err error
	switch verb {
	case "file":
		err = os.WriteFile(p, []byte(arg), 0o644)
	case "dir":
		return os.Mkdir(p, 0o755)
	case "link":
		err = os.Symlink(arg, p)
	case "hard":
		err = os.Link(dir+"/"+arg, p)
	case "fifo":
		err = unix.Mknod(p, unix.S_IFIFO|0o644, 0)
	case "sock":
		err = unix.Mknod(p, unix.S_IFSOCK|0o644, 0)
	case "white":
		err = unix.Mknod(p, unix.S_IFCHR, 0)
	case "mode":
		mode, err := strconv.ParseUint(arg, 8, 12)
		return errors.Join(err, unix.Chmod(p, uint32(mode)))
	case "xattr":
		name, value, _ := strings.Cut(arg, "=")
		return unix.Lsetxattr(p, name, []byte(value), 0)
	case "opaque":
		return unix.Lsetxattr(p, "user.overlay.opaque", []byte("y"), 0)
	case "time":
		sec, err := strconv.ParseInt(arg, 10, 64)
		return errors.Join(err, sometime(sec))
	case "size":
		size, err := strconv.ParseInt(arg, 10, 64)
		return errors.Join(err, os.Truncate(p, size), sometime(aDay))
	default:
		return fmt.Errorf("no such verb")
	}
	if err != nil {
		return err
	}
	return sometime(aDay)
}

// twin makes an upper and a home.
func twin(t testing.TB) (upper, home string) {
	t.Helper()
	return twinIn(t, t.TempDir())
}

// quickDir is a directory in memory, if there is one. On a disk, making a directory may take a millisecond.
func quickDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "cove-test-")
	if err == nil {
		t.Cleanup(func() { os.RemoveAll(dir) })
		err = unix.Lsetxattr(dir, "user.x", nil, 0) // tmpfs before Linux 6.6 has no attributes of users
	}
	if err != nil {
		return t.TempDir()
	}
	return dir
}

func twinIn(t testing.TB, dir string) (upper, home string) {
	t.Helper()
	upper, home = dir+"/upper", dir+"/home"
	for _, d := range []string{upper, home} {
		if err := os.Mkdir(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return upper, home
}

func openPath(t testing.TB, dir string) int {
	t.Helper()
	fd, err := unix.Open(dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	return fd
}

// walkAll returns what Walk tells, and its error. It checks what is true of every walk.
func walkAll(t testing.TB, upper, home string, opts Options) ([]Change, error) {
	t.Helper()
	var changes []Change
	before := openFDs(t)
	// Nothing in a test may take long; a fifo that blocks would take for ever.
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	upperfd, homefd := openPath(t, upper), openPath(t, home)
	err := Walk(ctx, upperfd, homefd, opts, func(c Change) error {
		changes = append(changes, c)
		return nil
	})
	if after := openFDs(t); after != before+2 {
		t.Errorf("%d descriptors were open before, %d after", before, after-2)
	}
	seen := map[string]bool{}
	for i, c := range changes {
		if c.Path == "" || c.Path != filepath.Clean(c.Path) || c.Path[0] == '/' || strings.HasPrefix(c.Path, "../") {
			t.Errorf("%v: no clean path", c)
		}
		if seen[c.Path] {
			t.Errorf("%v is told twice", c)
		}
		seen[c.Path] = true
		if i > 0 && !inOrder(changes[i-1].Path, c.Path) {
			t.Errorf("%v comes after %v", c, changes[i-1])
		}
	}
	n, err2 := Count(ctx, upper, home, opts)
	if n != len(changes) || fmt.Sprint(err2) != fmt.Sprint(err) {
		t.Errorf("Count says %d (%v), Walk told of %d (%v)", n, err2, len(changes), err)
	}
	return changes, err
}

// inOrder tells whether b comes after a: names compared one by one, a directory before what is in it.
func inOrder(a, b string) bool {
	if a == "." {
		return true
	}
	for i := range min(len(a), len(b)) {
		switch {
		case a[i] == b[i]:
		case a[i] == '/' || b[i] == '/':
			return a[i] == '/'
		default:
			return a[i] < b[i]
		}
	}
	return len(a) < len(b)
}

func openFDs(t testing.TB) int {
	t.Helper()
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}

// show is one line for each change.
func show(changes []Change) string {
	var b strings.Builder
	for _, c := range changes {
		b.WriteString(c.String() + "\n")
	}
	return strings.ReplaceAll(b.String(), `"`, "")
}

// expect walks, and compares what show says.
func expect(t testing.TB, upper, home string, opts Options, want ...string) []Change {
	t.Helper()
	changes, err := walkAll(t, upper, home, opts)
	if err != nil {
		t.Errorf("Walk: %v", err)
	}
	text := strings.Join(want, "\n")
	if text != "" {
		text += "\n"
	}
	if got := show(changes); got != text {
		t.Errorf("got\n%swant\n%s", got, text)
	}
	return changes
}
