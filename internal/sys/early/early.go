// Package early remembers what the process looked like before the rest of Go changed it.
//
// Package syscall raises the soft RLIMIT_NOFILE almost to the hard one when it is initialised (Go issue 46279), and
// undoes that only for children that it starts itself. cove forks by hand, so it must know the old value:
//
//	limit := early.NoFile
//
// It works because Go initialises, among the packages whose imports are ready, the one with the smallest import path
// first (The Go Programming Language Specification, "Program initialization"): this package needs nothing, and
// "cove/…" sorts before "syscall". It must therefore never import anything, and makes its one system call in assembly.
package early

// A Limit is struct rlimit64 of prlimit(2).
type Limit struct{ Cur, Max uint64 }

const nofile = 7 // RLIMIT_NOFILE, the same on amd64 and arm64

// NoFile is RLIMIT_NOFILE as cove was given it.
var NoFile = func() (l Limit) {
	getrlimit(nofile, &l)
	return l
}()

// getrlimit cannot fail: the resource exists and the pointer is good.
//
//go:noescape
func getrlimit(resource uintptr, l *Limit)
