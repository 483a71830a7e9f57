package seccomp

// A ruling is what the filter decides about one system call.
type ruling uint8

const (
	missing ruling = iota // ENOSYS, as from a kernel that never heard of it
	refuse                // EPERM
	allow

	// From here on the arguments decide: see conditions.
	unlessInjecting  // ioctl
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
		checks: []check{
			{arg: 1, op: equal, low: true, value: 0x5412}, // TIOCSTI
			{arg: 1, op: equal, low: true, value: 0x541c}, // TIOCLINUX
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
