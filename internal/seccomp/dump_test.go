package seccomp

import (
	"strings"
	"testing"
)

func TestDump(t *testing.T) {
	prog := []Instruction{
		{opLoad, 0, 0, offsetArch},
		{opJEQ, 1, 0, machines[0].audit},
		{opRet, 0, 0, retKill},
		{opLoad, 0, 0, offsetNumber},
		{opJGE, 0, 6, 16},
		{opJGT, 5, 0, 300},
		{opLoad, 0, 0, highWord(1)},
		{opAnd, 0, 0, 0xff},
		{opLoad, 0, 0, lowWord(5)},
		{opJEQ, 1, 2, 0x5412},
		{opJump, 0, 0, 1},
		{opRet, 0, 0, failEPERM},
		{opRet, 0, 0, retAllow},
		{opLoad, 0, 0, 8},
		{0x87, 1, 2, 3},
		{opRet, 0, 0, 0x7ffc0000},
	}
	want := `
   0  load architecture
   1  if == 0xc000003e 3 else 2
   2  kill
   3  load number
   4  if >= 16 (ioctl) 5 else 11
   5  if > 300 (fanotify_init) 11 else 6
   6  load argument 1, high half
   7  and 0xff
   8  load argument 5, low half
   9  if == 0x5412 11 else 12
  10  goto 12
  11  fail: operation not permitted
  12  allow
  13  load word at 8
  14  code 0x87 jt 1 jf 2 k 0x3
  15  return 0x7ffc0000
`
	if got := Dump(prog); got != want[1:] {
		t.Errorf("got\n%s\nwant%s", got, want)
	}
	if got := Dump(nil); got != "" {
		t.Errorf("the empty program is %q", got)
	}
}

// TestDumpNames: what is in a real program is shown by name, per architecture.
func TestDumpNames(t *testing.T) {
	for _, m := range machines {
		got := Dump(compile(t, Policy{}, m))
		for _, want := range []string{"load argument 1, low half\n", "0x5412", "fail: function not implemented\n", "(ioctl)"} {
			if !strings.Contains(got, want) {
				t.Errorf("%s: no %q in\n%s", m.name, want, got)
			}
		}
		if strings.Contains(got, "code 0x") {
			t.Errorf("%s: an instruction without a name in\n%s", m.name, got)
		}
	}
}
