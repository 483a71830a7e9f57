#include "textflag.h"

// func code() (handler, restorer uintptr)
TEXT ·code(SB), NOSPLIT, $0-16
	LEAQ handler<>(SB), AX
	MOVQ AX, handler+0(FP)
	LEAQ restorer<>(SB), AX
	MOVQ AX, restorer+8(FP)
	RET

// handler is called by the kernel, as C would be, with the signal in DI and our stack in SP. What it changes in the
// registers is put back by rt_sigreturn(2).
TEXT handler<>(SB), NOSPLIT|NOFRAME, $0
	SUBQ $24, SP
	MOVL DI, (SP)
	MOVL $1, AX // write(pipe, &sig, 4); where it fails the signal is lost, and there is nobody to tell
	MOVLQSX ·pipe(SB), DI
	MOVQ SP, SI
	MOVL $4, DX
	SYSCALL
	ADDQ $24, SP
	RET // to restorer

TEXT restorer<>(SB), NOSPLIT|NOFRAME, $0
	MOVL $15, AX // rt_sigreturn()
	SYSCALL
	INT $3 // not reached
