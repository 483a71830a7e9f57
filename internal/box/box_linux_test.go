package box

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/signal"
	"path/filepath"
	"reflect"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestPrepare(t *testing.T) {
	data := newData(t)
	s := newStore(t, data)
	home := t.TempDir()
	before := time.Now().Add(-time.Second) // the kernel's clock for files is coarse
	b := taken(t, s, "work")
	if err := b.Prepare(home, "kernel", true, ".ssh", ".gnupg"); err != nil {
		t.Fatal(err)
	}
	m := b.Meta
	if m.Name != "work" || m.Home != home || m.Backend != "kernel" || !m.Subids || m.Suspect || strings.Join(m.Masks, " ") != ".ssh .gnupg" {
		t.Errorf("%+v", m)
	}
	if m.Created.Before(before) || m.Created.After(time.Now()) {
		t.Errorf("created at %v", m.Created)
	}
	boot := strings.TrimSpace(read(t, "/proc/sys/kernel/random/boot_id"))
	if len(m.Runs) != 1 || m.Runs[0].End != nil || m.Runs[0].BootID != boot || len(boot) != 36 {
		t.Errorf("%+v", m.Runs)
	}
	if t0 := m.Runs[0].T0; t0.Before(before) || t0.After(time.Now()) {
		t.Errorf("T0 is %v", t0)
	}
	// A file changed in the real home from now on has a ctime that is not before T0.
	write(t, home+"/new", "")
	var st unix.Stat_t
	if err := unix.Stat(home+"/new", &st); err != nil {
		t.Fatal(err)
	}
	if time.Unix(st.Ctim.Unix()).Before(m.Runs[0].T0) {
		t.Errorf("T0 is %v, after %v", m.Runs[0].T0, time.Unix(st.Ctim.Unix()))
	}
	// While it runs the box is there for List, and after a kill too.
	var onDisk Meta
	if err := json.Unmarshal([]byte(read(t, b.Path()+"/box.json")), &onDisk); err != nil || onDisk.Home != home || onDisk.Runs[0].End != nil {
		t.Errorf("%+v, %v", onDisk, err)
	}
	closed(t, b)
	want := "-rw------- box.json\n-rw------- lock\ndrwxr-xr-x upper\ndrwx------ work\n"
	if got := tree(t, b.Path()); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}

	// The next run: what was once hidden or mapped stays so, and the rest is the new run's.
	b = taken(t, s, "work")
	if r := b.Meta.Runs; len(r) != 1 || r[0].End == nil || r[0].End.Before(r[0].T0.Add(-time.Second)) {
		t.Errorf("%+v", r)
	}
	if err := b.Prepare(home, "kernel", false, ".gnupg", ".aws"); err != nil {
		t.Fatal(err)
	}
	if m := b.Meta; strings.Join(m.Masks, " ") != ".ssh .gnupg .aws" || !m.Subids || len(m.Runs) != 2 || m.Suspect {
		t.Errorf("%+v", m)
	}
	closed(t, b)
	b = taken(t, s, "work")
	if m := b.Meta; strings.Join(m.Masks, " ") != ".ssh .gnupg .aws" || !m.Created.Equal(onDisk.Created) {
		t.Errorf("%+v", m)
	}
	closed(t, b)
}

func TestUpperHasTheModeOfHome(t *testing.T) {
	defer syscall.Umask(syscall.Umask(0o077))
	s := newStore(t, newData(t))
	for i, mode := range []os.FileMode{0o700, 0o755, 0o711, 0o750, 0o777, 0o500, 0o777 | os.ModeSticky, 0o770 | os.ModeSetgid} {
		home := t.TempDir()
		if err := os.Chmod(home, mode); err != nil {
			t.Fatal(err)
		}
		b := taken(t, s, fmt.Sprint("box", i))
		if err := b.PrepareRoot(home, nil); err != nil {
			t.Fatal(err)
		}
		prepare(t, b, home)
		for _, dir := range []string{b.Upper(), b.RootUpper()} {
			info, err := os.Stat(dir)
			if err != nil || info.Mode() != os.ModeDir|mode&0o777 {
				t.Errorf("%v: %v, %v", mode, info.Mode(), err)
			}
		}
		for _, dir := range []string{b.Path(), b.Work(), b.RootWork()} {
			info, err := os.Stat(dir)
			if err != nil || info.Mode() != os.ModeDir|0o700 {
				t.Errorf("%s: %v, %v", dir, info.Mode(), err)
			}
		}
		// What the program made of its home's mode stays.
		if err := os.Chmod(b.Upper(), 0o751); err != nil {
			t.Fatal(err)
		}
		closed(t, b)
		b = taken(t, s, b.Name())
		prepare(t, b, home)
		if info, err := os.Stat(b.Upper()); err != nil || info.Mode() != os.ModeDir|0o751 {
			t.Errorf("%v: in the next run %v, %v", mode, info.Mode(), err)
		}
		closed(t, b)
	}

	// An upper that holds nothing, made for another home, or by a cove killed before it gave it a mode.
	home := t.TempDir()
	if err := os.Chmod(home, 0o711); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(s.Path()+"/half/upper", 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"half", "box0"} {
		b := taken(t, s, name)
		prepare(t, b, home)
		if info, err := os.Stat(b.Upper()); err != nil || info.Mode() != os.ModeDir|0o711 {
			t.Errorf("%s: %v, %v", name, info.Mode(), err)
		}
		closed(t, b)
	}
}

func TestPrepareRefuses(t *testing.T) {
	home := t.TempDir()
	for _, test := range []struct {
		name                  string
		backend               string // of the first run
		file                  string // made in it
		againHome, againMaker string
		want                  string
	}{
		{"the same", "kernel", "upper/f", home, "kernel", "<nil>"},
		{"another backend", "kernel", "upper/f", home, "fuse",
			"cannot use box work with the fuse overlay: its changes were written by the kernel overlay; use that again, or another box"},
		{"the other way round", "fuse", "upper/f", home, "kernel",
			"cannot use box work with the kernel overlay: its changes were written by the fuse overlay; use that again, or another box"},
		{"another backend, but nothing was written", "kernel", "", home, "fuse", "<nil>"},
		{"another backend, but only the root was written", "kernel", "root-upper/f", home, "fuse", "<nil>"},
		{"no backend", "kernel", "upper/f", home, "", "<nil>"},
		{"a backend after none", "", "upper/f", home, "fuse", "<nil>"},
		{"another home", "kernel", "upper/f", "/", "kernel", "cannot use box work over /: it holds changes to " + home},
		{"another home, but nothing was written", "kernel", "", "/", "kernel", "<nil>"},
		{"no home at all", "kernel", "", "/nowhere/at/all", "kernel", "cannot make the layers of box work: no such file or directory"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := newStore(t, newData(t))
			b := taken(t, s, "work")
			if err := b.Prepare(home, test.backend, false); err != nil {
				t.Fatal(err)
			}
			if test.file != "" {
				write(t, b.Path()+"/"+test.file, "change")
			}
			closed(t, b)
			b = taken(t, s, "work")
			before := b.Meta
			text := read(t, b.Path()+"/box.json")
			err := b.Prepare(test.againHome, test.againMaker, false)
			if fmt.Sprint(err) != test.want {
				t.Fatalf("%v", err)
			}
			closed(t, b)
			if test.file != "" && read(t, b.Path()+"/"+test.file) != "change" {
				t.Error("the change is gone")
			}
			if err != nil {
				if got := read(t, b.Path()+"/box.json"); got != text || !reflect.DeepEqual(b.Meta, before) {
					t.Errorf("box.json was\n%sis\n%s", text, got)
				}
				return
			}
			backend := test.againMaker
			if backend == "" {
				backend = test.backend
			}
			b = taken(t, s, "work")
			if m := b.Meta; m.Home != test.againHome || m.Backend != backend || len(m.Runs) != 2 {
				t.Errorf("%+v", m)
			}
			closed(t, b)
		})
	}
}

// A box with a copy-on-write root goes on with that one, and remembers what was ever made in it.
func TestBoxKnowsItsRoot(t *testing.T) {
	s, one, two := newStore(t, newData(t)), t.TempDir(), t.TempDir()
	b := taken(t, s, "work")
	if err := b.PrepareRoot(one, map[string]string{"mnt": "", "home": "usr/home"}); err != nil {
		t.Fatal(err)
	}
	prepare(t, b, "/")
	closed(t, b)
	b = taken(t, s, "work")
	if err := b.PrepareRoot(two, nil); err != nil {
		t.Errorf("another root, with nothing changed in the first: %v", err)
	}
	if err := b.PrepareRoot(one, map[string]string{"srv": ""}); err != nil {
		t.Fatal(err)
	}
	prepare(t, b, "/")
	write(t, b.RootUpper()+"/change", "")
	closed(t, b)
	b = taken(t, s, "work")
	if err := b.PrepareRoot(two, nil); err == nil || !strings.Contains(err.Error(), "it holds changes to "+one) {
		t.Errorf("another root: %v", err)
	}
	closed(t, b)

	v, err := s.View("work")
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	want := map[string]string{"mnt": "", "home": "usr/home", "srv": ""}
	if v.Meta.Root != one || !maps.Equal(v.Meta.Made, want) {
		t.Errorf("%+v", v.Meta)
	}
	if to, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", v.RootUpper)); err != nil || to != s.Path()+"/work/root-upper" {
		t.Errorf("root-upper is %s, %v", to, err)
	}
}

// The kernel leaves a directory of mode 000 in a work directory, and a mark of a volatile mount that keeps it from
// being mounted again.
func TestWorkIsMadeAnew(t *testing.T) {
	s := newStore(t, newData(t))
	b := taken(t, s, "work")
	for range 2 {
		if err := b.PrepareRoot("/", nil); err != nil {
			t.Fatal(err)
		}
		prepare(t, b, "/")
		for _, work := range []string{b.Work(), b.RootWork()} {
			write(t, work+"/work/#12", "half copied")
			dirs := []string{"/work/incompat/volatile", "/work/incompat", "/work", ""}
			if err := os.MkdirAll(work+dirs[0], 0o755); err != nil {
				t.Fatal(err)
			}
			for _, d := range dirs {
				if err := os.Chmod(work+d, 0); err != nil {
					t.Fatal(err)
				}
			}
		}
		write(t, b.Upper()+"/change", "")
		closed(t, b)
		b = taken(t, s, "work")
	}
	if err := b.PrepareRoot("/", nil); err != nil {
		t.Fatal(err)
	}
	prepare(t, b, "/")
	closed(t, b)
	want := "-rw------- box.json\n-rw------- lock\ndrwxr-xr-x root-upper\ndrwx------ root-work\ndrwxr-xr-x upper\n-rw-r--r-- upper/change\ndrwx------ work\n"
	if got := tree(t, b.Path()); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

// A run is cut short where it has no end, and the machine was started again since.
func TestSuspect(t *testing.T) {
	s := newStore(t, newData(t))
	b := taken(t, s, "work")
	prepare(t, b, "/")
	b.Meta.Runs[0].BootID = "11111111-2222-3333-4444-555555555555"
	if err := b.WriteJSON("box.json", &b.Meta); err != nil {
		t.Fatal(err)
	}
	b.unlock() // as the kernel does where cove is killed
	b = taken(t, s, "work")
	if b.Meta.Suspect {
		t.Error("suspect before a run")
	}
	prepare(t, b, "/")
	if !b.Meta.Suspect {
		t.Error("not suspect")
	}
	closed(t, b)
	if list, err := s.List(); err != nil || !list[0].Suspect {
		t.Errorf("%+v, %v", list, err)
	}
	b = taken(t, s, "work")
	prepare(t, b, "/")
	if !b.Meta.Suspect {
		t.Error("forgotten")
	}
	closed(t, b)
}

func TestWriteJSON(t *testing.T) {
	s := newStore(t, newData(t))
	b := taken(t, s, "work")
	defer b.unlock()
	type report struct{ Text string }
	var got report
	if err := b.ReadJSON("report.json", &got); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("before: %v", err)
	}
	write(t, b.Path()+"/.report.json", "left by a kill, and longer than what is written now")
	for _, text := range []string{"one", strings.Repeat("x", 1<<20), "", "<&>\u2028\x00"} {
		if err := b.WriteJSON("report.json", report{text}); err != nil {
			t.Fatal(err)
		}
		if err := b.ReadJSON("report.json", &got); err != nil || got.Text != text {
			t.Errorf("%d bytes, %v", len(got.Text), err)
		}
		if got := names(t, b.Path()); got != "lock report.json" {
			t.Errorf("there is %s", got)
		}
	}
	err := b.WriteJSON("report.json", func() {})
	if want := "cannot write " + b.Path() + "/report.json: json: unsupported type: func()"; fmt.Sprint(err) != want {
		t.Errorf("%v", err)
	}
	if err := b.ReadJSON("report.json", &got); err != nil || got.Text != "<&>\u2028\x00" {
		t.Errorf("after an error: %q, %v", got.Text, err)
	}
	// Something is in the way.
	if err := os.MkdirAll(b.Path()+"/dir.json/x", 0o700); err != nil {
		t.Fatal(err)
	}
	if err := b.WriteJSON("dir.json", report{}); err == nil {
		t.Error("a directory was replaced")
	}
	if got := names(t, b.Path()); got != "dir.json lock report.json" {
		t.Errorf("there is %s", got)
	}
	// No link is followed.
	canary := filepath.Join(t.TempDir(), "canary")
	write(t, canary, "sings")
	for _, link := range []string{"/l.json", "/.l.json"} {
		if err := os.Symlink(canary, b.Path()+link); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.ReadJSON("l.json", &got); !errors.Is(err, unix.ELOOP) {
		t.Errorf("a link was read: %v", err)
	}
	if err := b.WriteJSON("l.json", report{"ours"}); err != nil || read(t, canary) != "sings" {
		t.Errorf("%v, %s", err, read(t, canary))
	}
}

// Whoever reads while it is written reads the old one or the new one.
func TestWriteJSONIsWhole(t *testing.T) {
	s := newStore(t, newData(t))
	b := taken(t, s, "work")
	defer b.unlock()
	texts := []string{strings.Repeat("a", 100000), strings.Repeat("b", 200000)}
	if err := b.write("x.json", texts[0], false); err != nil {
		t.Fatal(err)
	}
	done := make(chan error)
	go func() {
		for i := range 200 {
			if err := b.write("x.json", texts[i%2], false); err != nil {
				done <- err
				return
			}
		}
		close(done)
	}()
	for {
		select {
		case err := <-done:
			if err != nil {
				t.Error(err)
			}
			return
		default:
		}
		var got string
		if err := b.ReadJSON("x.json", &got); err != nil || got != texts[0] && got != texts[1] {
			t.Fatalf("%d bytes, %v", len(got), err)
		}
	}
}

// Where nothing can be written, the old file stays, and no half of the new one beside it.
func TestWriteJSONWhereThereIsNoRoom(t *testing.T) {
	const want = "file too large, report kept, box kept, nothing beside\nagain: <nil>\n"
	if got := start(t, nil, "short", newData(t)).ends(t); got != want {
		t.Errorf("got %s", got)
	}
}

func TestWriteJSONOnAFullDisk(t *testing.T) {
	const want = "no space left on device, report kept, box kept, nothing beside\nagain: <nil>\n"
	if got := inUserns(t, "full", newData(t)).ends(t); got != want {
		t.Errorf("got %s", got)
	}
}

// taskShort writes where no file may be larger than a page.
func taskShort(args []string) error {
	signal.Ignore(syscall.SIGXFSZ)
	var old unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_FSIZE, &old); err != nil {
		return err
	}
	return writeWithoutRoom(args[0],
		func() error { return unix.Setrlimit(unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: 4096, Max: old.Max}) },
		func() error { return unix.Setrlimit(unix.RLIMIT_FSIZE, &old) })
}

// taskFull writes to a file system that is full.
func taskFull(args []string) error {
	if err := unix.Mount("tmpfs", args[0], "tmpfs", 0, "size=256k"); err != nil {
		return err
	}
	fill := args[0] + "/fill"
	return writeWithoutRoom(args[0],
		func() error {
			if err := os.WriteFile(fill, make([]byte, 1<<20), 0o600); !errors.Is(err, unix.ENOSPC) {
				return fmt.Errorf("the file system is not full: %v", err)
			}
			return nil
		},
		func() error { return os.Remove(fill) })
}

// writeWithoutRoom makes a box, and writes more of it between fill and free.
func writeWithoutRoom(data string, fill, free func() error) error {
	s, err := Open(data)
	if err != nil {
		return err
	}
	b, err := s.Acquire("work")
	if err != nil {
		return err
	}
	if err := errors.Join(b.Prepare("/", "kernel", false, "mask"), b.WriteJSON("report.json", "old"), b.Close()); err != nil {
		return err
	}
	if b, err = s.Acquire("work"); err != nil {
		return err
	}
	masks := strings.Fields(strings.Repeat("a/long/path/to/hide ", 1000))
	for i := range masks {
		masks[i] += fmt.Sprint(i)
	}
	if err := fill(); err != nil {
		return err
	}
	failed := b.WriteJSON("report.json", strings.Repeat("x", 100000))
	err = b.Prepare("/", "kernel", false, masks...)
	if errno := syscall.Errno(0); failed == nil || err == nil || !errors.As(err, &errno) {
		return fmt.Errorf("it could be written: %v, %v", failed, err)
	} else {
		fmt.Print(errno)
	}
	var text string
	if err := b.ReadJSON("report.json", &text); err == nil && text == "old" {
		fmt.Print(", report kept")
	} else {
		fmt.Printf(", report %q %v", text, err)
	}
	if err := b.Close(); err != nil { // no run was begun: there is none to end
		return err
	}
	if err := free(); err != nil {
		return err
	}
	again, err := s.Get("work")
	if err != nil {
		return err
	}
	if m := again.Meta; m.Home == "/" && len(m.Runs) == 1 && len(m.Masks) == 1 {
		fmt.Print(", box kept")
	} else {
		fmt.Printf(", box %+v", m)
	}
	list, err := os.ReadDir(again.Path())
	if err != nil {
		return err
	}
	beside := "nothing"
	for _, e := range list {
		if strings.HasPrefix(e.Name(), ".") {
			beside = e.Name()
		}
	}
	fmt.Printf(", %s beside\nagain: %v\n", beside, again.WriteJSON("report.json", strings.Repeat("x", 100000)))
	return again.Close()
}

// Whatever box.json holds, it is read without a panic, and a box comes out of it that can be used, or an error.
func FuzzMeta(f *testing.F) {
	for _, text := range []string{
		"", "{}", "null", "[]", "7", `"x"`, "\x00", "{", `{"name":"work","home":"/"}`, `{"home":"/","runs":null}`, `{"home":"/","runs":[null,{}]}`,
		`{"name":"../../x","created":"2026-01-02T03:04:05Z","home":"/","backend":"kernel","masks":[".ssh"],"runs":[{"t0":"2026-01-02T03:04:05Z","end":null,"boot_id":"x"}],"suspect":true}`,
		`{"home":"/","created":"9999-12-31T23:59:59+23:59"}`, `{"home":"/","runs":[` + strings.Repeat("{},", 100) + `{}]}`, strings.Repeat("[", 20000),
	} {
		f.Add([]byte(text), false)
		f.Add([]byte(text), true)
	}
	data := f.TempDir()
	s, err := Open(data)
	if err != nil {
		f.Fatal(err)
	}
	home := f.TempDir()
	f.Fuzz(func(t *testing.T, text []byte, changed bool) {
		dir := fmt.Sprintf("%s/box%d", s.Path(), os.Getpid())
		os.RemoveAll(dir)
		if err := os.MkdirAll(dir+"/upper", 0o700); err != nil {
			t.Fatal(err)
		}
		if changed {
			write(t, dir+"/upper/change", "")
		}
		write(t, dir+"/box.json", string(text))
		b, err := s.Acquire(filepath.Base(dir))
		if damaged := new(DamagedError); errors.As(err, &damaged) {
			if !changed {
				t.Errorf("damaged, but nothing changed: %v", err)
			}
			return
		} else if err != nil {
			t.Fatal(err)
		}
		defer b.unlock()
		if b.Meta.Name != b.Name() || b.Existed() && b.Meta.Home == "" || changed && !b.Existed() {
			t.Fatalf("existed %v, %+v", b.Existed(), b.Meta)
		}
		if err := b.Prepare(home, "kernel", false); err != nil {
			if !changed {
				t.Fatal(err)
			}
			return
		}
		if n := len(b.Meta.Runs); n == 0 || n > maxRuns && n > len(text) {
			t.Fatalf("%d runs", n)
		}
		held := b.Meta
		b.unlock()
		if b, err = s.Get(b.Name()); err != nil || !b.Existed() || b.Meta.Home != held.Home || len(b.Meta.Runs) != len(held.Runs) {
			t.Fatalf("%+v was read as %+v: %v", held, b, err)
		}
		b.unlock()
	})
}
