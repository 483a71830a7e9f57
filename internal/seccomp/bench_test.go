package seccomp

import "testing"

// The zero Policy must take less than 50 µs, others less than 200.
func BenchmarkCompile(b *testing.B) {
	policies := map[string]Policy{
		"zero": {},
		"ten names": {
			Allow:   []string{"bpf", "perf_event_open", "keyctl", "userfaultfd", "io_uring_setup"},
			Deny:    []string{"ptrace", "process_vm_readv", "process_vm_writev", "memfd_create", "socketcall"},
			Nesting: true,
		},
	}
	for name, p := range policies {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := p.Compile("amd64"); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
