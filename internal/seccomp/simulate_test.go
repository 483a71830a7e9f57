package seccomp

import (
	"encoding/binary"
	"fmt"
	"testing"

	"golang.org/x/net/bpf"
)

// A simulator runs a program as the kernel would, on golang.org/x/net/bpf's virtual machine, which shares no code
// with the assembler.
type simulator struct{ vm *bpf.VM }

func newSimulator(t testing.TB, prog []Instruction) simulator {
	t.Helper()
	raw := make([]bpf.RawInstruction, len(prog))
	for i, in := range prog {
		raw[i] = bpf.RawInstruction{Op: in.Code, Jt: in.JT, Jf: in.JF, K: in.K}
	}
	decoded, ok := bpf.Disassemble(raw)
	if !ok {
		t.Fatalf("instructions unknown to x/net/bpf in\n%s", Dump(prog))
	}
	vm, err := bpf.NewVM(decoded)
	if err != nil {
		t.Fatalf("%v in\n%s", err, Dump(prog))
	}
	return simulator{vm}
}

// run is what the filter returns for a call. The virtual machine loads words in network order, seccomp in the
// machine's: so the words are laid out as a little-endian machine has them, the low half of an argument first,
// and each is written big-endian.
func (s simulator) run(arch, nr uint32, args [6]uint64) uint32 {
	words := [16]uint32{nr, arch} // and the instruction pointer, which no filter here reads
	for i, a := range args {
		words[4+2*i], words[5+2*i] = uint32(a), uint32(a>>32)
	}
	var data [64]byte
	for i, w := range words {
		binary.BigEndian.PutUint32(data[4*i:], w)
	}
	ret, err := s.vm.Run(data[:])
	if err != nil {
		panic(err)
	}
	return uint32(ret)
}

// validate finds what the kernel would refuse (bpf_check_classic in net/core/filter.c, seccomp_check_filter in
// kernel/seccomp.c), and code that cannot be reached.
func validate(prog []Instruction) error {
	if len(prog) == 0 || len(prog) > 4096 { // BPF_MAXINSNS
		return fmt.Errorf("%d instructions", len(prog))
	}
	reached := make([]bool, len(prog)+1)
	reached[0] = true
	for i, in := range prog {
		if !reached[i] {
			return fmt.Errorf("%d cannot be reached", i)
		}
		var next []int
		switch in.Code {
		case opLoad:
			if in.K%4 != 0 || in.K >= 64 {
				return fmt.Errorf("%d loads a word at %d", i, in.K)
			}
			next = []int{i + 1}
		case opAnd:
			next = []int{i + 1}
		case opJump:
			next = []int{i + 1 + int(in.K)}
		case opJEQ, opJGT, opJGE:
			next = []int{i + 1 + int(in.JT), i + 1 + int(in.JF)}
		case opRet:
		default:
			return fmt.Errorf("%d has code %#x", i, in.Code)
		}
		for _, n := range next {
			if n >= len(prog) {
				return fmt.Errorf("%d runs past the end", i)
			}
			reached[n] = true
		}
	}
	if prog[len(prog)-1].Code != opRet {
		return fmt.Errorf("it does not end in a return")
	}
	return nil
}

// comparisons is the longest way to a ruling from instruction i, counted in comparisons of the number.
func comparisons(prog []Instruction, i int) int {
	in := prog[i]
	switch in.Code {
	case opJGE:
		return 1 + max(comparisons(prog, i+1+int(in.JT)), comparisons(prog, i+1+int(in.JF)))
	case opJump:
		return comparisons(prog, i+1+int(in.K))
	}
	return 0 // a return, or the load of an argument: the number is known
}
