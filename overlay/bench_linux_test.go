package overlay

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// plantMany makes an upper with n entries in directories of a hundred: of twenty files twelve are new, five were copied
// up and not changed, two were changed with their size and time restored, and one is deleted.
func plantMany(b *testing.B, upper, home string, n int) {
	b.Helper()
	text := strings.Repeat("0123456789abcdef", 40)
	write := func(p string, text string) {
		fd, err := unix.Open(p, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL|unix.O_CLOEXEC, 0o644)
		if err == nil {
			_, err = unix.Write(fd, []byte(text))
		}
		if err == nil {
			err = unix.Futimes(fd, []unix.Timeval{{Sec: aDay}, {Sec: aDay}})
		}
		unix.Close(fd)
		if err != nil {
			b.Fatal(err)
		}
	}
	for i := range n {
		rel := fmt.Sprintf("/d%05d", i/100)
		if i%100 == 0 {
			mkdirs(b, upper+rel, home+rel)
			continue
		}
		rel += fmt.Sprintf("/file-%02d", i%100)
		switch kind := i % 20; {
		case kind < 12:
			write(upper+rel, text)
		case kind < 17:
			write(upper+rel, text)
			write(home+rel, text)
		case kind < 19:
			write(upper+rel, text[1:]+"x")
			write(home+rel, text)
		default:
			write(home+rel, text)
			if err := unix.Mknod(upper+rel, unix.S_IFCHR, 0); err != nil {
				b.Fatal(err)
			}
		}
	}
}

// BenchmarkWalk compares an upper of 100,000 entries, or as many as COVE_BENCH_ENTRIES says.
func BenchmarkWalk(b *testing.B) {
	n := 100_000
	if s := os.Getenv("COVE_BENCH_ENTRIES"); s != "" {
		var err error
		if n, err = strconv.Atoi(s); err != nil {
			b.Fatal(err)
		}
	}
	upper, home := twinIn(b, b.TempDir())
	plantMany(b, upper, home, n)
	upperfd, homefd := openPath(b, upper), openPath(b, home)
	b.ReportAllocs()
	b.Run("tell", func(b *testing.B) {
		cpu := cpuTime(b)
		for b.Loop() {
			told := 0
			err := Walk(context.Background(), upperfd, homefd, Options{}, func(Change) error { told++; return nil })
			if err != nil {
				b.Fatal(err)
			}
			b.ReportMetric(float64(told), "changes")
		}
		report(b, n, cpu)
	})
	b.Run("count", func(b *testing.B) {
		cpu := cpuTime(b)
		for b.Loop() {
			if _, err := Count(context.Background(), upper, home, Options{}); err != nil {
				b.Fatal(err)
			}
		}
		report(b, n, cpu)
	})
}

// cpuTime is what all processors spent on us, in ns: on a busy machine it says more than the clock.
func cpuTime(b *testing.B) int64 {
	b.Helper()
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return u.Utime.Nano() + u.Stime.Nano()
}

func report(b *testing.B, entries int, before int64) {
	b.Helper()
	all := float64(entries) * float64(b.N)
	b.ReportMetric(all/b.Elapsed().Seconds(), "entries/s")
	b.ReportMetric(float64(cpuTime(b)-before)/all, "cpu-ns/entry")
}

// Nothing was changed, as after most runs: it must not be felt.
func BenchmarkCountNothing(b *testing.B) {
	upper, home := twinIn(b, b.TempDir())
	plant(b, home, "dir d", "file f x")
	plant(b, upper, "xattr . user.overlay.impure=y")
	for b.Loop() {
		if _, err := Count(context.Background(), upper, home, Options{}); err != nil {
			b.Fatal(err)
		}
	}
}
