#include "textflag.h"

// func vfork() (pid, errno uintptr)
TEXT ·vfork(SB), NOSPLIT, $0-16
	MOVD $220, R8 // clone(CLONE_VFORK|CLONE_VM|SIGCHLD, 0, 0, 0, 0)
	MOVD $0x4111, R0
	MOVD $0, R1
	MOVD $0, R2
	MOVD $0, R3
	MOVD $0, R4
	SVC  // the way back is in LR, a register
	CMN  $4095, R0
	BCC  good
	MOVD $-1, R4
	MOVD R4, pid+0(FP)
	NEG  R0, R0
	MOVD R0, errno+8(FP)
	RET

good:
	MOVD R0, pid+0(FP)
	MOVD ZR, errno+8(FP)
	RET
