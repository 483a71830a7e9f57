package overlay

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"testing"

	"golang.org/x/sys/unix"
)

// usage is what all processors spent on us and our children, in ns: on a busy machine it says more than the clock.
func usage(b *testing.B) (ns int64) {
	for _, who := range []int{unix.RUSAGE_SELF, unix.RUSAGE_CHILDREN} {
		var u unix.Rusage
		if err := unix.Getrusage(who, &u); err != nil {
			b.Fatal(err)
		}
		ns += u.Utime.Nano() + u.Stime.Nano()
	}
	return ns
}

// BenchmarkApply compares an apply of 10,000 small files, or as many as COVE_BENCH_ENTRIES says, with cp -a of the same:
// once all are new, once all are changed. Each makes everything anew; run it with -benchtime 1x or 3x.
func BenchmarkApply(b *testing.B) {
	n := 10_000
	if s := os.Getenv("COVE_BENCH_ENTRIES"); s != "" {
		var err error
		if n, err = strconv.Atoi(s); err != nil {
			b.Fatal(err)
		}
	}
	text := []byte(fmt.Sprintf("%600d", 1))
	fill := func(dir string, text []byte) {
		for i := range n {
			d := fmt.Sprintf("%s/t/d%05d", dir, i/100)
			if i%100 == 0 {
				if err := os.MkdirAll(d, 0o755); err != nil {
					b.Fatal(err)
				}
			}
			if err := os.WriteFile(fmt.Sprintf("%s/file-%02d", d, i%100), text, 0o644); err != nil {
				b.Fatal(err)
			}
		}
	}
	for _, kind := range []string{"added", "modified"} {
		for _, who := range []string{"cp", "apply"} {
			b.Run(kind+"/"+who, func(b *testing.B) {
				setUp, begin := int64(0), usage(b)
				spent := func() int64 { return usage(b) - begin - setUp }
				for b.Loop() {
					b.StopTimer()
					r := newRig(b, b.TempDir(), Kernel)
					fill(r.upper, text)
					if kind == "modified" {
						fill(r.home, text[1:])
					}
					unix.Sync()
					setUp += spent()
					b.StartTimer()
					if who == "cp" {
						if out, err := exec.Command("cp", "-a", "--reflink=auto", r.upper+"/t", r.home+"/").CombinedOutput(); err != nil {
							b.Fatalf("%v: %s", err, out)
						}
						continue
					}
					h := r.history()
					if res, err := h.Apply(context.Background(), r.plan(), nil); err != nil || len(res.Refused) > 0 {
						b.Fatal(err, res.Refused)
					}
					h.Close()
				}
				b.ReportMetric(float64(spent())/1e9/float64(b.N), "cpu-s/op")
			})
		}
	}
}
