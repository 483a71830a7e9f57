#include "textflag.h"

// func getrlimit(resource uintptr, l *Limit)
TEXT ·getrlimit(SB), NOSPLIT, $0-16
	MOVQ $302, AX // prlimit64(0, resource, NULL, l)
	MOVQ $0, DI
	MOVQ resource+0(FP), SI
	MOVQ $0, DX
	MOVQ l+8(FP), R10
	SYSCALL
	RET
