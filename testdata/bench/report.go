package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// A row compares cove with something else.
type row struct {
	Name    string  `json:"name"`
	Unit    string  `json:"unit,omitempty"`
	Cove    figures `json:"cove"`
	Peer    figures `json:"peer"`
	Ratio   float64 `json:"ratio,omitempty"` // median of the pairs' ratios, cove to peer
	Pairs   int     `json:"pairs,omitempty"`
	LeftOut string  `json:"left_out,omitempty"` // why there are no figures
}

// figures are one side of a row. For memory the fastest is the smallest.
type figures struct {
	What    string  `json:"what"`
	Median  float64 `json:"median,omitempty"`
	Fastest float64 `json:"fastest,omitempty"`
}

type report struct {
	rows  []row
	lines []string
	begun time.Time
}

// wants says whether any of these rows was asked for.
func (b *bench) wants(names ...string) bool { return slices.ContainsFunc(names, b.only.MatchString) }

const columns = "%-27s %8s %8s %8s %8s %6s %5s  %s\n"

func (r *report) begin(b *bench) {
	r.begun = time.Now()
	r.lines = machine(b)
	if b.asJSON {
		return
	}
	for _, l := range r.lines {
		fmt.Println(l)
	}
	fmt.Println()
	fmt.Printf(columns, "", "cove", "fastest", "peer", "fastest", "ratio", "pairs", "cove : peer")
}

func (r *report) end(b *bench) error {
	if b.asJSON {
		out := json.NewEncoder(os.Stdout)
		out.SetIndent("", "  ")
		out.SetEscapeHTML(false)
		return out.Encode(struct {
			Machine []string `json:"machine"`
			Rows    []row    `json:"rows"`
		}{r.lines, r.rows})
	}
	fmt.Printf("\nmedians; ratio: the median of the pairs' ratios, below 1 cove is faster or smaller; %.0f s in all\n", time.Since(r.begun).Seconds())
	return nil
}

// compare makes the row of two sides that were measured in pairs.
func (b *bench) compare(name, unit, cove, peer string, as, bs []float64) {
	ratios := make([]float64, len(as))
	for i := range as {
		ratios[i] = as[i] / bs[i]
	}
	b.add(row{
		Name: name, Unit: unit, Pairs: len(as), Ratio: median(ratios),
		Cove: figures{cove, median(as), slices.Min(as)}, Peer: figures{peer, median(bs), slices.Min(bs)},
	})
}

func (b *bench) leaveOut(name, cove, peer, why string) {
	b.add(row{Name: name, Cove: figures{What: cove}, Peer: figures{What: peer}, LeftOut: why})
}

func (b *bench) add(r row) {
	if !b.wants(r.Name) {
		return
	}
	b.rows = append(b.rows, r)
	if b.asJSON {
		return
	}
	if r.LeftOut != "" {
		fmt.Printf("%-27s %s\n", r.Name, r.LeftOut)
		return
	}
	f := func(v float64) string { return fmt.Sprintf("%.2f", v) }
	fmt.Printf(columns, r.Name, f(r.Cove.Median), f(r.Cove.Fastest), f(r.Peer.Median), f(r.Peer.Fastest), f(r.Ratio),
		fmt.Sprint(r.Pairs), fmt.Sprintf("%s : %s, %s", r.Cove.What, r.Peer.What, r.Unit))
}

func median(v []float64) float64 {
	v = slices.Sorted(slices.Values(v))
	if n := len(v); n%2 == 0 {
		return (v[n/2-1] + v[n/2]) / 2
	}
	return v[len(v)/2]
}

// realtime is the priority that chrt -f has given to all that runs here, 0 for none.
func realtime() uint32 {
	attr, err := unix.SchedGetAttr(0, 0)
	if err != nil || attr.Policy != unix.SCHED_FIFO {
		return 0
	}
	return attr.Priority
}

// machine says where and with what the figures were made.
func machine(b *bench) []string {
	var u unix.Utsname
	unix.Uname(&u)
	load, _ := os.ReadFile("/proc/loadavg")
	var policy string
	if p := realtime(); p > 0 {
		policy = fmt.Sprintf(", SCHED_FIFO %d", p)
	}
	lines := []string{
		fmt.Sprintf("%s, Linux %s %s, %d CPUs, load %.14s%s, as %s", time.Now().Format(time.DateOnly), unix.ByteSliceToString(u.Release[:]),
			runtime.GOARCH, runtime.NumCPU(), load, policy, b.who.name),
		"versions: " + strings.Join(versions(b), ", "),
	}
	if b.who.note != "" {
		lines = append(lines, b.who.note)
	}
	return lines
}

var versionNumber = regexp.MustCompile(`\d+\.\d+(\.\d+)?`)

func versions(b *bench) []string {
	out, _ := exec.Command(b.cove, "--version").Output()
	first, _, _ := strings.Cut(string(out), "\n")
	vs := []string{first}
	for _, argv := range [][]string{
		{"bwrap", "--version"}, {"firejail", "--version"}, {"podman", "--version"}, {"runc", "--version"},
		{"crun", "--version"}, {"fuse-overlayfs", "--version"}, {"git", "--version"}, {"sqlite3", "--version"},
	} {
		out, err := exec.Command(argv[0], argv[1:]...).Output()
		if err != nil {
			continue
		}
		// "NAME 1.2", "NAME version 1.2", "NAME: version 1.2", "1.2 of some day"; and other lines around it.
		if _, after, ok := strings.Cut(string(out), argv[0]+": "); ok {
			out = []byte(after) // fuse-overlayfs tells of fusermount first
		}
		if v := versionNumber.FindString(string(out)); v != "" {
			vs = append(vs, filepath.Base(argv[0])+" "+v)
		}
	}
	return vs
}
