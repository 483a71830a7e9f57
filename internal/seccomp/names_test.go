package seccomp

import (
	"slices"
	"strings"
	"testing"
)

func TestCheck(t *testing.T) {
	for _, name := range []string{"openat", "clone3", "open", "umount", "mmap2", "socketcall", "newfstatat", "_llseek", "riscv_hwprobe"} {
		if s, ok := Check(name); !ok || s != "" {
			t.Errorf("Check(%q) = %q, %v", name, s, ok)
		}
	}
	wrong := map[string]string{
		"opneat":                  "openat",
		"opennat":                 "openat",
		"OpenAt":                  "openat",
		"SYS_OPENAT":              "openat",
		"__NR_keyctl":             "keyctl",
		" ptrace":                 "ptrace",
		"fstatat":                 "newfstatat",
		"pread":                   "pread64",
		"perf_event_opne":         "perf_event_open",
		"io-uring-setup":          "io_uring_setup",
		"process_vm_read":         "process_vm_readv",
		"clone4":                  "clone",
		"frobnicate":              "",
		"":                        "",
		"x":                       "",
		"/bin/sh":                 "",
		strings.Repeat("a", 1000): "",
	}
	for name, want := range wrong {
		if s, ok := Check(name); ok || s != want {
			t.Errorf("Check(%q) = %q, %v, want %q", name, s, ok, want)
		}
	}
}

// TestTable holds what the look-ups take for granted.
func TestTable(t *testing.T) {
	if !slices.IsSortedFunc(calls[:], func(a, b call) int { return strings.Compare(a.name, b.name) }) {
		t.Error("calls are out of order")
	}
	if !slices.IsSorted(elsewhere[:]) {
		t.Error("elsewhere is out of order")
	}
	for _, m := range machines {
		seen := map[int16]string{}
		for _, c := range calls {
			n := c.number[m.column]
			if n == none {
				continue
			}
			if seen[n] != "" || n < 0 || n > highest {
				t.Errorf("%s: %s has number %d, which %q has", m.name, c.name, n, seen[n])
			}
			seen[n] = c.name
		}
		if len(seen) < 300 {
			t.Errorf("%s: %d calls", m.name, len(seen))
		}
	}
	for _, c := range calls {
		if len(c.name) > longestName {
			t.Errorf("%s is longer than longestName", c.name)
		}
	}
	for _, name := range elsewhere {
		if _, ok := find(name); ok {
			t.Errorf("%s is elsewhere and here", name)
		}
	}
	for _, name := range nesting {
		if _, ok := find(name); !ok {
			t.Errorf("there is no %s to nest with", name)
		}
	}
}
