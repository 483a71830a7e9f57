package overlay

import (
	"bytes"
	"context"
	"io"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A story is a box with runs, and somebody else who uses the home meanwhile.
type story struct {
	*rig
	runs Runs
	base []byte
}

func newStory(t testing.TB) *story { return &story{rig: newRig(t, t.TempDir(), Kernel)} }

// tick waits until the clock that dates files has gone on.
func tick(t testing.TB) time.Time {
	t.Helper()
	var start, now unix.Timespec
	unix.ClockGettime(unix.CLOCK_REALTIME_COARSE, &start)
	for now = start; now == start; unix.ClockGettime(unix.CLOCK_REALTIME_COARSE, &now) {
		time.Sleep(time.Millisecond)
	}
	return time.Unix(now.Unix())
}

// begin begins a run.
func (s *story) begin() {
	s.t.Helper()
	s.runs.Last = tick(s.t)
	if s.runs.First.IsZero() {
		s.runs.First = s.runs.Last
	}
	s.runs.Since = s.runs.Last
	tick(s.t)
}

// end ends it.
func (s *story) end() Settled {
	s.t.Helper()
	tick(s.t)
	settled := s.settle(s.runs)
	tick(s.t)
	return settled
}

func (s *story) settle(runs Runs) Settled {
	s.t.Helper()
	var old io.Reader
	if s.base != nil {
		old = bytes.NewReader(s.base)
	}
	var out *bytes.Buffer
	settled, err := Settle(context.Background(), s.upper, s.home, s.opts.Options, runs, old, func() (io.Writer, error) {
		out = new(bytes.Buffer)
		return out, nil
	})
	if err != nil {
		s.t.Fatal(err)
	}
	s.base = nil
	if out != nil {
		s.base = out.Bytes()
	}
	return settled
}

// home does something in the home; upper what the program does.
func (s *story) inHome(lines ...string) { s.t.Helper(); plant(s.t, s.home, lines...) }
func (s *story) inBox(lines ...string)  { s.t.Helper(); plant(s.t, s.upper, lines...) }

// conflicts lists what would be refused, each with why.
func (s *story) conflicts() string {
	s.t.Helper()
	var r io.Reader
	if s.base != nil {
		r = bytes.NewReader(s.base)
	}
	s.opts.Base = ReadBase(r, s.runs)
	pl := s.plan()
	var list []string
	for _, x := range pl.Refused {
		if x.Cause != Conflict {
			s.t.Errorf("refused: %v", x)
		}
		list = append(list, x.Path+" "+x.Why)
	}
	slices.Sort(list)
	return strings.Join(list, "\n")
}

func (s *story) want(lines ...string) {
	s.t.Helper()
	if got := s.conflicts(); got != strings.Join(lines, "\n") {
		s.t.Errorf("got\n%s\nwant\n%s", got, strings.Join(lines, "\n"))
	}
}

const homeOfStories = "file f old\nfile g old\ndir d\nfile d/x old\nfile d/y old\ndir gone\nfile gone/a a\ndir gone/sub\nfile gone/sub/b b\ndir r\nfile r/a a\nlink l t"

func (s *story) ordinary() {
	s.inBox("file f new", "dir d", "file d/x new", "white gone", "dir r", "opaque r", "file r/n n", "file a a", "link l u", "file t t")
}

func TestNoConflicts(t *testing.T) {
	s := newStory(t)
	s.inHome(homeOfStories)
	s.begin()
	s.ordinary()
	if got := s.end(); got.Underneath != 0 {
		t.Errorf("%+v", got)
	}
	s.want()
	// What has nothing to do with the changes does not matter.
	s.inHome("file g other", "file d/y other", "file other x")
	s.want()
	// Nor does a file that was written anew as it was, or touched.
	data, _ := os.ReadFile(s.home + "/f")
	os.Remove(s.home + "/f")
	plant(t, s.home, "file f "+string(data))
	s.want()
}

// Each row changes something in the home, while the program runs or after that.
func TestConflicts(t *testing.T) {
	for _, c := range []struct {
		name, do      string
		during, after []string
	}{
		{"edit", "file f edited", []string{"f " + changedDuring}, []string{"f " + changedAfter}},
		{"edit of the same size", "file f wen", []string{"f " + changedDuring}, []string{"f " + changedAfter}},
		{"mode", "mode f 0600", []string{"f " + changedDuring}, []string{"f " + changedAfter}},
		{"made", "file a theirs", []string{"a " + changedDuring}, []string{"a " + madeMeanwhile}},
		{"other link", "remove l\nlink l v", []string{"l " + changedDuring}, []string{"l " + changedAfter}},
		{"in what is deleted", "file gone/sub/new x", []string{`gone would take along "sub", which changed in your home after the program had begun`}, []string{`gone would take along "sub", which changed in your home after the program had begun`}},
		{"edit in what is deleted", "file gone/sub/b edited", []string{`gone would take along "sub/b", which changed in your home after the program had begun`}, []string{`gone would take along "sub/b", which changed in your home after the program had begun`}},
		{"entry in what is deleted", "file gone/new x", []string{"gone " + changedDuring}, []string{"gone " + changedDuring}},
		{"in what was made anew", "file r/new x", []string{"r/new " + changedDuring}, []string{"r/new " + changedAfter}},
		{"edit in what was made anew", "file r/a edited", []string{"r/a " + changedDuring}, []string{"r/a " + changedAfter}},
		{"removed", "remove f", nil, []string{"f " + removedMeanwhile}},
		{"another directory", "move d d2\ndir d\nfile d/x old\nfile d/y old", []string{"d/x " + changedDuring}, nil}, // the same content
		{"a directory moved there", "dir d3\nfile d3/x other\nmove d d2\nmove d3 d", []string{"d/x " + changedDuring}, []string{"d/x " + changedAfter}},
	} {
		for _, during := range []bool{true, false} {
			t.Run(c.name+map[bool]string{true: " during", false: " after"}[during], func(t *testing.T) {
				s := newStory(t)
				s.inHome(homeOfStories)
				s.begin()
				s.ordinary()
				if !during {
					s.end()
				}
				for _, line := range strings.Split(c.do, "\n") {
					verb, rest, _ := strings.Cut(line, " ")
					var err error
					switch verb {
					case "remove":
						err = os.Remove(s.home + "/" + rest)
					case "move":
						from, to, _ := strings.Cut(rest, " ")
						err = os.Rename(s.home+"/"+from, s.home+"/"+to)
					default:
						s.inHome(line)
					}
					if err != nil {
						t.Fatal(err)
					}
				}
				if during {
					s.end()
					s.want(c.during...)
				} else {
					s.want(c.after...)
				}
			})
		}
	}
}

// A file that was moved there with its directory while the program ran has an old time of change.
func TestConflictMovedAbove(t *testing.T) {
	s := newStory(t)
	s.inHome("dir p", "dir p/d", "file p/d/x old", "dir q", "dir q/d", "file q/d/x other")
	s.begin()
	s.inBox("dir p", "dir p/d", "file p/d/x new")
	if err := os.Rename(s.home+"/p", s.home+"/p2"); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(s.home+"/q", s.home+"/p"); err != nil {
		t.Fatal(err)
	}
	// Both names of a directory get the same times if nothing in it changed since: as for a move.
	if got := s.end(); got.Underneath != 1 {
		t.Errorf("%+v", got)
	}
	s.want("p/d/x " + movedAbove)
}

// Several runs: each path counts from the run in which it first changed.
func TestConflictsOfRuns(t *testing.T) {
	s := newStory(t)
	s.inHome("file one old", "file two old", "file three old", "dir d")
	s.begin()
	s.inBox("file one new", "dir new", "file new/x x")
	s.end()
	s.inHome("file two edited", "file one edited", "dir new", "file new/x theirs")
	s.begin()
	s.inBox("file two new", "file one again") // made from what was edited, and from what was not
	s.end()
	s.want("new/x "+madeMeanwhile, "one "+changedAfter)
	// A run after which nothing is known: whatever changed since the first counts.
	s.begin()
	s.inBox("file three new")
	s.want("new/x "+madeMeanwhile, "one "+changedAfter)
	s.inHome("file three edited")
	s.want("new/x "+madeMeanwhile, "one "+changedAfter, "three "+changedPerhaps)
	// Taken back by the program, and changed anew: it counts anew.
	s = newStory(t)
	s.inHome("file f old")
	s.begin()
	s.inBox("file f new")
	s.end()
	os.Remove(s.upper + "/f")
	s.begin()
	s.end()
	s.inHome("file f edited")
	s.begin()
	s.inBox("file f newer")
	s.end()
	s.want()
}

// What is applied, and taken back, is known again.
func TestConflictsAfterUndo(t *testing.T) {
	s := newStory(t)
	s.inHome(homeOfStories)
	s.begin()
	s.ordinary()
	s.end()
	s.want()
	before := ReadBase(bytes.NewReader(s.base), s.runs)
	rebase := func(again []string, olds ...*Base) {
		t.Helper()
		var out bytes.Buffer
		if _, err := Rebase(context.Background(), s.upperfd, s.homefd, s.opts.Options, again, olds, func() (io.Writer, error) { return &out, nil }); err != nil {
			t.Fatal(err)
		}
		s.base = out.Bytes()
	}
	res := s.apply("f", "gone", "r", "l")
	rebase(nil, before)
	s.want()
	back := s.undo(res.ID, false)
	rebase(back.Again, ReadBase(bytes.NewReader(s.base), s.runs), before)
	s.want()
	s.inHome("file f edited")
	s.want("f " + changedAfter)
}

func TestClockSetBack(t *testing.T) {
	s := newStory(t)
	s.inHome("file f old")
	s.begin()
	s.inBox("file f new")
	s.end()
	s.runs.Last = time.Now().Add(time.Hour)
	s.want("f " + clockBack)
}

// A record that is damaged, or ends early, is as none.
func TestBaseDamaged(t *testing.T) {
	s := newStory(t)
	s.inHome("file f old", `file "x\ny" old`)
	s.begin()
	s.inBox("file f new", `file "x\ny" new`)
	s.end()
	whole := s.base
	if b := ReadBase(bytes.NewReader(whole), s.runs); b.covers == 0 || len(b.notes) != 2 {
		t.Fatalf("%q: %+v", whole, b)
	}
	for i := range whole {
		if b := ReadBase(bytes.NewReader(whole[:i]), s.runs); b.covers != 0 {
			t.Errorf("%q is taken for whole", whole[:i])
		}
	}
	s.inHome("file f edited")
	s.base = whole[:len(whole)-3]
	s.want("f " + changedAfter)
	s.base = nil
	s.want("f " + changedPerhaps)
}

// An apply refuses what changed between the plan and the act, and leaves it as it is.
func TestConflictInTheAct(t *testing.T) {
	for _, force := range []bool{false, true} {
		s := newStory(t)
		s.inHome(homeOfStories, "dir td", "file td/x x")
		s.begin()
		s.ordinary()
		s.inBox("file td now", "file m x")
		s.end()
		s.want()
		s.opts.Force = force
		h := s.history()
		pl := s.plan()
		s.inHome("file f edited", "file gone/sub/c x", "file a theirs", "file td/y y")
		before := exact(t, s.home)
		res, err := h.Apply(context.Background(), pl, nil)
		if err != nil {
			t.Fatal(err)
		}
		h.Close()
		var refused []string
		for _, r := range res.Refused {
			refused = append(refused, r.Path)
		}
		slices.Sort(refused)
		want := "a f gone td"
		if force {
			want = "a" // is not replaced by what was to be made where nothing was
		}
		if got := strings.Join(refused, " "); got != want {
			t.Errorf("refused %s, not %s", got, want)
		}
		data, _ := os.ReadFile(s.home + "/f")
		if string(data) != map[bool]string{false: "edited", true: "new"}[force] {
			t.Errorf("f is %s", data)
		}
		back := s.undo(res.ID, false)
		if len(back.Refused) > 0 {
			t.Errorf("%v", back.Refused)
		}
		same(t, "the home", exact(t, s.home), before)
	}
}
