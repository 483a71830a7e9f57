package stage

import (
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// An arena is memory that the stage and its supervisor share (MAP_SHARED), at the same address. Everything that the
// stage reads or writes once it is forked is in it: so the stage can be forked first, and do what needs no plan, while
// its supervisor still makes the plan and lays it out here.
//
// Go's garbage collector does not look into it; what is in it may only point into it.
type arena struct {
	base       unsafe.Pointer
	used, size uintptr
}

// arenaSize is reserved, not used. Arguments and environment, of which execve(2) takes 6 MiB at most (MAX_ARG_PAGES and
// a quarter of the stack's limit), are the larger part.
const arenaSize = 16 << 20

func newArena() (*arena, error) {
	base, err := unix.MmapPtr(-1, 0, nil, arenaSize, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED|unix.MAP_ANONYMOUS|unix.MAP_NORESERVE)
	if err != nil {
		return nil, fmt.Errorf("cannot get memory to share with the stage: %w", err)
	}
	return &arena{base: base, size: arenaSize}, nil
}

// alloc returns n zero bytes.
func (a *arena) alloc(n, align uintptr) unsafe.Pointer {
	at := (a.used + align - 1) &^ (align - 1)
	if n > a.size || at > a.size-n {
		panic(tooLarge{})
	}
	a.used = at + n
	return unsafe.Add(a.base, at)
}

// tooLarge is what alloc panics with; Start and Exec make an error of it.
type tooLarge struct{}

// holds tells whether p points into the arena.
func (a *arena) holds(p unsafe.Pointer) bool {
	return uintptr(p) >= uintptr(a.base) && uintptr(p) < uintptr(a.base)+a.size
}

func (a *arena) free() {
	unix.MunmapPtr(a.base, a.size)
	a.base = nil
}

func put[T any](a *arena, v T) *T {
	p := (*T)(a.alloc(unsafe.Sizeof(v), unsafe.Alignof(v)))
	*p = v
	return p
}

func (a *arena) bytes(b []byte) *byte {
	p := (*byte)(a.alloc(uintptr(len(b)), 1))
	copy(unsafe.Slice(p, len(b)), b)
	return p
}

// cstring is s with a zero byte at its end.
func (a *arena) cstring(s string) *byte {
	p := (*byte)(a.alloc(uintptr(len(s))+1, 1))
	copy(unsafe.Slice(p, len(s)), s)
	return p
}

// Put copies v to where the stage sees it, for a Call to point to. v must hold no pointers but those that Put returned.
func Put[T any](l *List, v T) *T { return put(l.arena, v) }

// PutAll is Put for a slice; it returns its first element.
func PutAll[T any](l *List, all []T) *T {
	var t T
	first := (*T)(l.arena.alloc(uintptr(len(all))*unsafe.Sizeof(t), unsafe.Alignof(t)))
	copy(unsafe.Slice(first, len(all)), all)
	return first
}
