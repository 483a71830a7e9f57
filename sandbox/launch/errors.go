package launch

import (
	"fmt"
	"syscall"

	"cove/internal/mount"
)

// A StepError says that a step of the plan could not be carried out. For a mount, Op is the step as the plan has
// it; otherwise Step says in words what could not be done.
type StepError struct {
	Op    *mount.Op
	Step  string
	Errno syscall.Errno
}

func (e *StepError) Error() string {
	what := e.Step
	if e.Op != nil {
		what = e.Op.String()
	}
	return fmt.Sprintf("cannot %s: %v", what, e.Errno)
}

func (e *StepError) Unwrap() error { return e.Errno }

// A CloneError says that the namespaces could not be made.
type CloneError struct {
	Errno syscall.Errno
	Hint  string // what forbids it and the line that mends it, as far as could be found out
}

func (e *CloneError) Error() string { return fmt.Sprintf("cannot make namespaces: %v", e.Errno) }
func (e *CloneError) Unwrap() error { return e.Errno }

// An ExecError says that the program could not be executed.
type ExecError struct {
	Path  string
	Errno syscall.Errno
}

func (e *ExecError) Error() string {
	if e.NotFound() {
		return fmt.Sprintf("cannot run %s: no such program inside", e.Path)
	}
	return fmt.Sprintf("cannot run %s: %v", e.Path, e.Errno)
}

func (e *ExecError) Unwrap() error { return e.Errno }

// NotFound tells "not there" from "there, but cannot be executed": exit status 127 from 126.
func (e *ExecError) NotFound() bool { return e.Errno == syscall.ENOENT || e.Errno == syscall.ENOTDIR }
