package seccomp

import (
	"encoding/binary"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
)

// newestInDocker is removexattrat, the highest number that Docker's profile names, on every architecture.
const newestInDocker = 466

// differences are all that is intended between Docker's filter and the base.
var differences = []struct {
	why          string
	where        func(name string, nr uint32, args [6]uint64) bool // name is "" where no call has the number
	docker, cove uint32
}{
	{
		"a number that no call has, or one newer than the profile: EPERM would keep a C library from falling back",
		func(name string, nr uint32, _ [6]uint64) bool { return name == "" || nr > newestInDocker },
		failEPERM, failENOSYS,
	},
	{
		"keyrings: ENOSYS, as from a kernel without them, has callers do without",
		func(name string, _ uint32, _ [6]uint64) bool {
			return name == "add_key" || name == "keyctl" || name == "request_key"
		},
		failEPERM, failENOSYS,
	},
	{
		"TIOCSTI and TIOCLINUX: Docker's containers have a terminal of their own",
		func(name string, _ uint32, args [6]uint64) bool {
			return name == "ioctl" && (uint32(args[1]) == tiocsti || uint32(args[1]) == tioclinux)
		},
		retAllow, failEPERM,
	},
	{
		"TIOCSETD: line disciplines that are drivers of the kernel",
		func(name string, _ uint32, args [6]uint64) bool { return name == "ioctl" && uint32(args[1]) == 0x5423 },
		retAllow, failEPERM,
	},
}

// TestReference compares the base with what libseccomp makes of Docker's profile (testdata/README.md).
func TestReference(t *testing.T) {
	samples := sampleArgs()
	for _, m := range machines {
		docker := newSimulator(t, readProgram(t, "docker-"+m.name+".bpf"))
		cove := newSimulator(t, compile(t, Policy{}, m))
		names := namesFor(compile(t, Policy{}, m))
		met := make([]int, len(differences))
		for nr := range uint32(601) {
			for _, a := range samples {
				d, c := docker.run(m.audit, nr, a), cove.run(m.audit, nr, a)
				want, why := d, "as Docker"
				for i, diff := range differences {
					if diff.where(names[nr], nr, a) {
						met[i]++
						want, why = diff.cove, diff.why
						if d != diff.docker {
							t.Errorf("%s: %s(%#x): Docker's is %s, which is not the difference: %s", m.name, names[nr], a, returnName(d), why)
						}
					}
				}
				if c != want {
					t.Errorf("%s: %d %s(%#x): %s, Docker's %s; want %s, %s", m.name, nr, names[nr], a, returnName(c), returnName(d), returnName(want), why)
				}
			}
			if t.Failed() {
				t.FailNow() // one call is enough to read about
			}
		}
		for i, n := range met {
			if n == 0 {
				t.Errorf("%s: this difference was never met: %s", m.name, differences[i].why)
			}
		}

		// A foreign architecture dies with libseccomp too, but only its thread does.
		if got := docker.run(^m.audit, 0, args{}); got != 0 {
			t.Errorf("%s: Docker's filter for a foreign architecture is %s", m.name, returnName(got))
		}
	}
}

// sampleArgs are arguments near everything that either filter compares with, in all six places at once: so it does
// not matter which one it looks at.
func sampleArgs() [][6]uint64 {
	var values []uint64
	for _, c := range conditions {
		for _, k := range c.checks {
			for _, v := range []uint64{k.value - 1, k.value, k.value + 1, k.mask} {
				values = append(values, v, v|high)
			}
		}
	}
	for bit := range 64 {
		values = append(values, 1<<bit)
	}
	values = append(values, tiocsti|top, tioclinux|top, ^uint64(0), 0xffffffff, 0xffffffff<<32)
	seen := map[uint64]bool{}
	var samples [][6]uint64
	for _, v := range values {
		if !seen[v] {
			seen[v] = true
			samples = append(samples, [6]uint64{v, v, v, v, v, v})
		}
	}
	random := rand.New(rand.NewPCG(3, 4))
	for range 20 {
		var a [6]uint64
		for i := range a {
			a[i] = random.Uint64() >> random.IntN(64)
		}
		samples = append(samples, a)
	}
	return samples
}

func readProgram(t testing.TB, name string) []Instruction {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	var prog []Instruction
	for ; len(raw) >= 8; raw = raw[8:] {
		prog = append(prog, Instruction{binary.LittleEndian.Uint16(raw), raw[2], raw[3], binary.LittleEndian.Uint32(raw[4:])})
	}
	if len(raw) != 0 || len(prog) == 0 {
		t.Fatalf("%s is no BPF program", name)
	}
	return prog
}
