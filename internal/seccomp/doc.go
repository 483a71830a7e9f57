// Package seccomp compiles the system call filter under which the program in a sandbox runs, from plain data and
// in plain Go.
//
//	prog, err := seccomp.Policy{Deny: []string{"ptrace"}}.Compile("amd64")
//	fmt.Print(seccomp.Dump(prog))
//
// The base is Docker's default profile for a container without capabilities, kept as a table (table.go) that
// go generate writes; it is stricter in what never.go of the generator lists, in the terminal's ioctls and in
// foreign architectures. A call that it refuses fails with EPERM. A call that it does not know fails with ENOSYS,
// for which C libraries have another way. What else differs from Docker's is spelled out in reference_test.go.
//
// The program is an array of struct sock_filter as seccomp(2) takes it: first the architecture, then a binary
// search over ranges of numbers with one ruling, so that no call costs more than nine comparisons, then, for the
// few calls that need it, their arguments.
//
// Limits: amd64 and arm64, and only their own calls: a 32-bit program is killed at its first one. A filter sees
// registers, not memory: it cannot tell paths, the flags of clone3, or what a socket is connected to.
package seccomp

//go:generate go run ./gen -o table.go
