#include "textflag.h"

// func code() (handler, restorer uintptr)
TEXT ·code(SB), NOSPLIT, $0-16
	MOVD $handler<>(SB), R0
	MOVD R0, handler+0(FP)
	MOVD $restorer<>(SB), R0
	MOVD R0, restorer+8(FP)
	RET

// handler is called by the kernel, as C would be, with the signal in R0 and our stack in RSP. What it changes in the
// registers is put back by rt_sigreturn(2), to which LR leads.
TEXT handler<>(SB), NOSPLIT|NOFRAME, $0
	SUB $16, RSP
	MOVW R0, (RSP)
	MOVD $64, R8 // write(pipe, &sig, 4); where it fails the signal is lost, and there is nobody to tell
	MOVW ·pipe(SB), R0
	MOVD RSP, R1
	MOVD $4, R2
	SVC
	ADD $16, RSP
	RET // to restorer

TEXT restorer<>(SB), NOSPLIT|NOFRAME, $0
	MOVD $139, R8 // rt_sigreturn()
	SVC
	BRK // not reached
