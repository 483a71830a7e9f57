package seccomp

// A check compares one argument of a system call, as an unsigned number.
type check struct {
	arg   uint8
	op    operator
	low   bool // compare only the low 32 bits: all that the kernel looks at
	value uint64
	mask  uint64 // with maskedEqual: the bits that count
}

// An operator says how an argument relates to the value. They are those of libseccomp.
type operator uint8

const (
	equal operator = iota
	notEqual
	less
	lessOrEqual
	greater
	greaterOrEqual
	maskedEqual
)

// condition emits the checks of c, to be run from the label that it returns. BPF compares words of 32 bits, so an
// argument is two loads, and its high half decides unless it is equal.
func (a *assembler) condition(c condition) label {
	next := a.leaf(c.otherwise)
	for end := len(c.checks); end > 0; {
		start := end - 1
		for start > 0 && c.checks[start].likewise(c.checks[start-1]) {
			start--
		}
		next = a.checks(c.checks[start:end], a.leaf(c.then), next)
		end = start
	}
	return next
}

// likewise tells whether c and d are two values for one load: equal comparisons that differ in the low half only.
func (c check) likewise(d check) bool {
	return c.op == equal && d.op == equal && c.arg == d.arg && c.low == d.low && c.value>>32 == d.value>>32
}

// checks emits one check, or several that are likewise: to yes where any holds, to no where none does.
func (a *assembler) checks(cs []check, yes, no label) label {
	c := cs[0]
	high, low := uint32(c.value>>32), uint32(c.value)
	switch c.op {
	case equal:
		next := no
		for i := len(cs) - 1; i >= 0; i-- {
			next = a.branch(opJEQ, uint32(cs[i].value), yes, next)
		}
		next = a.load(lowWord(c.arg))
		if c.low {
			return next
		}
		a.branch(opJEQ, high, next, no)
	case notEqual:
		c.op = equal
		return a.checks([]check{c}, no, yes)
	case less:
		c.op = greaterOrEqual
		return a.checks([]check{c}, no, yes)
	case lessOrEqual:
		c.op = greater
		return a.checks([]check{c}, no, yes)
	case greater, greaterOrEqual:
		op := uint16(opJGT)
		if c.op == greaterOrEqual {
			op = opJGE
		}
		a.branch(op, low, yes, no)
		next := a.load(lowWord(c.arg))
		if c.low {
			return next
		}
		next = a.branch(opJEQ, high, next, no)
		a.branch(opJGT, high, yes, next)
	case maskedEqual:
		a.branch(opJEQ, low, yes, no)
		a.emit(Instruction{Code: opAnd, K: uint32(c.mask)})
		next := a.load(lowWord(c.arg))
		if c.low || c.mask>>32 == 0 && high == 0 { // the high half is 0 whatever it was
			return next
		}
		a.branch(opJEQ, high, next, no)
		a.emit(Instruction{Code: opAnd, K: uint32(c.mask >> 32)})
	}
	return a.load(highWord(c.arg))
}
