#include "textflag.h"

// func getrlimit(resource uintptr, l *Limit)
TEXT ·getrlimit(SB), NOSPLIT, $0-16
	MOVD $261, R8 // prlimit64(0, resource, NULL, l)
	MOVD $0, R0
	MOVD resource+0(FP), R1
	MOVD $0, R2
	MOVD l+8(FP), R3
	SVC
	RET
