package seccomp

import (
	"fmt"
	"strings"
	"syscall"
)

// Dump shows a program one instruction a line, as
//
//	2  kill
//	3  load number
//	4  if >= 211 (lookup_dcookie) 5 else 90
//
// with the lines that a comparison leads to, and the names of the system calls whose numbers it compares.
func Dump(prog []Instruction) string {
	var b strings.Builder
	names := namesFor(prog)
	word := uint32(0) // the offset of what is loaded, in the order of the text
	for i, in := range prog {
		fmt.Fprintf(&b, "%4d  ", i)
		switch in.Code {
		case opLoad:
			word = in.K
			fmt.Fprintf(&b, "load %s", wordName(word))
		case opAnd:
			fmt.Fprintf(&b, "and %#x", in.K)
		case opJump:
			fmt.Fprintf(&b, "goto %d", i+1+int(in.K))
		case opJEQ, opJGT, opJGE:
			k := fmt.Sprintf("%#x", in.K)
			if word == offsetNumber {
				k = fmt.Sprint(in.K)
				if name := names[in.K]; name != "" {
					k += " (" + name + ")"
				}
			}
			fmt.Fprintf(&b, "if %s %s %d else %d", relation(in.Code), k, i+1+int(in.JT), i+1+int(in.JF))
		case opRet:
			b.WriteString(returnName(in.K))
		default:
			fmt.Fprintf(&b, "code %#x jt %d jf %d k %#x", in.Code, in.JT, in.JF, in.K)
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// namesFor are the names of system calls by number, on the architecture that prog begins by asking for.
func namesFor(prog []Instruction) map[uint32]string {
	names := map[uint32]string{}
	for _, m := range machines {
		if len(prog) < 2 || prog[0] != (Instruction{Code: opLoad, K: offsetArch}) || prog[1].K != m.audit {
			continue
		}
		for _, c := range calls {
			if n := c.number[m.column]; n != none {
				names[uint32(n)] = c.name
			}
		}
	}
	return names
}

func relation(code uint16) string {
	switch code {
	case opJEQ:
		return "=="
	case opJGT:
		return ">"
	}
	return ">="
}

func wordName(offset uint32) string {
	switch {
	case offset == offsetNumber:
		return "number"
	case offset == offsetArch:
		return "architecture"
	case offset < offsetArgs:
		return fmt.Sprintf("word at %d", offset)
	case (offset-offsetArgs)%8 == 0:
		return fmt.Sprintf("argument %d, low half", (offset-offsetArgs)/8)
	}
	return fmt.Sprintf("argument %d, high half", (offset-offsetArgs)/8)
}

func returnName(k uint32) string {
	switch k & 0xffff0000 {
	case retKill:
		return "kill"
	case retAllow:
		return "allow"
	case retErrno:
		return "fail: " + syscall.Errno(k&0xffff).Error()
	}
	return fmt.Sprintf("return %#x", k)
}
