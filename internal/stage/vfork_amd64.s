#include "textflag.h"

// func vfork() (pid, errno uintptr)
TEXT ·vfork(SB), NOSPLIT|NOFRAME, $0-16
	MOVQ $56, AX // clone(CLONE_VFORK|CLONE_VM|SIGCHLD, 0, 0, 0, 0)
	MOVQ $0x4111, DI
	MOVQ $0, SI
	MOVQ $0, DX
	MOVQ $0, R10
	MOVQ $0, R8
	POPQ R12 // the way back, which the child will write over
	SYSCALL
	PUSHQ R12
	CMPQ AX, $0xfffffffffffff001
	JLS  good
	MOVQ $-1, pid+0(FP)
	NEGQ AX
	MOVQ AX, errno+8(FP)
	RET

good:
	MOVQ AX, pid+0(FP)
	MOVQ $0, errno+8(FP)
	RET
