package seccomp

// An Instruction is one instruction of classic BPF, laid out as struct sock_filter (linux/filter.h).
type Instruction struct {
	Code   uint16
	JT, JF uint8 // how many instructions to skip where a comparison holds, and where not
	K      uint32
}

// The instructions that filters here are made of. seccomp takes few more (seccomp_check_filter in
// kernel/seccomp.c), and loads only whole words.
const (
	opLoad = 0x20 // BPF_LD|BPF_W|BPF_ABS: the word at offset K of struct seccomp_data
	opAnd  = 0x54 // BPF_ALU|BPF_AND|BPF_K
	opJump = 0x05 // BPF_JMP|BPF_JA: K instructions on
	opJEQ  = 0x15 // BPF_JMP|BPF_JEQ|BPF_K
	opJGT  = 0x25 // BPF_JMP|BPF_JGT|BPF_K
	opJGE  = 0x35 // BPF_JMP|BPF_JGE|BPF_K
	opRet  = 0x06 // BPF_RET|BPF_K
)

// Offsets in struct seccomp_data (linux/seccomp.h), in the machine's own byte order.
const (
	offsetNumber = 0
	offsetArch   = 4
	offsetArgs   = 16 // six of 8 bytes, the low half first
)

// What a filter returns.
const (
	retKill  = 0x80000000 // SECCOMP_RET_KILL_PROCESS
	retErrno = 0x00050000 // SECCOMP_RET_ERRNO, and the errno in the low 16 bits
	retAllow = 0x7fff0000 // SECCOMP_RET_ALLOW

	eperm  = 1
	enosys = 38
)

func lowWord(arg uint8) uint32  { return offsetArgs + 8*uint32(arg) }
func highWord(arg uint8) uint32 { return lowWord(arg) + 4 }
