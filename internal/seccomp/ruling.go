package seccomp

// A ruling is what the filter decides about one system call.
type ruling uint8

const (
	missing ruling = iota // ENOSYS, as from a kernel that never heard of it
	refuse                // EPERM
	allow

	// From here on the arguments decide: see conditions.
	unlessInjecting  // ioctl
	unlessShared     // ioctl, where the terminal is the caller's
	unlessNamespaces // clone
	ifPersonality    // personality
	ifDomain         // socket
	rulingCount
)

// A call is a system call with its number on each machine, and what the base says about it.
type call struct {
	name   string
	number at
	base   ruling
}

// at holds one number for each machine.
type at [2]int16

// none is the number of a call that a machine does not have.
const none = -1

// A condition decides by arguments: then where any of the checks holds, otherwise where none does.
type condition struct {
	checks          []check
	then, otherwise ruling
}

// conditions are indexed by ruling. Most checks are Docker's (table.go); they are slices there because slicing an
// array here would be work at the start of every cove.
var conditions = [rulingCount]condition{
	unlessInjecting: {
		// Both push characters into the input of a terminal, where the shell that started the sandbox reads
		// them as typed. The kernel takes an unsigned int and does not see the upper half of the register:
		// a filter that compares all of it is passed by any high bit (CVE-2019-10063; CVE-2023-28100 is
		// TIOCLINUX).
		//
		// TIOCSETD puts another line discipline on a terminal, which any of one's own will do for: drivers for modems
		// and radios that the kernel loads when they are asked for, and that have been ways into it (CVE-2017-2636 in
		// n_hdlc, CVE-2023-6546 in n_gsm).
		checks: []check{
			{arg: 1, op: equal, low: true, value: 0x5412}, // TIOCSTI
			{arg: 1, op: equal, low: true, value: 0x541c}, // TIOCLINUX
			{arg: 1, op: equal, low: true, value: 0x5423}, // TIOCSETD
		},
		then: refuse, otherwise: allow,
	},
	unlessShared: {
		// What outlasts the program, or reaches further than its own use of the terminal: that nobody else may open
		// it; where the console's output goes; and all of the virtual consoles' (fonts, keyboard modes, graphics mode,
		// switching), which they let everybody do whose terminal they are. What shells and editors need stays:
		// TIOCSPGRP, TIOCSCTTY (on terminals that they make), TIOCNOTTY, TIOCSWINSZ, TCSETS.
		checks: []check{
			{arg: 1, op: equal, low: true, value: 0x5412}, // as above
			{arg: 1, op: equal, low: true, value: 0x541c},
			{arg: 1, op: equal, low: true, value: 0x5423},
			{arg: 1, op: equal, low: true, value: 0x540c},                         // TIOCEXCL
			{arg: 1, op: equal, low: true, value: 0x540d},                         // TIOCNXCL
			{arg: 1, op: equal, low: true, value: 0x541d},                         // TIOCCONS
			{arg: 1, op: equal, low: true, value: 0x5437},                         // TIOCVHANGUP
			{arg: 1, op: maskedEqual, low: true, value: 0x4b00, mask: 0xffffff00}, // KD*, GIO_*, PIO_* (linux/kd.h)
			{arg: 1, op: maskedEqual, low: true, value: 0x5600, mask: 0xffffff00}, // VT_* (linux/vt.h)
		},
		then: refuse, otherwise: allow,
	},
	unlessNamespaces: {checks: cloneChecks, then: allow, otherwise: refuse},
	ifPersonality:    {checks: personalityChecks, then: allow, otherwise: refuse},
	ifDomain:         {checks: socketChecks, then: allow, otherwise: refuse},
}

// A machine is an architecture that filters are compiled for.
type machine struct {
	name   string // as GOARCH
	audit  uint32 // AUDIT_ARCH_*, linux/audit.h
	column int    // of at
}

// machines are little-endian and 64 bits wide; the assembler counts on it.
var machines = [...]machine{
	{"amd64", 0xc000003e, 0},
	{"arm64", 0xc00000b7, 1},
}

func machineNamed(arch string) (machine, bool) {
	for _, m := range machines {
		if m.name == arch {
			return m, true
		}
	}
	return machine{}, false
}
