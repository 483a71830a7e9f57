package box

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestOpenMakesNothing(t *testing.T) {
	for _, data := range []string{"", ".", "data", "~/x"} {
		if s, err := Open(data); err == nil || !strings.HasPrefix(err.Error(), fmt.Sprintf("cannot keep boxes in %q: ", data)) {
			t.Errorf("%q: %v, %v", data, s, err)
		}
	}
	data := newData(t)
	s := newStore(t, data+"/not/there")
	if want := data + "/not/there/boxes"; s.Path() != want {
		t.Errorf("path is %s", s.Path())
	}
	if list, err := s.List(); err != nil || list != nil {
		t.Errorf("List: %v, %v", list, err)
	}
	if _, err := s.Get("work"); !errors.Is(err, fs.ErrNotExist) || err.Error() != "cannot find box work: file does not exist" {
		t.Errorf("Get: %v", err)
	}
	if err := s.Remove("work"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Remove: %v", err)
	}
	for _, name := range hostile {
		for what, take := range map[string]func(string) (*Box, error){"Acquire": s.Acquire, "Get": s.Get, "Create": s.Create,
			"Remove": func(name string) (*Box, error) { return nil, s.Remove(name) }} {
			if name == "" && what == "Create" {
				continue // it finds a name
			}
			if b, err := take(name); err == nil || !strings.HasPrefix(err.Error(), "cannot call a box") || b != nil {
				t.Errorf("%s %q: %v", what, name, err)
			}
		}
	}
	if got := tree(t, data); got != "" {
		t.Errorf("there is\n%s", got)
	}
}

func TestNames(t *testing.T) {
	data := newData(t)
	s := newStore(t, data)
	for _, b := range []*Box{taken(t, s, strings.Repeat("a", 64)), taken(t, s, "box.json"), taken(t, s, "lock")} {
		prepare(t, b, "/")
		closed(t, b)
	}
	b := taken(t, s, "x")
	dir := data + "/boxes/x"
	if got := fmt.Sprint(b.Name(), b.Path(), b.Upper(), b.Work(), b.Front(), b.RootUpper(), b.RootWork()); got !=
		fmt.Sprint("x", dir, dir+"/upper", dir+"/work", dir+"/front", dir+"/root-upper", dir+"/root-work") {
		t.Error(got)
	}
	closed(t, b)
}

func TestCreate(t *testing.T) {
	data := newData(t)
	s := newStore(t, data+"/a/b")
	b, err := s.Create("work")
	if err != nil {
		t.Fatal(err)
	}
	if b.Existed() || b.Meta.Name != "work" {
		t.Errorf("existed %v, meta %+v", b.Existed(), b.Meta)
	}
	taken := func(when string) {
		t.Helper()
		if b, err := s.Create("work"); !errors.Is(err, fs.ErrExist) || err.Error() != "cannot make box work: file already exists" || b != nil {
			t.Errorf("%s: %v", when, err)
		}
	}
	taken("in use, not finished")
	prepare(t, b, "/")
	taken("in use")
	closed(t, b)
	taken("free")
	write(t, b.Upper()+"/file", "")
	os.Remove(b.Path() + "/box.json")
	taken("damaged")
	if err := s.Remove("work"); err != nil {
		t.Fatal(err)
	}
	if got := tree(t, data); got != "drwx------ a\ndrwx------ a/b\ndrwx------ a/b/boxes\n" {
		t.Errorf("left:\n%s", got)
	}

	seen := map[string]bool{}
	for range 30 {
		b, err := s.Create("")
		if err != nil {
			t.Fatal(err)
		}
		defer b.unlock()
		if seen[b.Name()] || CheckName(b.Name()) != nil {
			t.Errorf("it is called %q", b.Name())
		}
		seen[b.Name()] = true
	}
}

// Where all short names are taken, a longer one is found.
func TestCreateWhereNamesAreTaken(t *testing.T) {
	m, a := manners, animals
	t.Cleanup(func() { manners, animals = m, a })
	manners, animals = []string{"shy", "sly"}, []string{"yak"}
	s := newStore(t, newData(t))
	for _, name := range []string{"shy-yak", "sly-yak"} {
		if err := os.MkdirAll(s.Path()+"/"+name, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	b, err := s.Create("")
	if err != nil {
		t.Fatal(err)
	}
	defer b.unlock()
	if strings.Count(b.Name(), "-") != 2 {
		t.Error(b.Name())
	}
}

func TestAcquireAndGet(t *testing.T) {
	data := newData(t)
	s := newStore(t, data)
	write(t, s.Path()+"/work/lock", "99999999999\n") // of a process with a longer number
	b, err := s.Acquire("work")
	if err != nil {
		t.Fatal(err)
	}
	if b.Existed() {
		t.Error("it existed")
	}
	if got := read(t, b.Path()+"/lock"); got != fmt.Sprintf("%d\n", os.Getpid()) {
		t.Errorf("the lock says %q", got)
	}
	home := t.TempDir()
	prepare(t, b, home)
	closed(t, b)
	if err := b.Close(); err != nil {
		t.Errorf("closed again: %v", err)
	}

	for name, take := range map[string]func(string) (*Box, error){"Acquire": s.Acquire, "Get": s.Get} {
		b, err := take("work")
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if !b.Existed() || b.Meta.Home != home || b.Meta.Name != "work" || b.Meta.Backend != "kernel" || len(b.Meta.Runs) != 1 {
			t.Errorf("%s: existed %v, meta %+v", name, b.Existed(), b.Meta)
		}
		if _, err := take("work"); fmt.Sprint(err) != fmt.Sprintf("cannot use box work: another cove uses it (pid %d)", os.Getpid()) {
			t.Errorf("%s, taken twice: %v", name, err)
		}
		closed(t, b) // not prepared: nothing changes
	}
	if b, err = s.Get("work"); err != nil || len(b.Meta.Runs) != 1 {
		t.Fatalf("%+v, %v", b, err)
	}
	closed(t, b)

	// Renamed by hand, it is called as it is called.
	if err := os.Rename(s.Path()+"/work", s.Path()+"/play"); err != nil {
		t.Fatal(err)
	}
	if b, err = s.Get("play"); err != nil || b.Meta.Name != "play" || b.Name() != "play" {
		t.Fatalf("%+v, %v", b, err)
	}
	closed(t, b)
}

// The box of another process is busy for as long as that lives, and free when it was killed.
func TestBusy(t *testing.T) {
	data := newData(t)
	s := newStore(t, data)
	p := start(t, nil, "hold", data, "work")
	p.hears(t, "held")
	remove := func(name string) (*Box, error) { return nil, s.Remove(name) }
	for _, test := range []struct {
		name string
		do   func(string) (*Box, error)
	}{{"Acquire", s.Acquire}, {"Get", s.Get}, {"Remove", remove}} {
		b, err := test.do("work")
		busy := new(BusyError)
		if !errors.As(err, &busy) || busy.Name != "work" || busy.PID != p.Process.Pid || errors.Is(err, fs.ErrNotExist) || b != nil {
			t.Errorf("%s: %v", test.name, err)
		}
	}
	if b, err := s.Create("work"); !errors.Is(err, fs.ErrExist) {
		t.Errorf("Create: %v, %v", b, err)
	}
	if list, err := s.List(); err != nil || len(list) != 1 || !list[0].Running || list[0].PID != p.Process.Pid {
		t.Errorf("List: %+v, %v", list, err)
	}
	p.kill(t)
	if list, err := s.List(); err != nil || len(list) != 1 || list[0].Running || list[0].PID != 0 {
		t.Errorf("List after the kill: %+v, %v", list, err)
	}
	b, err := s.Get("work")
	if err != nil {
		t.Fatal(err)
	}
	if r := b.Meta.Runs; len(r) != 1 || r[0].End != nil || b.Meta.Suspect {
		t.Errorf("after the kill: %+v", b.Meta)
	}
	// The machine did not go down, so the next run has nothing to suspect.
	prepare(t, b, "/")
	if b.Meta.Suspect || len(b.Meta.Runs) != 2 {
		t.Errorf("in the next run: %+v", b.Meta)
	}
	closed(t, b)

	p = start(t, nil, "hold", data, "work")
	p.hears(t, "held")
	if got := p.ends(t); got != "" {
		t.Errorf("it says %q", got)
	}
	if err := s.Remove("work"); err != nil {
		t.Error(err)
	}
}

// taskHold takes a box, says so, and holds it until stdin ends.
func taskHold(args []string) error {
	s, err := Open(args[0])
	if err != nil {
		return err
	}
	b, err := s.Acquire(args[1])
	if err != nil {
		return err
	}
	if err := b.Prepare("/", "kernel", false); err != nil {
		return err
	}
	fmt.Println("held")
	io.ReadAll(os.Stdin)
	return b.Close()
}

// The lock lasts until the last copy of its descriptor is closed: whoever uses the layers has one.
func TestLockOutlivesBox(t *testing.T) {
	s := newStore(t, newData(t))
	b := taken(t, s, "work")
	fd, err := unix.FcntlInt(uintptr(b.LockFD()), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	prepare(t, b, "/")
	closed(t, b)
	busy := new(BusyError)
	if _, err := s.Acquire("work"); !errors.As(err, &busy) {
		t.Errorf("with a copy open: %v", err)
	}
	unix.Close(fd)
	closed(t, taken(t, s, "work"))
}

// List has the lock shared, for a moment, which may be long where the machine is busy. That is nobody who uses the box.
func TestListDoesNotMakeBusy(t *testing.T) {
	s := newStore(t, newData(t))
	made(t, s, "work")
	fd, err := unix.Open(s.Path()+"/work/lock", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.Flock(fd, unix.LOCK_SH); err != nil {
		t.Fatal(err)
	}
	if list, err := s.List(); err != nil || len(list) != 1 || list[0].Running {
		t.Errorf("List, while another lists: %+v, %v", list, err)
	}
	time.AfterFunc(50*time.Millisecond, func() { unix.Close(fd) })
	b, err := s.Acquire("work")
	if err != nil {
		t.Fatal(err)
	}
	closed(t, b)
}

func TestBusyError(t *testing.T) {
	for _, test := range []struct{ text, want string }{
		{"", "cannot use box work: another cove uses it"},
		{"42\n", "cannot use box work: another cove uses it (pid 42)"},
		{"42", "cannot use box work: another cove uses it (pid 42)"},
		{"-42\n", "cannot use box work: another cove uses it"},
		{"nonsense\n", "cannot use box work: another cove uses it"},
		{strings.Repeat("9", 100), "cannot use box work: another cove uses it"},
	} {
		s := newStore(t, newData(t))
		b := taken(t, s, "work")
		write(t, b.Path()+"/lock", test.text)
		if _, err := s.Acquire("work"); fmt.Sprint(err) != test.want {
			t.Errorf("%q: %v", test.text, err)
		}
		b.unlock()
	}
}

// A box that was never finished is as good as new: after a kill before box.json was written, or with what a power
// failure left of it. That no box is there is what Get and List say.
func TestNeverFinished(t *testing.T) {
	for _, test := range []struct {
		name  string
		files map[string]string // a name that ends in / is a directory
	}{
		{"an empty directory", nil},
		{"with a lock", map[string]string{"lock": "1\n"}},
		{"with layers", map[string]string{"lock": "", "upper/": "", "work/work/": "", "root-upper/": ""}},
		{"an empty box.json", map[string]string{"box.json": "", "upper/": ""}},
		{"a box.json of zeros", map[string]string{"box.json": "\x00\x00\x00\x00", "upper/": ""}},
		{"half a box.json", map[string]string{"box.json": `{"name":"work","home":"/ho`, "upper/": ""}},
		{"a box.json of which a part makes sense", map[string]string{"box.json": `{"home":"/home","masks":[".ssh"],"subids":true,"runs":7}`, "upper/": ""}},
		{"a box.json that was put aside", map[string]string{".box.json": `{"name":"work","home":"/home"}`, "upper/": ""}},
		{"a plan", map[string]string{"plan.json": "{}", "upper/": ""}},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := newStore(t, newData(t))
			plant := func() {
				t.Helper()
				if err := os.MkdirAll(s.Path()+"/work", 0o700); err != nil {
					t.Fatal(err)
				}
				for name, text := range test.files {
					path := s.Path() + "/work/" + name
					if strings.HasSuffix(name, "/") {
						if err := os.MkdirAll(path, 0o700); err != nil {
							t.Fatal(err)
						}
						continue
					}
					write(t, path, text)
				}
			}
			plant()
			if list, err := s.List(); err != nil || len(list) != 0 {
				t.Errorf("List: %+v, %v", list, err)
			}
			if b, err := s.Get("work"); !errors.Is(err, fs.ErrNotExist) || b != nil {
				t.Errorf("Get: %v, %v", b, err)
			}
			for name, take := range map[string]func(string) (*Box, error){"Acquire": s.Acquire, "Create": s.Create} {
				b, err := take("work")
				if err != nil {
					t.Fatalf("%s: %v", name, err)
				}
				if b.Existed() || fmt.Sprintf("%+v", b.Meta) != fmt.Sprintf("%+v", Meta{Name: "work"}) {
					t.Errorf("%s: existed %v, %+v", name, b.Existed(), b.Meta)
				}
				home := filepath.Dir(t.TempDir())
				prepare(t, b, home)
				closed(t, b)
				if b, err = s.Get("work"); err != nil || b.Meta.Home != home || b.Meta.Created.IsZero() {
					t.Fatalf("%s: Get: %+v, %v", name, b, err)
				}
				closed(t, b)
				if err := s.Remove("work"); err != nil {
					t.Fatal(err)
				}
				plant()
			}
			if err := s.Remove("work"); err != nil {
				t.Error(err)
			}
			if got := names(t, s.Path()); got != "" {
				t.Errorf("left: %s", got)
			}
		})
	}
}

// Changes without a box.json that says what they belong to are neither used nor removed without being asked.
func TestDamaged(t *testing.T) {
	const lost = "cannot use box work: it holds changes, but its box.json is lost ("
	for _, test := range []struct{ name, layer, json, want string }{
		{"gone", "upper", "", lost + "open box.json: no such file or directory)"},
		{"empty", "upper", "empty", lost + "cannot understand box.json: unexpected end of JSON input)"},
		{"zeros", "upper", "\x00\x00\x00", lost + `cannot understand box.json: invalid character '\x00' looking for beginning of value)`},
		{"cut off", "upper", `{"name":"work","home":"/"`, lost + "cannot understand box.json: unexpected end of JSON input)"},
		{"of another type", "upper", `{"runs":7}`, lost + "cannot understand box.json: json: cannot unmarshal number into Go struct field Meta.runs of type []box.Run)"},
		{"null", "upper", "null", lost + "it does not say which home the changes belong to)"},
		{"without a home", "upper", `{"name":"work"}`, lost + "it does not say which home the changes belong to)"},
		{"a link", "upper", "link", lost + "open box.json: too many levels of symbolic links)"},
		{"a directory", "upper", "dir", lost + "read box.json: is a directory)"},
		{"a pipe", "upper", "fifo", lost + "cannot understand box.json: unexpected end of JSON input)"},
		{"changes of the root", "root-upper", "", lost + "open box.json: no such file or directory)"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := newStore(t, newData(t))
			made(t, s, "work")
			dir := s.Path() + "/work"
			write(t, dir+"/"+test.layer+"/d/change", "precious")
			os.Remove(dir + "/box.json")
			var err error
			switch test.json {
			case "":
			case "empty":
				write(t, dir+"/box.json", "")
			case "link":
				err = os.Symlink("../../elsewhere", dir+"/box.json")
			case "dir":
				err = os.Mkdir(dir+"/box.json", 0o700)
			case "fifo":
				err = unix.Mkfifo(dir+"/box.json", 0o600)
			default:
				write(t, dir+"/box.json", test.json)
			}
			if err != nil {
				t.Fatal(err)
			}
			before := tree(t, s.Path())
			for round := range 2 { // the second time: the lock was let go
				for name, take := range map[string]func(string) (*Box, error){"Acquire": s.Acquire, "Get": s.Get} {
					b, err := take("work")
					damaged := new(DamagedError)
					if !errors.As(err, &damaged) || damaged.Name != "work" || !strings.HasPrefix(err.Error(), test.want) || b != nil {
						t.Errorf("%s, %d: %v, %v", name, round, b, err)
					}
					if errors.Is(err, fs.ErrNotExist) {
						t.Errorf("%s: the error says that there is no such box", name)
					}
					if !strings.Contains(err.Error(), dir) {
						t.Errorf("%s does not say where to look: %v", name, err)
					}
				}
				if _, err := s.Create("work"); !errors.Is(err, fs.ErrExist) {
					t.Errorf("Create: %v", err)
				}
				list, err := s.List()
				if err != nil || len(list) != 1 || list[0].Damaged == "" || list[0].Running {
					t.Errorf("List: %+v, %v", list, err)
				}
			}
			if got := tree(t, s.Path()); got != before || read(t, dir+"/"+test.layer+"/d/change") != "precious" {
				t.Errorf("before:\n%safter:\n%s", before, got)
			}
			if err := s.Remove("work"); err != nil {
				t.Errorf("Remove: %v", err)
			}
			if got := names(t, s.Path()); got != "" {
				t.Errorf("left: %s", got)
			}
		})
	}
}

// What is in the store, but no directory of ours, is no box.
func TestStrangersInTheStore(t *testing.T) {
	data := newData(t)
	s := newStore(t, data)
	made(t, s, "work")
	out := t.TempDir()
	write(t, out+"/canary", "sings")
	write(t, s.Path()+"/file", "")
	if err := errors.Join(os.Symlink(out, s.Path()+"/link"), os.Symlink(out, s.Path()+"/.trash-link"), os.Mkdir(s.Path()+"/BIG", 0o700),
		os.Mkdir(s.Path()+"/stubborn", 0o700), os.Symlink(out+"/canary", s.Path()+"/stubborn/lock")); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"file": "cannot open box " + s.Path() + "/file: not a directory", "link": "cannot open box " + s.Path() + "/link: not a directory",
		"stubborn": "cannot open the lock of box stubborn: too many levels of symbolic links",
	} {
		for _, do := range []func(string) (*Box, error){s.Acquire, s.Get, func(name string) (*Box, error) { return nil, s.Remove(name) }} {
			if b, err := do(name); fmt.Sprint(err) != want || b != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	if list, err := s.List(); err != nil || len(list) != 1 || list[0].Name != "work" {
		t.Errorf("%+v, %v", list, err)
	}
	if err := s.Remove("work"); err != nil {
		t.Error(err)
	}
	if got := names(t, out); got != "canary" || read(t, out+"/canary") != "sings" {
		t.Errorf("outside there is %s", got)
	}
}

func TestStoreNotADirectory(t *testing.T) {
	data := newData(t)
	write(t, data+"/boxes", "")
	write(t, data+"/file", "")
	for _, data := range []string{data, data + "/file"} {
		s := newStore(t, data)
		_, err1 := s.Acquire("work")
		_, err2 := s.Create("")
		_, err3 := s.Get("work")
		_, err4 := s.List()
		for i, err := range []error{err1, err2, err3, err4, s.Remove("work")} {
			if !errors.Is(err, unix.ENOTDIR) || errors.Is(err, fs.ErrNotExist) {
				t.Errorf("%s, %d: %v", data, i, err)
			}
		}
	}
}

// After Close of the store a box can still be used, but not removed.
func TestClosedStore(t *testing.T) {
	s := newStore(t, newData(t))
	b := taken(t, s, "work")
	if err := errors.Join(s.Close(), s.Close()); err != nil {
		t.Error(err)
	}
	prepare(t, b, "/")
	closed(t, b)
	b = taken(t, s, "work") // which opens it again
	if !b.Existed() {
		t.Error("the box was not written")
	}
	s.Close()
	if err := b.Remove(); err == nil {
		t.Error("it was removed")
	}
	closed(t, taken(t, s, "work"))
}
