package seccomp

import (
	"slices"
	"strings"

	"cove/internal/spell"
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
	best := spell.Limit(bare)
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

// remoteness is spell.Distance, but a name that is part of the other counts as one off: C libraries call newfstatat
// fstatat, and rt_sigaction sigaction.
func remoteness(a, b string) int {
	if len(a) > 3 && strings.Contains(b, a) {
		return 1
	}
	return spell.Distance(a, b)
}
