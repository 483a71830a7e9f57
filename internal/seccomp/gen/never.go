package main

// A refusal is a system call that the base filter refuses whatever Docker's profile says today or tomorrow.
type refusal struct{ name, ruling, why string }

// never lists what a sandbox has no use for. The errno is the one that the call gives where an administrator or
// a kernel configuration has switched it off, for which its callers are prepared.
var never = []refusal{
	// keyrings(7): the session keyring is inherited from the caller, with the keys in it, and belongs to no
	// namespace that cove makes. ENOSYS is what a kernel without CONFIG_KEYS says.
	{"add_key", "missing", "the caller's session keyring comes along"},
	{"keyctl", "missing", "the caller's session keyring comes along"},
	{"request_key", "missing", "the caller's session keyring comes along"},

	// io_uring(7): its operations are not system calls, so no filter sees them. EPERM as with
	// kernel.io_uring_disabled=2.
	{"io_uring_enter", "refuse", "its operations pass by every filter"},
	{"io_uring_register", "refuse", "its operations pass by every filter"},
	{"io_uring_setup", "refuse", "its operations pass by every filter"},

	// EPERM as with kernel.unprivileged_bpf_disabled, kernel.perf_event_paranoid=3 (a patch of Debian's,
	// EACCES there) and vm.unprivileged_userfaultfd=0. Each has been a way into the kernel more than once;
	// userfaultfd also holds a race open as long as an exploit likes.
	{"bpf", "refuse", "runs code in the kernel"},
	{"perf_event_open", "refuse", "measures other programs and the kernel"},
	{"userfaultfd", "refuse", "stops the kernel in the middle of a copy"},
}
