package seccomp

import (
	"slices"
	"strings"
	"testing"
)

const (
	failEPERM  = retErrno | eperm
	failENOSYS = retErrno | enosys
	allowed    = retAllow
)

// number finds a call's number in the table, or -1.
func number(t testing.TB, m machine, name string) int {
	t.Helper()
	i, ok := find(name)
	if !ok {
		t.Fatalf("no system call %s", name)
	}
	return int(calls[i].number[m.column])
}

func compile(t testing.TB, p Policy, m machine) []Instruction {
	t.Helper()
	prog, err := p.Compile(m.name)
	if err != nil {
		t.Fatal(err)
	}
	if err := validate(prog); err != nil {
		t.Fatalf("%s: %v\n%s", m.name, err, Dump(prog))
	}
	return prog
}

type args = [6]uint64

const (
	high        = 1 << 32
	top         = 1 << 63
	tiocsti     = 0x5412
	tioclinux   = 0x541c
	tiocgwinsz  = 0x5413
	newUser     = 0x10000000
	newNet      = 0x40000000
	newTime     = 0x80
	threadFlags = 0x3d0f00 // what glibc's pthread_create asks of clone
	vforkFlags  = 0x4111   // CLONE_VM|CLONE_VFORK|SIGCHLD
)

func TestRulings(t *testing.T) {
	base, nested, chroot, shared := Policy{}, Policy{Nesting: true}, Policy{Chroot: true}, Policy{SharedTTY: true}
	rows := []struct {
		policy Policy
		calls  string
		args   args
		want   uint32
	}{
		{base, "read write openat openat2 execve execveat exit_group futex mmap clock_gettime ptrace", args{}, allowed},
		{base, "arch_prctl rseq statx faccessat2 landlock_restrict_self seccomp prctl memfd_create", args{}, allowed},

		// What a sandbox never needs.
		{base, "keyctl add_key request_key", args{}, failENOSYS},
		{base, "io_uring_setup io_uring_enter io_uring_register", args{}, failEPERM},
		{base, "bpf perf_event_open userfaultfd", args{}, failEPERM},
		{base, "init_module finit_module delete_module kexec_load reboot swapon acct settimeofday", args{}, failEPERM},
		{base, "open_by_handle_at pidfd_getfd kcmp iopl ioperm syslog quotactl", args{}, failEPERM},
		{nested, "keyctl", args{}, failENOSYS},
		{nested, "bpf perf_event_open userfaultfd io_uring_setup init_module", args{}, failEPERM},

		// The terminal, also where high bits are set (CVE-2019-10063).
		{base, "ioctl", args{0, tiocsti}, failEPERM},
		{base, "ioctl", args{0, tiocsti | high}, failEPERM},
		{base, "ioctl", args{0, tiocsti | top}, failEPERM},
		{base, "ioctl", args{^uint64(0), tiocsti | 0xffffffff<<32}, failEPERM},
		{base, "ioctl", args{0, tioclinux}, failEPERM},
		{base, "ioctl", args{0, tioclinux | high}, failEPERM},
		{base, "ioctl", args{0, tiocgwinsz}, allowed},
		{base, "ioctl", args{tiocsti, 0, tiocsti}, allowed},
		{base, "ioctl", args{0, tiocsti << 32}, allowed},
		{nested, "ioctl", args{0, tiocsti}, failEPERM},
		{Policy{Allow: []string{"ioctl"}}, "ioctl", args{0, tiocsti | high}, failEPERM},
		{Policy{Allow: []string{"ioctl"}}, "ioctl", args{0, tiocgwinsz}, allowed},
		{Policy{Deny: []string{"ioctl"}}, "ioctl", args{0, tiocgwinsz}, failEPERM},

		{base, "ioctl", args{0, 0x5423 | high}, failEPERM}, // TIOCSETD
		{base, "ioctl", args{0, 0x540c}, allowed},          // TIOCEXCL, on a terminal of its own
		{base, "ioctl", args{0, 0x4b3a}, allowed},          // KDSETMODE
		{shared, "ioctl", args{0, tiocsti | top}, failEPERM},
		{shared, "ioctl", args{0, tioclinux | high}, failEPERM},
		{shared, "ioctl", args{0, 0x5423}, failEPERM},
		{shared, "ioctl", args{0, 0x540c | high}, failEPERM},
		{shared, "ioctl", args{0, 0x540d}, failEPERM}, // TIOCNXCL
		{shared, "ioctl", args{0, 0x541d}, failEPERM}, // TIOCCONS
		{shared, "ioctl", args{0, 0x5437}, failEPERM}, // TIOCVHANGUP
		{shared, "ioctl", args{0, 0x4b3a}, failEPERM}, // KDSETMODE
		{shared, "ioctl", args{0, 0x4b45 | high}, failEPERM},
		{shared, "ioctl", args{0, 0x4bff}, failEPERM},
		{shared, "ioctl", args{0, 0x5606}, failEPERM}, // VT_ACTIVATE
		{shared, "ioctl", args{0, 0x4aff}, allowed},
		{shared, "ioctl", args{0, 0x4c00}, allowed},     // LOOP_SET_FD
		{shared, "ioctl", args{0, 0x80685600}, allowed}, // VIDIOC_QUERYCAP: of a camera
		{shared, "ioctl", args{0, 0x5410}, allowed},     // TIOCSPGRP
		{shared, "ioctl", args{0, 0x540e}, allowed},     // TIOCSCTTY
		{shared, "ioctl", args{0, 0x5422}, allowed},     // TIOCNOTTY
		{shared, "ioctl", args{0, 0x5414}, allowed},     // TIOCSWINSZ
		{shared, "ioctl", args{0, 0x5402}, allowed},     // TCSETS
		{Policy{SharedTTY: true, Allow: []string{"ioctl"}}, "ioctl", args{0, 0x540c}, failEPERM},
		{Policy{SharedTTY: true, Deny: []string{"ioctl"}}, "ioctl", args{0, tiocgwinsz}, failEPERM},

		// Namespaces and mounts.
		{base, "clone", args{vforkFlags}, allowed},
		{base, "clone", args{threadFlags}, allowed},
		{base, "clone", args{threadFlags | top}, allowed}, // the kernel drops the upper half (kernel/fork.c)
		{base, "clone", args{newTime | 17}, allowed},      // for clone(2) the bit is part of the signal
		{base, "clone", args{newUser}, failEPERM},
		{base, "clone", args{newUser | 17 | top}, failEPERM},
		{base, "clone", args{newNet | 17}, failEPERM},
		{base, "clone", args{0x00020000}, failEPERM}, // CLONE_NEWNS
		{base, "clone", args{0x02000000}, failEPERM}, // CLONE_NEWCGROUP
		{base, "clone", args{0x04000000}, failEPERM}, // CLONE_NEWUTS
		{base, "clone", args{0x08000000}, failEPERM}, // CLONE_NEWIPC
		{base, "clone", args{0x20000000}, failEPERM}, // CLONE_NEWPID
		{base, "clone3", args{}, failENOSYS},
		{base, "unshare", args{newUser}, failEPERM},
		{base, "unshare setns", args{}, failEPERM},
		{base, "mount umount2 pivot_root chroot", args{}, failEPERM},
		{base, "open_tree move_mount fsopen fsconfig fsmount fspick mount_setattr sethostname", args{}, failEPERM},
		{nested, "clone", args{newUser | newNet | 17}, allowed},
		{nested, "clone3 unshare setns mount umount2 pivot_root chroot sethostname", args{}, allowed},
		{nested, "open_tree move_mount fsopen fsconfig fsmount fspick mount_setattr", args{}, allowed},
		{chroot, "chroot", args{}, allowed},
		{chroot, "pivot_root mount unshare", args{}, failEPERM},

		// Address families and personalities, as Docker has them.
		{base, "socket", args{1}, allowed},    // AF_UNIX
		{base, "socket", args{2}, allowed},    // AF_INET
		{base, "socket", args{10}, allowed},   // AF_INET6
		{base, "socket", args{16}, allowed},   // AF_NETLINK
		{base, "socket", args{38}, failEPERM}, // AF_ALG
		{base, "socket", args{40}, failEPERM}, // AF_VSOCK
		{base, "socket", args{40 | top}, failEPERM},
		{base, "socket", args{1 | high}, failEPERM},
		{base, "socket", args{46}, failEPERM}, // none yet
		{base, "socketpair", args{40}, allowed},
		{Policy{Allow: []string{"socket"}}, "socket", args{40}, allowed},
		{Policy{Deny: []string{"socket"}}, "socket", args{1}, failEPERM},
		{base, "personality", args{0}, allowed},
		{base, "personality", args{0xffffffff}, allowed},
		{base, "personality", args{0x20008}, allowed},
		{base, "personality", args{0x0040000}, failEPERM}, // ADDR_NO_RANDOMIZE
		{base, "personality", args{high}, failEPERM},

		// Calls newer than Docker's profile.
		{base, "open_tree_attr file_getattr file_setattr listns", args{}, failENOSYS},
		{Policy{Allow: []string{"file_getattr"}}, "file_getattr", args{}, allowed},

		// Allow and Deny.
		{Policy{Allow: []string{"bpf", "keyctl"}}, "bpf keyctl", args{}, allowed},
		{Policy{Allow: []string{"clone"}}, "clone", args{newUser}, allowed},
		{Policy{Deny: []string{"ptrace", "openat", "read"}}, "ptrace openat read", args{}, failEPERM},
		{Policy{Deny: []string{"ptrace"}, Allow: []string{"ptrace"}}, "ptrace", args{}, failEPERM},
		{Policy{Deny: []string{"mount"}, Nesting: true}, "mount", args{}, failEPERM},
		{Policy{Deny: []string{"chroot"}, Chroot: true}, "chroot", args{}, failEPERM},
		{Policy{Deny: []string{"clone"}}, "clone", args{}, failEPERM},
		{Policy{Deny: []string{"keyctl", "file_getattr"}}, "keyctl file_getattr", args{}, failEPERM},
		{Policy{Deny: []string{"clone3"}, Nesting: true}, "clone3", args{}, failENOSYS},
		{Policy{Deny: []string{"umount", "mmap2"}, Allow: []string{"stat64"}}, "read", args{}, allowed},
	}
	for _, m := range machines {
		for _, row := range rows {
			s := newSimulator(t, compile(t, row.policy, m))
			for name := range strings.FieldsSeq(row.calls) {
				n := number(t, m, name)
				if n == none {
					continue
				}
				if got := s.run(m.audit, uint32(n), row.args); got != row.want {
					t.Errorf("%s: %+v: %s%#x is %s, want %s", m.name, row.policy, name, row.args, returnName(got), returnName(row.want))
				}
			}
		}
	}
}

// TestForeign is about calls that are not of the architecture, and numbers that are not of any call.
func TestForeign(t *testing.T) {
	const i386, arm, riscv64 = 0x40000003, 0x40000028, 0xc00000f3
	everything := Policy{Nesting: true, Chroot: true}
	for _, c := range calls {
		everything.Allow = append(everything.Allow, c.name)
	}
	for _, m := range machines {
		for _, p := range []Policy{{}, everything} {
			s := newSimulator(t, compile(t, p, m))
			others := []uint32{0, i386, arm, riscv64, ^uint32(0)}
			for _, o := range machines {
				if o != m {
					others = append(others, o.audit)
				}
			}
			for _, arch := range others {
				for nr := range uint32(500) {
					if got := s.run(arch, nr, args{}); got != retKill {
						t.Fatalf("%s: call %d of architecture %#x is %s", m.name, nr, arch, returnName(got))
					}
				}
			}
			const x32 = 0x40000000
			for nr := range uint32(600) {
				if got := s.run(m.audit, x32|nr, args{}); got != failENOSYS {
					t.Fatalf("%s: x32 call %d is %s", m.name, nr, returnName(got))
				}
			}
			for _, nr := range []uint32{highest + 1, 512, 547, 1000, x32 - 1, 1 << 31, ^uint32(0)} {
				if got := s.run(m.audit, nr, args{}); got != failENOSYS {
					t.Errorf("%s: unknown call %d is %s", m.name, nr, returnName(got))
				}
			}
		}
	}
}

func TestErrors(t *testing.T) {
	rows := []struct {
		policy Policy
		arch   string
		want   string
	}{
		{Policy{Allow: []string{"opennat"}}, "amd64", `cannot allow the system call "opennat": there is none of that name; did you mean "openat"?`},
		{Policy{Deny: []string{"read", "SYS_ptrace"}}, "arm64", `cannot deny the system call "SYS_ptrace": there is none of that name; did you mean "ptrace"?`},
		{Policy{Deny: []string{"frobnicate"}}, "arm64", `cannot deny the system call "frobnicate": there is none of that name; see syscalls(2)`},
		{Policy{Deny: []string{""}}, "amd64", `cannot deny the system call "": there is none of that name; see syscalls(2)`},
		{Policy{}, "riscv64", `cannot compile a system call filter for "riscv64": only amd64 and arm64 are known`},
	}
	for _, row := range rows {
		prog, err := row.policy.Compile(row.arch)
		if prog != nil || err == nil || err.Error() != row.want {
			t.Errorf("%+v on %s: %d instructions and %v, want %s", row.policy, row.arch, len(prog), err, row.want)
		}
	}
}

// TestPolicyIsNotChanged: one Policy may be compiled many times.
func TestPolicyIsNotChanged(t *testing.T) {
	p := Policy{Allow: []string{"bpf"}, Deny: []string{"read"}, Nesting: true}
	first := compile(t, p, machines[0])
	if !slices.Equal(first, compile(t, p, machines[0])) {
		t.Error("the second program differs from the first")
	}
	if prog := compile(t, Policy{}, machines[0]); slices.Equal(first, prog) {
		t.Error("the zero Policy compiles to the program of another")
	}
}
