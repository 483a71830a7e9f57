package seccomp

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A filter cannot be taken off again, so the kernel is asked in a child: this binary with childEnv set.
const childEnv = "COVE_TEST_SECCOMP"

// A task is what the child is told.
type task struct {
	Filter bool
	Policy Policy
	Exec   []string // run this instead of the probes
}

func TestMain(m *testing.M) {
	if text := os.Getenv(childEnv); text != "" {
		if err := child(text); err != nil {
			fmt.Fprintln(os.Stderr, "child:", err)
			os.Exit(99)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func child(text string) error {
	var do task
	if err := json.Unmarshal([]byte(text), &do); err != nil {
		return err
	}
	runtime.LockOSThread()
	if do.Filter {
		prog, err := do.Policy.Compile(runtime.GOARCH)
		if err != nil {
			return err
		}
		if err := load(prog); err != nil {
			return err
		}
	}
	if do.Exec != nil {
		return syscall.Exec(do.Exec[0], do.Exec, []string{"PATH=/usr/bin:/bin"})
	}
	answers := map[string]syscall.Errno{}
	for _, p := range probes {
		_, _, answers[p.name] = unix.RawSyscall6(p.nr, p.args[0], p.args[1], p.args[2], p.args[3], p.args[4], p.args[5])
	}
	return json.NewEncoder(os.Stdout).Encode(answers)
}

// load puts every thread of the process under the filter.
func load(prog []Instruction) error {
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return err
	}
	fprog := unix.SockFprog{Len: uint16(len(prog)), Filter: (*unix.SockFilter)(unsafe.Pointer(&prog[0]))}
	thread, _, errno := unix.RawSyscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_TSYNC, uintptr(unsafe.Pointer(&fprog)))
	runtime.KeepAlive(prog)
	if errno != 0 {
		return fmt.Errorf("cannot load the filter: %w", errno)
	}
	if thread != 0 {
		return fmt.Errorf("cannot load the filter on thread %d", thread)
	}
	return nil
}

func TestLayout(t *testing.T) {
	var ours Instruction
	var theirs unix.SockFilter
	if unsafe.Sizeof(ours) != unsafe.Sizeof(theirs) || unsafe.Offsetof(ours.JT) != unsafe.Offsetof(theirs.Jt) ||
		unsafe.Offsetof(ours.JF) != unsafe.Offsetof(theirs.Jf) || unsafe.Offsetof(ours.K) != unsafe.Offsetof(theirs.K) {
		t.Error("Instruction is not laid out as struct sock_filter")
	}
	if eperm != unix.EPERM || enosys != unix.ENOSYS {
		t.Error("errnos differ from the kernel's")
	}
}

const bad = ^uintptr(0) // no descriptor, no pointer

// A likeness says how the kernel's own answer compares with base's, so that no errno is taken for the filter's that
// is the kernel's.
type likeness int

const (
	differs        likeness = iota
	differsForRoot          // sysctls may refuse it to an ordinary user, with the same errno
	same
)

// probes are calls that do nothing whoever makes them, and say whether they got past the filter: without one they
// fail with another errno, or succeed.
var probes = []struct {
	name   string
	nr     uintptr
	args   [6]uintptr
	base   syscall.Errno // under the zero Policy
	nested syscall.Errno // under Policy.Nesting
	bare   likeness      // without a filter
}{
	{"TIOCSTI", unix.SYS_IOCTL, [6]uintptr{bad, tiocsti}, unix.EPERM, unix.EPERM, differs},
	{"TIOCSTI, high bits", unix.SYS_IOCTL, [6]uintptr{bad, tiocsti | high}, unix.EPERM, unix.EPERM, differs},
	{"TIOCLINUX", unix.SYS_IOCTL, [6]uintptr{bad, tioclinux | top}, unix.EPERM, unix.EPERM, differs},
	{"unshare", unix.SYS_UNSHARE, [6]uintptr{0}, unix.EPERM, 0, differs},
	{"setns", unix.SYS_SETNS, [6]uintptr{bad}, unix.EPERM, unix.EBADF, differs},
	// The kernel refuses a user namespace together with CLONE_FS: nothing is forked.
	{"clone", unix.SYS_CLONE, [6]uintptr{unix.CLONE_NEWUSER | unix.CLONE_FS}, unix.EPERM, unix.EINVAL, differs},
	{"mount", unix.SYS_MOUNT, [6]uintptr{0, 0, 0, 0, 0}, unix.EPERM, unix.EFAULT, differs},
	{"umount2", unix.SYS_UMOUNT2, [6]uintptr{0, bad}, unix.EPERM, unix.EINVAL, differs},
	{"chroot", unix.SYS_CHROOT, [6]uintptr{0}, unix.EPERM, unix.EFAULT, differs},
	{"keyctl", unix.SYS_KEYCTL, [6]uintptr{bad}, unix.ENOSYS, unix.ENOSYS, differs},
	{"add_key", unix.SYS_ADD_KEY, [6]uintptr{0}, unix.ENOSYS, unix.ENOSYS, differs},
	{"io_uring_setup", unix.SYS_IO_URING_SETUP, [6]uintptr{1, 0}, unix.EPERM, unix.EPERM, differsForRoot},
	{"bpf", unix.SYS_BPF, [6]uintptr{0xffff, 0, 0}, unix.EPERM, unix.EPERM, differsForRoot},
	{"perf_event_open", unix.SYS_PERF_EVENT_OPEN, [6]uintptr{0, 0, 0, bad, bad}, unix.EPERM, unix.EPERM, differs},
	{"userfaultfd", unix.SYS_USERFAULTFD, [6]uintptr{0xffff}, unix.EPERM, unix.EPERM, differsForRoot},
	{"vsock", unix.SYS_SOCKET, [6]uintptr{unix.AF_VSOCK, 0xffff}, unix.EPERM, unix.EPERM, differs},
	{"personality", unix.SYS_PERSONALITY, [6]uintptr{0x00040000}, unix.EPERM, unix.EPERM, differs},
	// Nothing stands between the program and these.
	{"TIOCGWINSZ", unix.SYS_IOCTL, [6]uintptr{bad, tiocgwinsz}, unix.EBADF, unix.EBADF, same},
	{"ptrace", unix.SYS_PTRACE, [6]uintptr{bad, bad}, unix.ESRCH, unix.ESRCH, same},
	{"unix socket", unix.SYS_SOCKET, [6]uintptr{unix.AF_UNIX, 0xffff}, unix.EINVAL, unix.EINVAL, same},
	// EINVAL, without a filter, of a kernel that has clone3.
	{"clone3", unix.SYS_CLONE3, [6]uintptr{0, 0}, unix.ENOSYS, unix.EINVAL, differs},
	{"no such call", highest + 1000, [6]uintptr{}, unix.ENOSYS, unix.ENOSYS, same},
	{"x32 getpid", 0x40000000 | 39, [6]uintptr{}, unix.ENOSYS, unix.ENOSYS, same},
}

// TestKernel has a real kernel carry the filter out, and asks it the same questions without.
func TestKernel(t *testing.T) {
	ask := func(do task) map[string]syscall.Errno {
		answers := map[string]syscall.Errno{}
		out := runChild(t, do)
		if err := json.Unmarshal(out, &answers); err != nil {
			t.Fatalf("%v in %q", err, out)
		}
		return answers
	}
	bare := ask(task{})
	base := ask(task{Filter: true})
	nested := ask(task{Filter: true, Policy: Policy{Nesting: true}})
	for _, p := range probes {
		if base[p.name] != p.base || nested[p.name] != p.nested {
			t.Errorf("%s: %v, nested %v; want %v, nested %v", p.name, base[p.name], nested[p.name], p.base, p.nested)
		}
		if p.bare == differsForRoot && os.Geteuid() != 0 {
			continue
		}
		if (bare[p.name] == p.base) != (p.bare == same) {
			t.Errorf("%s: %v without a filter, so the probe does not show what it should", p.name, bare[p.name])
		}
	}
}

// TestPrograms runs a shell with a pipe under the filter.
func TestPrograms(t *testing.T) {
	out := runChild(t, task{Filter: true, Exec: []string{"/bin/sh", "-c", "echo one two | (read a b; ls -d / >/dev/null && echo $b $a)"}})
	if got := string(out); got != "two one\n" {
		t.Errorf("got %q", got)
	}
}

// TestForeignProgram runs an i386 program whose only call is exit(7). Under the filter the call kills it.
func TestForeignProgram(t *testing.T) {
	if runtime.GOARCH != "amd64" {
		t.Skip("needs amd64, whose kernels run i386 programs too")
	}
	const base, header = 0x08048000, 52 + 32
	code := []byte{0xb8, 1, 0, 0, 0, 0xbb, 7, 0, 0, 0, 0xcd, 0x80} // mov $1,%eax; mov $7,%ebx; int $0x80
	size := uint32(header + len(code))
	elf := []byte{0x7f, 'E', 'L', 'F', 1, 1, 1, 15: 0}
	le := func(words ...uint32) {
		for _, w := range words {
			elf = append(elf, byte(w), byte(w>>8), byte(w>>16), byte(w>>24))
		}
	}
	le(3<<16|2, 1, base+header, 52, 0, 0)       // an executable for i386; entry, program headers
	le(32<<16|52, 1, 0)                         // sizes and numbers of the headers
	le(1, 0, base, base, size, size, 5, 0x1000) // PT_LOAD, r-x
	name := filepath.Join(t.TempDir(), "exit7")
	if err := os.WriteFile(name, append(elf, code...), 0o755); err != nil {
		t.Fatal(err)
	}
	wait := func(do task) (*os.ProcessState, string) {
		cmd := childCommand(t, do)
		err := cmd.Run()
		if failed := (*exec.ExitError)(nil); err != nil && !errors.As(err, &failed) {
			t.Fatal(err)
		}
		return cmd.ProcessState, fmt.Sprint(cmd.Stderr)
	}
	s, said := wait(task{Exec: []string{name}})
	if strings.Contains(said, unix.ENOEXEC.Error()) {
		t.Skip("needs a kernel that runs i386 programs: CONFIG_IA32_EMULATION, and no ia32_emulation=0 at boot")
	}
	if s.ExitCode() != 7 {
		t.Fatalf("without a filter it ended with %v: %s", s, said)
	}
	s, said = wait(task{Filter: true, Exec: []string{name}})
	if sig := s.Sys().(syscall.WaitStatus).Signal(); sig != unix.SIGSYS {
		t.Errorf("it ended with %v, want SIGSYS: %s", s, said)
	}
}

func runChild(t *testing.T, do task) []byte {
	t.Helper()
	cmd := childCommand(t, do)
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%+v: %v: %s", do, err, cmd.Stderr)
	}
	return out
}

func childCommand(t *testing.T, do task) *exec.Cmd {
	t.Helper()
	text, err := json.Marshal(do)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), childEnv+"="+string(text))
	cmd.Stderr = new(strings.Builder)
	return cmd
}
