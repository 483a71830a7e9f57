package seccomp

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// program makes a program of one condition.
func program(c condition) []Instruction {
	var a assembler
	a.condition(c)
	slices.Reverse(a.code)
	return a.code
}

// holds is what a check means.
func (c check) holds(args [6]uint64) bool {
	v, w := args[c.arg], c.value
	if c.low {
		v, w = v&0xffffffff, w&0xffffffff
	}
	switch c.op {
	case equal:
		return v == w
	case notEqual:
		return v != w
	case less:
		return v < w
	case lessOrEqual:
		return v <= w
	case greater:
		return v > w
	case greaterOrEqual:
		return v >= w
	}
	mask := c.mask
	if c.low {
		mask &= 0xffffffff
	}
	return v&mask == w
}

// around are the values where comparisons of halves go wrong.
var around = []uint64{0, 1, 2, 0x7fffffff, 0x80000000, 0xfffffffe, 0xffffffff, 1 << 32, 1<<32 + 1, 1<<32 + 2, 2 << 32,
	2<<32 + 1, 0xffffffff << 32, 1 << 63, 1<<63 + 1, ^uint64(0) - 1, ^uint64(0)}

func TestOperators(t *testing.T) {
	for op := equal; op <= maskedEqual; op++ {
		for _, low := range []bool{false, true} {
			for _, value := range around {
				if low && value>>32 != 0 {
					continue // no such check makes sense
				}
				masks := []uint64{0}
				if op == maskedEqual {
					masks = around
				}
				for _, mask := range masks {
					c := check{arg: 3, op: op, low: low, value: value, mask: mask}
					prog := program(condition{[]check{c}, allow, refuse})
					s := newSimulator(t, prog)
					for _, v := range around {
						a := args{3: v}
						if got := s.run(0, 0, a) == allowed; got != c.holds(a) {
							t.Fatalf("%#x: %+v holds: %v\n%s", v, c, got, Dump(prog))
						}
					}
				}
			}
		}
	}
}

// TestNeighbours pairs equal checks in all ways, as those that are likewise share their loads.
func TestNeighbours(t *testing.T) {
	var checks []check
	for _, v := range around {
		checks = append(checks, check{arg: 1, op: equal, value: v}, check{arg: 2, op: equal, value: v})
		if v>>32 == 0 {
			checks = append(checks, check{arg: 1, op: equal, value: v, low: true})
		}
	}
	for _, first := range checks {
		for _, second := range checks {
			prog := program(condition{[]check{first, second}, allow, refuse})
			s := newSimulator(t, prog)
			for _, v := range around {
				for _, a := range []args{{1: v, 2: 12345}, {1: 12345, 2: v}} {
					want := first.holds(a) || second.holds(a)
					if got := s.run(0, 0, a) == allowed; got != want {
						t.Fatalf("%#x: %+v or %+v holds: %v\n%s", a, first, second, got, Dump(prog))
					}
				}
			}
		}
	}
}

// TestConditions makes conditions of many checks, some likewise, so long that jumps must be relayed.
func TestConditions(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	pick := func() uint64 { return around[random.IntN(len(around))] }
	relayed := false
	for n := 1; n < 60; n++ {
		c := condition{then: allow, otherwise: refuse}
		if n%2 == 1 {
			c.then, c.otherwise = refuse, missing
		}
		for i := range n {
			k := check{arg: uint8(random.IntN(6)), op: operator(random.IntN(7)), value: pick(), mask: pick()}
			if random.IntN(2) == 0 { // rarely holds, so that the later ones count
				k.op, k.value = equal, random.Uint64()>>random.IntN(64)
			}
			c.checks = append(c.checks, k)
			if i != n/2 {
				continue
			}
			for range n * 6 { // likewise, and in the end too many for one skip
				k.op, k.value = equal, k.value^uint64(random.IntN(100))
				c.checks = append(c.checks, k)
			}
		}
		prog := program(c)
		if err := validate(prog); err != nil {
			t.Fatalf("%v\n%s", err, Dump(prog))
		}
		relayed = relayed || slices.ContainsFunc(prog, func(i Instruction) bool { return i.Code == opJump })
		s := newSimulator(t, prog)
		for range 50 {
			a := args{pick(), pick(), pick(), pick(), pick(), pick()}
			if k := c.checks[random.IntN(len(c.checks))]; random.IntN(2) == 0 {
				a[k.arg] = k.value
			}
			want := c.otherwise
			if slices.ContainsFunc(c.checks, func(k check) bool { return k.holds(a) }) {
				want = c.then
			}
			got := map[uint32]ruling{allowed: allow, failEPERM: refuse, failENOSYS: missing}[s.run(0, 0, a)]
			if got != want {
				t.Fatalf("%#x: ruling %d, want %d by\n%+v\n%s", a, got, want, c, Dump(prog))
			}
		}
	}
	if !relayed {
		t.Error("no program was long enough to need a relay")
	}
}

// TestLongest rules on every number differently from its neighbours, for the largest program there can be.
func TestLongest(t *testing.T) {
	rulings := make([]ruling, highest+1)
	for shift := range ruling(rulingCount) {
		for n := range rulings {
			rulings[n] = (ruling(n) + shift) % rulingCount
		}
		prog := assemble(machines[0].audit, rulings)
		if err := validate(prog); err != nil {
			t.Fatalf("%v\n%s", err, Dump(prog))
		}
		if n := comparisons(prog, 4); n != 9 {
			t.Errorf("%d comparisons for as many rulings as numbers", n)
		}
		s := newSimulator(t, prog)
		plain := map[ruling]uint32{missing: failENOSYS, refuse: failEPERM, allow: allowed, unlessInjecting: allowed, unlessShared: allowed,
			unlessNamespaces: allowed, ifPersonality: allowed, ifDomain: allowed}
		for n, r := range rulings {
			if got := s.run(machines[0].audit, uint32(n), args{}); got != plain[r] {
				t.Fatalf("call %d is %s, want %s", n, returnName(got), returnName(plain[r]))
			}
		}
		if got := s.run(machines[0].audit, highest+1, args{}); got != failENOSYS {
			t.Fatalf("call %d is %s", highest+1, returnName(got))
		}
	}
}

// TestDepth holds what doc.go promises about the cost of a call.
func TestDepth(t *testing.T) {
	for _, m := range machines {
		for _, p := range []Policy{{}, {Nesting: true, Allow: []string{"bpf"}, Deny: []string{"ptrace", "memfd_create"}}} {
			prog := compile(t, p, m)
			if n := comparisons(prog, 4); n < 5 || n > 9 { // behind the check of the architecture
				t.Errorf("%s: %d comparisons\n%s", m.name, n, Dump(prog))
			}
		}
	}
}
