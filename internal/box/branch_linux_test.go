package box

import (
	"errors"
	"io/fs"
	"os"
	"slices"
	"strings"
	"testing"
)

func isBranched(err error, branches ...string) bool {
	var b *BranchedError
	return errors.As(err, &b) && slices.Equal(b.Branches, branches)
}

func TestBranch(t *testing.T) {
	s := newStore(t, newData(t))
	b := taken(t, s, "a")
	b.Cwd = "/somewhere"
	if err := b.Prepare("/tmp", "kernel", true, ".ssh"); err != nil {
		t.Fatal(err)
	}
	var busy *BusyError
	if err := s.Branch("a", "b"); !errors.As(err, &busy) {
		t.Errorf("of a box in use: %v", err)
	}
	closed(t, b)
	write(t, s.Path()+"/a/upper/f", "x")
	if err := s.Branch("a", "b"); err != nil {
		t.Fatal(err)
	}
	if err := s.Branch("b", "c"); err != nil {
		t.Fatal(err)
	}
	if err := s.Branch("a", "b"); !errors.Is(err, fs.ErrExist) {
		t.Errorf("into one that there is: %v", err)
	}
	if err := s.Branch("x", "y"); !errors.Is(err, fs.ErrNotExist) || exists(s.Path()+"/y") {
		t.Errorf("of one that there is not: %v", err)
	}
	if err := s.Branch("a", "../y"); err == nil {
		t.Error("a bad name was taken")
	}

	c := taken(t, s, "c")
	if m := c.Meta; m.Home != "/tmp" || m.Backend != "kernel" || !m.Subids || !slices.Equal(m.Masks, []string{".ssh"}) || m.Base != "b" || len(m.Runs) != 0 || m.Suspect {
		t.Errorf("%+v", m)
	}
	held, err := c.Hold()
	if err != nil || !slices.Equal(held, []string{"b", "a"}) {
		t.Errorf("%v, %v", held, err)
	}
	// Of another home it would be about other files.
	if err := c.Prepare("/usr", "kernel", true); err == nil {
		t.Error("prepared over another home")
	}
	if err := c.Prepare("/tmp", "kernel", true); err != nil {
		t.Error(err)
	}
	if _, err := s.Get("b"); !errors.As(err, &busy) || busy.PID != 0 {
		t.Errorf("a box on which another runs was taken: %v", err)
	}
	v, err := s.View("a") // but it can be looked at
	if err != nil || v.Running {
		t.Errorf("%+v, %v", v, err)
	}
	v.Close()
	closed(t, c)

	a := taken(t, s, "a")
	if err := a.Prepare("/tmp", "kernel", true); !isBranched(err, "b") {
		t.Errorf("to run in a base: %v", err)
	}
	other := taken(t, s, "b")
	if _, err := other.Hold(); !errors.As(err, &busy) || busy.Name != "a" {
		t.Errorf("the base is in use, and was held: %v", err)
	}
	closed(t, other)
	closed(t, a)
	if err := s.Remove("a"); !isBranched(err, "b") || !exists(s.Path()+"/a/upper/f") {
		t.Errorf("to remove a base: %v", err)
	}
	list, err := s.List()
	if err != nil || len(list) != 3 || list[0].Base != "" || list[1].Base != "a" || list[2].Base != "b" || !slices.Equal(list[0].Branches, []string{"b"}) || list[2].Branches != nil {
		t.Errorf("%+v, %v", list, err)
	}
	// From the top it works, and a new box of the same name is no branch.
	for _, name := range []string{"c", "b"} {
		if err := s.Remove(name); err != nil {
			t.Fatal(err)
		}
	}
	made(t, s, "b")
	a = taken(t, s, "a")
	if list := a.Branches(); list != nil {
		t.Errorf("branches: %v", list)
	}
	closed(t, a)
	if err := s.Remove("a"); err != nil {
		t.Error(err)
	}
}

func TestBranchesInACircle(t *testing.T) {
	s := newStore(t, newData(t))
	made(t, s, "a")
	names := strings.Fields("a b c d e f g h i j")
	for i := range names[1:] {
		err := s.Branch(names[i], names[i+1])
		if (err == nil) != (i < maxBases) {
			t.Errorf("%d: %v", i, err)
		}
	}
	a := taken(t, s, "a")
	a.Meta.Base = "c"
	if err := a.WriteJSON("box.json", a.Meta); err != nil {
		t.Fatal(err)
	}
	closed(t, a)
	for _, name := range names[:3] {
		if list, err := s.BasesOf(name); err == nil {
			t.Errorf("%s: %v", name, list)
		}
	}
	if list, err := s.BasesOf("none"); list != nil || err != nil {
		t.Errorf("%v, %v", list, err)
	}
	os.RemoveAll(s.Path() + "/a")
	if list, err := s.BasesOf("b"); err == nil {
		t.Errorf("of a base that is gone: %v", list)
	}
}
