// Command bench compares cove with its peers on the machine it runs on.
//
//	go run ./testdata/bench bin/cove
//
// Every row runs cove and a peer in turn, so that whatever else the machine does hits both; it prints medians, the
// fastest runs, and the median of the pairs' ratios. Below 1 cove is faster.
package main

import (
	"encoding/binary"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"time"

	"cove/internal/seccomp"
)

var runs = flag.Int("runs", 200, "pairs per row")

type command struct {
	argv  []string
	stdin string // a file on descriptor 3, "" for none
}

func (c command) time() (time.Duration, error) {
	cmd := exec.Command(c.argv[0], c.argv[1:]...)
	if c.stdin != "" {
		f, err := os.Open(c.stdin)
		if err != nil {
			return 0, err
		}
		defer f.Close()
		cmd.ExtraFiles = []*os.File{f}
	}
	cmd.Stderr = os.Stderr
	start := time.Now()
	err := cmd.Run()
	return time.Since(start), err
}

func main() {
	flag.Parse()
	if flag.NArg() != 1 {
		fmt.Fprintln(os.Stderr, "usage: bench [-runs N] PATH-OF-COVE")
		os.Exit(2)
	}
	if err := bench(flag.Arg(0)); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func bench(cove string) error {
	cove, err := filepath.Abs(cove)
	if err != nil {
		return err
	}
	bwrap, err := exec.LookPath("bwrap")
	if err != nil {
		return fmt.Errorf("cannot find bwrap to compare with: apt-get install bubblewrap")
	}
	dir, err := os.MkdirTemp("", "cove-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	home := filepath.Join(dir, "home")
	if err := os.Mkdir(home, 0o755); err != nil {
		return err
	}
	os.Setenv("HOME", home)
	os.Chdir(home)
	for _, v := range []string{"XDG_DATA_HOME", "XDG_CONFIG_HOME", "XDG_RUNTIME_DIR"} {
		os.Unsetenv(v)
	}
	filter := filepath.Join(dir, "filter.bpf")
	if err := writeFilter(filter); err != nil {
		return err
	}
	peer := command{append(sameTree(bwrap, home), "/bin/true"), filter}
	fmt.Printf("%-34s %9s %9s %9s %9s %7s\n", fmt.Sprintf("/bin/true, %d pairs", *runs), "cove", "fastest", "bwrap", "fastest", "ratio")
	for _, row := range []struct {
		name string
		cove []string
	}{
		{"same sandbox, empty home", []string{cove, "run", "-q", "--home", "tmpfs", "--", "/bin/true"}},
		{"with a copy-on-write home (*)", []string{cove, "run", "-q", "--", "/bin/true"}},
	} {
		if err := pair(row.name, command{argv: row.cove}, peer); err != nil {
			return err
		}
	}
	fmt.Println("(*) the overlay mounted, the box made and removed; bwrap with a tmpfs in its place")
	return nil
}

// sameTree is bubblewrap building what cove's default profile builds, with the same seccomp filter.
func sameTree(bwrap, home string) []string {
	args := []string{bwrap, "--unshare-all", "--die-with-parent", "--hostname", "cove", "--seccomp", "3"}
	for _, d := range []string{"/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/etc", "/opt", "/var"} {
		if text, err := os.Readlink(d); err == nil {
			args = append(args, "--symlink", text, d)
		} else if _, err := os.Stat(d); err == nil {
			args = append(args, "--ro-bind", d, d)
		}
	}
	return append(args, "--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp", "--tmpfs", "/run", "--tmpfs", "/var/tmp",
		"--tmpfs", home, "--dir", "/run/user/1", "--chdir", home, "--")
}

func writeFilter(path string) error {
	prog, err := seccomp.Policy{}.Compile(runtime.GOARCH)
	if err != nil {
		return err
	}
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	if err := binary.Write(f, binary.NativeEndian, prog); err != nil {
		return err
	}
	return f.Close()
}

func pair(name string, a, b command) error {
	var as, bs []time.Duration
	var ratios []float64
	for i := range *runs + 5 {
		first, second := a, b
		if i%2 == 1 {
			first, second = b, a
		}
		t1, err := first.time()
		if err != nil {
			return fmt.Errorf("%v: %w", first.argv, err)
		}
		t2, err := second.time()
		if err != nil {
			return fmt.Errorf("%v: %w", second.argv, err)
		}
		if i%2 == 1 {
			t1, t2 = t2, t1
		}
		if i >= 5 { // the first few warm caches up
			as, bs, ratios = append(as, t1), append(bs, t2), append(ratios, float64(t1)/float64(t2))
		}
	}
	slices.Sort(as)
	slices.Sort(bs)
	slices.Sort(ratios)
	ms := func(d time.Duration) string { return fmt.Sprintf("%.2f ms", float64(d)/1e6) }
	fmt.Printf("%-34s %9s %9s %9s %9s %7.2f\n", name, ms(as[len(as)/2]), ms(as[0]), ms(bs[len(bs)/2]), ms(bs[0]), ratios[len(ratios)/2])
	return nil
}
