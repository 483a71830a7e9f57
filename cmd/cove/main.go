// Command cove runs a program over a copy of your home, in namespaces that an ordinary user may create.
//
//	cove run -- make test      # nothing that it writes reaches your real home
//	cove diff                  # what it would have changed
//
// This package is the door: command line in, words for people and exit status out. What a sandbox is stands in
// package sandbox, how one is made in sandbox/launch.
//
// The Go runtime need not watch the CPU limit of a cgroup: that is two descriptors and a goroutine less, and what there is
// to do at the same time fits on two processors.
//
//go:debug containermaxprocs=0
//go:debug updatemaxprocs=0
package main

import (
	"os"
	"time"

	"cove/internal/sys/stack"
	"cove/internal/sys/zone"
)

func main() {
	stack.Grow()
	time.Local = zone.Local
	a := &app{stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr, getenv: os.Getenv}
	os.Exit(a.main(os.Args[1:]))
}
