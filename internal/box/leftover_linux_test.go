package box

import (
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// killed makes a box as one is whose cove was killed while the program ran.
func killed(t *testing.T, s *Store, name string) string {
	t.Helper()
	b, err := s.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Prepare("/tmp", "kernel", false); err != nil {
		t.Fatal(err)
	}
	b.unlock()
	return b.Name()
}

// What killed runs have left is removed when boxes are listed, if it holds nothing and nobody could want it.
func TestLeftover(t *testing.T) {
	data := newData(t)
	s := newStore(t, data)
	path := func(p string) string { return s.Path() + "/" + p }
	mkdir := func(p string) {
		if err := os.MkdirAll(path(p), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	stay := map[string]bool{}

	gone := []string{killed(t, s, ""), "half-made", "half-locked", "half-aside"}
	mkdir("half-made")
	mkdir("half-locked/upper")
	write(t, path("half-locked/lock"), "1\n")
	mkdir("half-aside/upper")
	mkdir("half-aside/work/work")
	write(t, path("half-aside/.box.json"), "{")

	stay[killed(t, s, "named")] = true
	changed := killed(t, s, "")
	write(t, path(changed+"/upper/f"), "x")
	stay[changed] = true
	rooted := killed(t, s, "")
	mkdir(rooted + "/root-upper/etc")
	stay[rooted] = true
	mkdir("half-changed/upper/d")
	stay["half-changed"] = true
	mkdir("stranger")
	write(t, path("stranger/notes"), "x")
	stay["stranger"] = true
	again := killed(t, s, "")
	b, err := s.Acquire(again)
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Prepare("/tmp", "kernel", false); err != nil {
		t.Fatal(err)
	}
	b.unlock() // the second run was killed
	stay[again] = true
	used, err := s.Create("")
	if err != nil {
		t.Fatal(err)
	}
	if err := used.Prepare("/tmp", "kernel", false); err != nil {
		t.Fatal(err)
	}
	defer used.unlock()
	stay[used.Name()] = true
	for _, text := range []string{"", "{", "{}", "\x00\x00"} { // as the machine goes down
		damaged := killed(t, s, "")
		write(t, path(damaged+"/box.json"), text)
		gone = append(gone, damaged)
	}

	if _, err := s.List(); err != nil {
		t.Fatal(err)
	}
	for _, name := range gone {
		if _, err := os.Lstat(path(name)); err == nil {
			t.Errorf("%s is still there", name)
		}
	}
	for name := range stay {
		if _, err := os.Lstat(path(name)); err != nil {
			t.Errorf("%v", err)
		}
	}
	if _, err := os.Lstat(path(changed + "/upper/f")); err != nil {
		t.Error(err)
	}
	if got := names(t, s.Path()); strings.Contains(got, trash) {
		t.Errorf("left: %s", got)
	}
}

// Boxes are listed again and again while others are made: none of those is lost, and nobody waits.
func TestLeftoverWhileBoxesAreMade(t *testing.T) {
	data := newData(t)
	newStore(t, data).open(true)
	deadline := time.Now().Add(time.Second)
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			s, _ := Open(data)
			defer s.Close()
			for time.Now().Before(deadline) {
				if _, err := s.List(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	made := 0
	for i := 0; time.Now().Before(deadline); i++ {
		s, err := Open(data)
		if err != nil {
			t.Fatal(err)
		}
		var b *Box
		if i%2 == 0 {
			b, err = s.Create("")
		} else {
			b, err = s.Acquire("named")
		}
		if err != nil {
			t.Fatal(err)
		}
		if err := b.Prepare("/tmp", "kernel", false); err != nil {
			t.Fatal(err)
		}
		var st, there unix.Stat_t
		if unix.Fstat(b.fd, &st) != nil || unix.Stat(b.Path(), &there) != nil || st.Ino != there.Ino {
			t.Fatalf("box %s was removed under its holder", b.Name())
		}
		made++
		if i%3 == 0 {
			b.unlock() // killed
		} else if err := b.Remove(); err != nil {
			t.Fatal(err)
		}
		s.Close()
	}
	wg.Wait()
	if made < 10 {
		t.Errorf("only %d were made", made)
	}
}

// Where nobody lists them, they do not become more and more.
func TestLeftoversAreFew(t *testing.T) {
	s := newStore(t, newData(t))
	const runs = 300
	for range runs {
		killed(t, s, "")
	}
	if left := len(strings.Fields(names(t, s.Path()))); left < manyBoxes || left > runs/4 {
		t.Errorf("%d of %d are left", left, runs)
	}
}

func BenchmarkCreate(b *testing.B) {
	for _, boxes := range []int{0, manyBoxes + 1} {
		b.Run(strconv.Itoa(boxes), func(b *testing.B) {
			s, err := Open(b.TempDir())
			if err != nil {
				b.Fatal(err)
			}
			for i := range boxes {
				box, err := s.Create("box" + strconv.Itoa(i))
				if err != nil {
					b.Fatal(err)
				}
				os.MkdirAll(box.Upper()+"/d", 0o700)
				box.unlock()
			}
			for b.Loop() {
				box, err := s.Create("")
				if err != nil {
					b.Fatal(err)
				}
				box.Remove()
			}
		})
	}
}
