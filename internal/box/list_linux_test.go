package box

import (
	"fmt"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// row shows what is the same on every machine.
func row(i Info) string {
	s := i.Name
	if i.Running {
		s += " running"
	}
	if i.PID != 0 {
		s += " pid"
	}
	if i.Home != "" {
		s += " home=" + i.Home
	}
	if i.Backend != "" {
		s += " " + i.Backend
	}
	if !i.Created.IsZero() {
		s += " created"
	}
	if !i.Used.IsZero() {
		s += " used"
	}
	if i.Size > 0 {
		s += " size"
	}
	if i.AtLeast {
		s += " at-least"
	}
	if i.Suspect {
		s += " suspect"
	}
	if i.Damaged != "" {
		s += " damaged: " + i.Damaged
	}
	return s + "\n"
}

func TestList(t *testing.T) {
	data := newData(t)
	s := newStore(t, data)
	made(t, s, "plain")
	made(t, s, "changed")
	write(t, s.Path()+"/changed/upper/f", "x")
	b := taken(t, s, "fuse")
	if err := b.Prepare("/tmp", "fuse", false); err != nil {
		t.Fatal(err)
	}
	b.Meta.Suspect = true
	closed(t, b)
	made(t, s, "lost")
	write(t, s.Path()+"/lost/upper/f", "x")
	os.Remove(s.Path() + "/lost/box.json")
	made(t, s, "lost-root")
	write(t, s.Path()+"/lost-root/root-upper/f", "x")
	os.Remove(s.Path() + "/lost-root/box.json")
	made(t, s, "odd")
	write(t, s.Path()+"/odd/upper/f", "x")
	write(t, s.Path()+"/odd/box.json", "{}")
	made(t, s, "without-a-lock")
	os.Remove(s.Path() + "/without-a-lock/lock")
	if err := os.MkdirAll(s.Path()+"/unfinished/upper", 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, s.Path()+"/.trash-x/box.json", "")
	begun := taken(t, s, "begun") // by us, without a box.json yet
	p := start(t, nil, "hold", data, "busy")
	p.hears(t, "held")

	list, err := s.List()
	if err != nil {
		t.Fatal(err)
	}
	got := ""
	for _, i := range list {
		got += row(i)
		switch want := map[string]int{"begun": os.Getpid(), "busy": p.Process.Pid}[i.Name]; {
		case i.PID != want:
			t.Errorf("%s: pid %d, not %d", i.Name, i.PID, want)
		}
	}
	want := `begun running pid
busy running pid home=/ kernel created used
changed home=/ kernel created used size
fuse home=/tmp fuse created used suspect
lost size damaged: open box.json: no such file or directory
lost-root size damaged: open box.json: no such file or directory
odd size damaged: it does not say which home the changes belong to
plain home=/ kernel created used
without-a-lock home=/ kernel created used
`
	if got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	closed(t, begun)
	if p.ends(t); exists(s.Path()+"/begun/box.json") || !exists(s.Path()+"/.trash-x/box.json") {
		t.Error("List changed something")
	}
}

func TestListUsed(t *testing.T) {
	s := newStore(t, newData(t))
	for range 3 {
		made(t, s, "work")
	}
	b := taken(t, s, "work")
	for i := range b.Meta.Runs {
		b.Meta.Runs[i].T0 = time.Unix(int64(1000+i), 0)
	}
	b.Meta.Created = time.Unix(1, 0)
	if err := b.WriteJSON("box.json", b.Meta); err != nil {
		t.Fatal(err)
	}
	closed(t, b)
	list, err := s.List()
	if err != nil || len(list) != 1 || list[0].Used.Unix() != 1002 || list[0].Created.Unix() != 1 {
		t.Errorf("%+v, %v", list, err)
	}
}

func TestListSize(t *testing.T) {
	s := newStore(t, newData(t))
	made(t, s, "work")
	upper := s.Path() + "/work/upper"
	sum := func() Info {
		t.Helper()
		list, err := s.List()
		if err != nil || len(list) != 1 {
			t.Fatalf("%+v, %v", list, err)
		}
		return list[0]
	}
	if i := sum(); i.Size != 0 || i.AtLeast {
		t.Errorf("empty: %+v", i)
	}
	file := func(name string, size, hole int64) {
		t.Helper()
		f, err := os.Create(upper + "/" + name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.WriteAt([]byte(strings.Repeat("x", int(size))), hole); err != nil {
			t.Fatal(err)
		}
		if err := f.Sync(); err != nil { // some file systems decide only then
			t.Fatal(err)
		}
		f.Close()
	}
	if err := os.MkdirAll(upper+"/a/b", 0o755); err != nil {
		t.Fatal(err)
	}
	file("f", 100_000, 0)
	file("a/g", 100_000, 0)
	file("a/b/sparse", 100_000, 1<<30)
	if err := os.Symlink("/usr", upper+"/a/link"); err != nil {
		t.Fatal(err)
	}
	full := sum()
	if full.Size < 300_000 || full.Size > 600_000 || full.AtLeast {
		t.Errorf("%d bytes, %v", full.Size, full.AtLeast)
	}
	// Whiteouts take nothing: the kernel's are devices, fuse-overlayfs's are files.
	write(t, upper+"/.wh.gone", strings.Repeat("x", 100_000))
	if err := unix.Mknod(upper+"/a/gone", unix.S_IFCHR, 0); err != nil {
		t.Fatal(err)
	}
	if got := sum(); got.Size != full.Size || got.AtLeast {
		t.Errorf("with whiteouts %d bytes, not %d", got.Size, full.Size)
	}
	// Deeper than it looks.
	deep := upper + "/deep" + strings.Repeat("/d", 80)
	if err := os.MkdirAll(deep, 0o755); err != nil {
		t.Fatal(err)
	}
	if i := sum(); i.Size < full.Size || !i.AtLeast {
		t.Errorf("deep: %+v", i)
	}
	if err := os.RemoveAll(upper + "/deep"); err != nil {
		t.Fatal(err)
	}
	// What cannot be read, which for root is nothing.
	if err := os.Chmod(upper+"/a/b", 0); err != nil {
		t.Fatal(err)
	}
	i := sum()
	if err := os.Chmod(upper+"/a/b", 0o700); err != nil {
		t.Fatal(err)
	}
	if os.Geteuid() == 0 && (i.Size != full.Size || i.AtLeast) || os.Geteuid() != 0 && (i.Size >= full.Size || !i.AtLeast) {
		t.Errorf("unreadable: %+v", i)
	}
}

func TestListBudget(t *testing.T) {
	s := newStore(t, newData(t))
	made(t, s, "work")
	for i := range 10 {
		write(t, fmt.Sprintf("%s/work/upper/%d", s.Path(), i), "x")
	}
	inspect := func(budget int64) *Info {
		var left atomic.Int64
		left.Store(budget)
		return s.inspect("work", &left)
	}
	for _, test := range []struct {
		budget int64
		want   bool
	}{{100, false}, {10, false}, {9, true}, {0, true}, {-5, true}} {
		if i := inspect(test.budget); i == nil || i.AtLeast != test.want || i.Damaged != "" {
			t.Errorf("%d: %+v", test.budget, i)
		}
	}
	// A box is damaged also where the budget was used up by others.
	os.Remove(s.Path() + "/work/box.json")
	for _, budget := range []int64{100, 0, -5} {
		if i := inspect(budget); i == nil || i.Damaged == "" {
			t.Errorf("%d: %+v", budget, i)
		}
	}
}

func TestStoreNames(t *testing.T) {
	data := newData(t)
	s := newStore(t, data)
	if names, err := s.Names(); names != nil || err != nil {
		t.Errorf("where there are none: %q %v", names, err)
	}
	made(t, s, "second")
	made(t, s, "first")
	for _, dir := range []string{"unfinished", ".trash-x", "Strange name"} {
		if err := os.Mkdir(s.Path()+"/"+dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	write(t, s.Path()+"/file", "x")
	taken(t, s, "new") // no run has prepared it yet
	names, err := s.Names()
	if have := fmt.Sprint(names); have != "[first second]" || err != nil {
		t.Errorf("names are %s: %v", have, err)
	}
}

// What was counted when a run ended is not counted again, unless somebody runs in the box now.
func TestListTally(t *testing.T) {
	data := newData(t)
	s := newStore(t, data)
	made(t, s, "work")
	write(t, s.Path()+"/work/upper/f", "x")
	b := taken(t, s, "work")
	b.Meta.Tally = &Tally{Changes: 7, Bytes: 12345}
	if err := b.WriteJSON("box.json", b.Meta); err != nil {
		t.Fatal(err)
	}
	closed(t, b)
	list, err := s.List()
	if err != nil || len(list) != 1 || list[0].Changes == nil || *list[0].Changes != 7 || list[0].Size != 12345 {
		t.Errorf("%+v, %v", list, err)
	}
	b = taken(t, s, "work")
	list, err = s.List()
	if err != nil || len(list) != 1 || list[0].Changes != nil || list[0].Size == 12345 {
		t.Errorf("in use: %+v, %v", list, err)
	}
	if err := b.Prepare("/", "kernel", false); err != nil || b.Meta.Tally != nil {
		t.Errorf("%v, %+v", err, b.Meta.Tally)
	}
	closed(t, b)
}
