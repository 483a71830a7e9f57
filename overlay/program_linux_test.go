package overlay

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// A program does strange things to a tree, at random but the same for the same seed.
type program struct {
	*rand.Rand
	dir   string
	b     Backend
	paths []string // all below dir, as of the last list
	log   []string
}

func newProgram(seed uint64, dir string, b Backend) *program {
	return &program{Rand: rand.New(rand.NewPCG(seed, 1)), dir: dir, b: b}
}

var (
	someNames = []string{"a", "b", "c", "dir", "sub", "x\ny", "caf\xe9", "-rf", ".wh", "z"}
	someTexts = []string{"", "x", "y", "hello\n", strings.Repeat("long ", 3000), strings.Repeat("z", 65536), strings.Repeat("w", 70000)}
	// Directories and files keep the owner's bits: this test does not run where it may read all.
	someModes    = []uint32{0o644, 0o600, 0o755, 0o700, 0o4755, 0o2755, 0o1777, 0o664}
	someDirModes = []uint32{0o755, 0o700, 0o1777, 0o2755}
	someTimes    = []int64{aDay, aDay + 1, 5}
)

func pick[T any](p *program, list []T) T { return list[p.IntN(len(list))] }

// plant makes the home that the program will find. It holds whiteouts, as a home may hold the layers of containers; but
// not for fuse-overlayfs, which stumbles over them, and which shows a change of one name of a file in its others, too,
// that are not in the upper directory.
func (p *program) plant(entries int) {
	for range entries {
		p.list()
		at := filepath.Join(p.anyDir(), pick(p, someNames))
		switch p.IntN(12) {
		case 0, 1, 2, 3:
			p.write(at, pick(p, someTexts), aDay)
		case 4, 5, 6:
			os.Mkdir(at, 0o755)
		case 7:
			os.Symlink(pick(p, someNames), at)
		case 8, 9:
			p.special(at)
		case 10:
			if from := p.any(); p.b == Kernel {
				os.Link(from, at)
			}
		case 11:
			if p.b == Kernel && p.IntN(3) == 0 {
				unix.Mknod(at, unix.S_IFCHR, 0)
			}
		}
		if p.IntN(4) == 0 {
			p.attributes(p.any())
		}
	}
}

// act does one thing. Most may fail, as they do for programs: rename of a directory of the home is EXDEV.
func (p *program) act() {
	p.list()
	from, to := p.any(), filepath.Join(p.anyDir(), pick(p, someNames))
	var st unix.Stat_t
	unix.Lstat(from, &st)
	isFile, isDir := st.Mode&unix.S_IFMT == unix.S_IFREG, st.Mode&unix.S_IFMT == unix.S_IFDIR
	what, err := "", error(nil)
	switch p.IntN(25) {
	case 0, 1:
		what, err = "create", p.write(to, pick(p, someTexts), time.Now().Unix())
	case 2:
		what = "forge"
		if isFile && st.Size > 0 { // other bytes, the same size, the same time
			text := strings.Repeat(pick(p, []string{"f", "g"}), int(st.Size))
			err = errors.Join(overwrite(from, text), restoreTime(from, &st))
		}
	case 3:
		what = "rewrite the same"
		if isFile {
			data, _ := os.ReadFile(from)
			if err = overwrite(from, string(data)); p.IntN(2) == 0 {
				err = errors.Join(err, restoreTime(from, &st))
			}
		}
	case 4:
		what = "append"
		if isFile {
			var f *os.File
			if f, err = os.OpenFile(from, os.O_WRONLY|os.O_APPEND, 0); err == nil {
				_, err = f.WriteString("more")
				f.Close()
			}
		}
	case 5:
		what = "truncate"
		if isFile {
			err = os.Truncate(from, pick(p, []int64{0, 1, st.Size, 1 << 20}))
		}
	case 6:
		what = "touch nothing"
		if isFile {
			var f *os.File
			if f, err = os.OpenFile(from, os.O_RDWR, 0); err == nil {
				f.Close()
			}
			err = errors.Join(err, unix.Chmod(from, st.Mode&0o7777))
		}
	case 7, 8:
		what = "attributes"
		err = p.attributes(from)
	case 9, 10:
		what, err = "rename", os.Rename(from, to)
	case 11:
		if p.b == Kernel { // fuse-overlayfs forgets the whiteout
			what, err = "exchange", unix.Renameat2(unix.AT_FDCWD, from, unix.AT_FDCWD, p.any(), unix.RENAME_EXCHANGE)
		}
	case 12, 13:
		what, err = "remove", os.Remove(from)
	case 14:
		what, err = "remove all", removeBelow(p.dir, from)
	case 15, 16:
		what, err = "mkdir", os.Mkdir(to, 0o755)
	case 17:
		what, err = "symlink", os.Symlink(pick(p, someNames), to)
	case 18:
		what, err = "link", os.Link(from, to)
	case 19:
		what, err = "special", p.special(to)
	case 20:
		what = "replace by another type"
		if err = removeBelow(p.dir, from); err == nil && from != p.dir {
			if isDir {
				err = p.write(from, "was a directory", aDay)
			} else {
				err = os.Mkdir(from, 0o755)
			}
		}
	case 21, 22:
		what = "make anew"
		if isDir && from != p.dir {
			err = p.anew(from)
		}
	case 23:
		what = "sparse"
		var f *os.File
		if f, err = os.Create(to); err == nil {
			f.WriteAt([]byte("end"), 300_000)
			f.Close()
		}
	case 24:
		what = "marks of the overlay"
		err = unix.Lsetxattr(from, pick(p, []string{"user.overlay.opaque", "user.overlay.whiteout", "user.overlay.redirect"}), []byte("y"), 0)
	}
	p.log = append(p.log, fmt.Sprintf("%s %q %q: %v", what, from, to, err))
}

// list reads the tree, sorted so that the same seed does the same.
func (p *program) list() {
	p.paths = p.paths[:0]
	filepath.WalkDir(p.dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !strings.Contains(filepath.Base(path), ".wh.") {
			p.paths = append(p.paths, path)
		}
		return nil
	})
}

func (p *program) any() string { return pick(p, p.paths) }

func (p *program) anyDir() string {
	for range 20 {
		d := p.any()
		if st, err := os.Lstat(d); err == nil && st.IsDir() && strings.Count(d, "/") < strings.Count(p.dir, "/")+4 {
			return d
		}
	}
	return p.dir
}

func (p *program) write(path, text string, at int64) error {
	// Not through a link, and not into a fifo.
	fd, err := unix.Open(path, unix.O_WRONLY|unix.O_CREAT|unix.O_TRUNC|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0o644)
	if err != nil {
		return err
	}
	f := os.NewFile(uintptr(fd), path)
	defer f.Close()
	if _, err := f.WriteString(text); err != nil {
		return err
	}
	return os.Chtimes(path, time.Time{}, time.Unix(at, 0))
}

// special makes a fifo or a socket. Fuse-overlayfs may open a fifo, and so hang (seen with 1.10).
func (p *program) special(path string) error {
	if p.b == Kernel && p.IntN(2) == 0 {
		return unix.Mknod(path, unix.S_IFIFO|0o644, 0)
	}
	return unix.Mknod(path, unix.S_IFSOCK|0o644, 0)
}

func overwrite(path, text string) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = f.WriteString(text)
	return err
}

func restoreTime(path string, st *unix.Stat_t) error {
	return unix.UtimesNanoAt(unix.AT_FDCWD, path, []unix.Timespec{st.Atim, st.Mtim}, unix.AT_SYMLINK_NOFOLLOW)
}

func (p *program) attributes(path string) error {
	st, err := os.Lstat(path)
	if err != nil {
		return err
	}
	link := st.Mode()&fs.ModeSymlink != 0
	switch p.IntN(6) {
	case 0:
		if st.IsDir() {
			return unix.Chmod(path, pick(p, someDirModes))
		}
		if link {
			return nil
		}
		return unix.Chmod(path, pick(p, someModes))
	case 1:
		return unix.UtimesNanoAt(unix.AT_FDCWD, path, []unix.Timespec{{Sec: 1}, {Sec: pick(p, someTimes)}}, unix.AT_SYMLINK_NOFOLLOW)
	case 2, 3:
		return unix.Lsetxattr(path, pick(p, []string{"user.a", "user.b"}), []byte(pick(p, someTexts[:3])), 0)
	case 4:
		return unix.Lremovexattr(path, pick(p, []string{"user.a", "user.b"}))
	}
	if link {
		return nil
	}
	return unix.Lsetxattr(path, "system.posix_acl_access", []byte(posixACL), 0)
}

// anew removes a directory and makes it again as it was, often with something missing or added.
func (p *program) anew(dir string) error {
	type saved struct {
		path, text string
		st         unix.Stat_t
	}
	var all []saved
	filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		s := saved{path: path}
		if err == nil && unix.Lstat(path, &s.st) == nil {
			switch s.st.Mode & unix.S_IFMT {
			case unix.S_IFREG:
				data, _ := os.ReadFile(path)
				s.text = string(data)
			case unix.S_IFLNK:
				s.text, _ = os.Readlink(path)
			}
			all = append(all, s)
		}
		return nil
	})
	if err := removeBelow(p.dir, dir); err != nil {
		return err
	}
	whole := p.IntN(2) == 0
	for i, s := range all {
		if i > 0 && !whole && p.IntN(4) == 0 {
			continue
		}
		switch s.st.Mode & unix.S_IFMT {
		case unix.S_IFREG:
			os.WriteFile(s.path, []byte(s.text), 0o600)
			unix.Chmod(s.path, s.st.Mode&0o7777)
		case unix.S_IFDIR:
			os.Mkdir(s.path, 0o700)
			unix.Chmod(s.path, s.st.Mode&0o7777)
		case unix.S_IFLNK:
			os.Symlink(s.text, s.path)
		default:
			unix.Mknod(s.path, s.st.Mode, 0)
		}
		restoreTime(s.path, &s.st)
	}
	return nil
}

// removeBelow removes path, which lies in dir. What it holds may be gone before: a name that is listed but not there.
func removeBelow(dir, path string) error {
	if path == dir {
		return nil
	}
	return os.RemoveAll(path)
}
