package testenv

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"syscall"
	"testing"
)

// Do is what a child does instead of the tests, with the arguments of Task. Its error goes to stderr, and the exit
// status is 99.
type Do func(args []string) error

// taskEnv, in its environment, tells a child its task.
const taskEnv = "COVE_TEST_TASK"

// Main runs the tests, or in a child its task. It does not return.
func Main(m *testing.M, tasks map[string]Do) {
	task := os.Getenv(taskEnv)
	if task == "" {
		os.Exit(m.Run())
	}
	do, ok := tasks[task]
	if !ok {
		do = func([]string) error { return errors.New("no such task") }
	}
	if err := do(os.Args[1:]); err != nil {
		fmt.Fprintf(os.Stderr, "task %s: %v\n", task, err)
		os.Exit(99)
	}
	os.Exit(0)
}

// Task is a command that does a task, with what it prints to stderr on the test's. Its environment is the test's, and
// can be appended to.
func Task(name string, args ...string) *exec.Cmd {
	cmd := exec.Command("/proc/self/exe", args...)
	cmd.Env = append(os.Environ(), taskEnv+"="+name)
	cmd.Stderr = os.Stderr
	return cmd
}

// AwaitMap waits until the task's user namespace has its maps, then executes the task again: who has no id in the
// namespace yet loses all capabilities over it when a program is executed (capabilities(7)).
func AwaitMap() error {
	const again = "COVE_TEST_MAPPED=1"
	if slices.Contains(os.Environ(), again) {
		return nil
	}
	// Byte by byte: what follows is for the task.
	for b := make([]byte, 1); b[0] != '\n'; {
		if _, err := os.Stdin.Read(b); err != nil {
			return err
		}
	}
	return syscall.Exec("/proc/self/exe", os.Args, append(os.Environ(), again))
}
