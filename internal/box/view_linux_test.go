package box

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"testing"
)

func TestView(t *testing.T) {
	data := newData(t)
	s := newStore(t, data)
	for _, name := range hostile {
		if v, err := s.View(name); err == nil || !strings.HasPrefix(err.Error(), "cannot call a box") {
			t.Errorf("%q: %+v, %v", name, v, err)
		}
	}
	for range 2 { // without a store, and with one
		if _, err := s.View("work"); !errors.Is(err, fs.ErrNotExist) || err.Error() != "cannot find box work: file does not exist" {
			t.Errorf("none: %v", err)
		}
		made(t, s, "other")
	}

	// One that is in use.
	p := start(t, nil, "hold", data, "work")
	p.hears(t, "held")
	v, err := s.View("work")
	if err != nil {
		t.Fatal(err)
	}
	if !v.Running || v.Meta.Home != "/" || v.Meta.Name != "work" || v.Upper < 0 {
		t.Errorf("%+v", v)
	}
	if to, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", v.Upper)); err != nil || to != s.Path()+"/work/upper" {
		t.Errorf("upper is %s, %v", to, err)
	}
	var report string
	if err := v.ReadJSON("report.json", &report); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a report before there is one: %v", err)
	}
	p.ends(t)
	b := taken(t, s, "work") // which a view does not hinder
	if err := b.WriteJSON("report.json", "well"); err != nil {
		t.Fatal(err)
	}
	closed(t, b)
	if err := v.ReadJSON("report.json", &report); err != nil || report != "well" {
		t.Errorf("%q, %v", report, err)
	}
	v.Close()

	// A box without an upper is whole too.
	if err := os.Remove(s.Path() + "/work/upper"); err != nil {
		t.Fatal(err)
	}
	if v, err = s.View("work"); err != nil || v.Running || v.Upper != -1 {
		t.Fatalf("%+v, %v", v, err)
	}
	v.Close()
	if err := os.Symlink("/usr", s.Path()+"/work/upper"); err != nil {
		t.Fatal(err)
	}
	if v, err = s.View("work"); fmt.Sprint(err) != "cannot open the changes in box work: not a directory" {
		t.Errorf("a link: %+v, %v", v, err)
	}
}

// View sees no box where Get sees none, and a damaged one where Get does.
func TestViewDamaged(t *testing.T) {
	s := newStore(t, newData(t))
	for _, test := range []struct {
		json, layer string
		want        string
	}{
		{"", "", "cannot find box work: file does not exist"},
		{"{}", "", "cannot find box work: file does not exist"},
		{"", "upper", "cannot use box work: it holds changes, but its box.json is lost (open box.json: no such file or directory)"},
		{"", "root-upper", "cannot use box work: it holds changes, but its box.json is lost (open box.json: no such file or directory)"},
		{"{}", "upper", "cannot use box work: it holds changes, but its box.json is lost (it does not say which home the changes belong to)"},
		{`{"home":"/"}`, "upper", "<nil>"},
	} {
		made(t, s, "work")
		os.Remove(s.Path() + "/work/box.json")
		if test.json != "" {
			write(t, s.Path()+"/work/box.json", test.json)
		}
		if test.layer != "" {
			write(t, s.Path()+"/work/"+test.layer+"/f", "")
		}
		v, err := s.View("work")
		if !strings.HasPrefix(fmt.Sprint(err), test.want) || (v == nil) != (err != nil) {
			t.Errorf("%+v: %v", test, err)
		}
		b, err2 := s.Get("work")
		if fmt.Sprint(err2) != fmt.Sprint(err) || errors.Is(err, fs.ErrNotExist) != errors.Is(err2, fs.ErrNotExist) {
			t.Errorf("%+v: View says %v, and Get %v", test, err, err2)
		}
		if err == nil {
			if v.Meta.Name != "work" {
				t.Errorf("it is called %q", v.Meta.Name)
			}
			v.Close()
			closed(t, b)
		}
		if err := s.Remove("work"); err != nil {
			t.Error(err)
		}
	}
}
