// Package early remembers what the process looked like before the rest of Go changed it.
//
// Package os raises the soft RLIMIT_NOFILE to the hard one when it is initialised (Go issue 46279), and
// undoes that only for children that it starts itself. cove forks by hand, so it must know the old value:
//
//	limit := early.NoFile
//
// It works because Go initialises, among the packages whose imports are ready, the one with the smallest
// import path first: this package needs nothing but syscall, and "cove/…" sorts before "os". It must
// therefore never import anything else.
package early

import "syscall"

// NoFile is RLIMIT_NOFILE as cove was given it.
var NoFile = func() (r syscall.Rlimit) {
	// The call cannot fail: the resource exists and the pointer is good.
	_ = syscall.Getrlimit(syscall.RLIMIT_NOFILE, &r)
	return r
}()
