package seccomp

import "slices"

// assemble makes the program: the ruling about each number by index, and missing for all that are higher. Those
// take in the calls of x32, which come with amd64's own architecture and bit 30 of the number set.
func assemble(audit uint32, rulings []ruling) []Instruction {
	var a assembler
	a.code = make([]Instruction, 0, 512)
	search := spans(rulings)
	for _, s := range search {
		a.leaf(s.ruling) // all behind the search, which then is in one piece
	}
	a.tree(search)
	own := a.load(offsetNumber)
	foreign := a.emit(Instruction{Code: opRet, K: retKill})
	a.branch(opJEQ, audit, own, foreign)
	a.load(offsetArch)
	slices.Reverse(a.code)
	return a.code
}

// A span is a run of numbers with one ruling, up to the next span.
type span struct {
	first  uint32
	ruling ruling
}

func spans(rulings []ruling) []span {
	s := make([]span, 0, len(rulings)+1)
	for i, r := range rulings {
		if i == 0 || r != rulings[i-1] {
			s = append(s, span{uint32(i), r})
		}
	}
	if s[len(s)-1].ruling != missing {
		s = append(s, span{uint32(len(rulings)), missing})
	}
	return s
}

// An assembler writes a program from its end to its start. BPF only jumps forward, so whatever a jump leads to has
// been written before it, and how far it is is known.
type assembler struct {
	code  []Instruction      // the last one first
	leafs [rulingCount]label // where a ruling was last written; 0 is nowhere
}

// A label is the place of an instruction, counted from the end of the program, where the last one is 1.
type label int

// emit puts an instruction in front of the program. One that is no jump runs on into what was emitted before it.
func (a *assembler) emit(i Instruction) label {
	a.code = append(a.code, i)
	return label(len(a.code))
}

func (a *assembler) load(offset uint32) label { return a.emit(Instruction{Code: opLoad, K: offset}) }

// tree emits a binary search for the number that is loaded.
func (a *assembler) tree(s []span) label {
	if len(s) == 1 {
		return a.leaf(s[0].ruling)
	}
	middle := len(s) / 2
	upper, lower := a.tree(s[middle:]), a.tree(s[:middle])
	return a.branch(opJGE, s[middle].first, upper, lower)
}

// leaf emits what carries a ruling out, or finds it where it was emitted before. A return that has come to be far
// away is emitted again, which is as long as the jump to it.
func (a *assembler) leaf(r ruling) label {
	l := a.leafs[r]
	switch {
	case l != 0 && (r >= unlessInjecting || a.within(l, 200)):
		return l
	case r == missing:
		l = a.emit(Instruction{Code: opRet, K: retErrno | enosys})
	case r == refuse:
		l = a.emit(Instruction{Code: opRet, K: retErrno | eperm})
	case r == allow:
		l = a.emit(Instruction{Code: opRet, K: retAllow})
	default:
		l = a.condition(conditions[r])
	}
	a.leafs[r] = l
	return l
}

// branch emits a comparison with k. It skips at most 255 instructions, so a far target gets a jump beside it.
func (a *assembler) branch(code uint16, k uint32, yes, no label) label {
	if !a.within(yes, 254) { // one less, as the other jump may come between
		yes = a.jump(yes)
	}
	if !a.within(no, 255) {
		no = a.jump(no)
	}
	return a.emit(Instruction{code, uint8(a.distance(yes)), uint8(a.distance(no)), k})
}

func (a *assembler) jump(to label) label {
	return a.emit(Instruction{Code: opJump, K: uint32(a.distance(to))})
}

// distance is how many instructions lie between the next one to be emitted and l.
func (a *assembler) distance(l label) int { return len(a.code) - int(l) }

func (a *assembler) within(l label, most int) bool { return a.distance(l) <= most }
