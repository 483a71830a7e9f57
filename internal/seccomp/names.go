package seccomp

import (
	"slices"
	"strings"
)

// Check says whether a system call of that name exists on any architecture, and where not, which one may have
// been meant ("" where none is near).
func Check(name string) (suggestion string, ok bool) {
	if _, ok := find(name); ok || isElsewhere(name) {
		return "", true
	}
	bare := strings.ToLower(strings.TrimSpace(name))
	for _, prefix := range []string{"__nr_", "sys_"} { // as C and Go spell the constants
		bare = strings.TrimPrefix(bare, prefix)
	}
	if len(bare) > longestName {
		return "", false
	}
	best := max(1, len(bare)/3) + 1
	for i := range calls {
		if d := remoteness(bare, calls[i].name); d < best {
			best, suggestion = d, calls[i].name
		}
	}
	return suggestion, false
}

// Names are all that Check knows, sorted.
func Names() []string {
	names := slices.Clone(elsewhere[:])
	for i := range calls {
		names = append(names, calls[i].name)
	}
	slices.Sort(names)
	return names
}

// longestName bounds the work that nonsense makes. The longest name of a system call has 28 letters.
const longestName = 32

// find looks a call up by its exact name.
func find(name string) (int, bool) {
	return slices.BinarySearchFunc(calls[:], name, func(c call, name string) int { return strings.Compare(c.name, name) })
}

func isElsewhere(name string) bool {
	_, ok := slices.BinarySearch(elsewhere[:], name)
	return ok
}

// remoteness is how many letters must be inserted, dropped, replaced or swapped with their neighbour to make one
// name of the other, neither of which is longer than longestName. A name that is part of the other counts as one
// off: C libraries call newfstatat fstatat, and rt_sigaction sigaction.
func remoteness(a, b string) int {
	if len(a) > 3 && strings.Contains(b, a) {
		return 1
	}
	var before, last, row [longestName + 1]int
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			replace := last[j-1]
			if a[i-1] != b[j-1] {
				replace++
			}
			row[j] = min(replace, last[j]+1, row[j-1]+1)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last = last, row
	}
	return last[len(b)]
}
