package box

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestBegin(t *testing.T) {
	end := time.Unix(9, 0)
	for _, test := range []struct {
		name    string
		runs    []Run
		suspect bool // before
		want    bool
	}{
		{"the first run", nil, false, false},
		{"after one that ended", []Run{{End: &end, BootID: "old"}}, false, false},
		{"after one that was killed since the machine started", []Run{{BootID: "now"}}, false, false},
		{"after one that the machine cut short", []Run{{BootID: "old"}}, false, true},
		{"only the last one counts", []Run{{BootID: "older"}, {End: &end, BootID: "old"}}, false, false},
		{"it is not forgotten", []Run{{End: &end, BootID: "old"}}, true, true},
		{"a machine that does not say when it started", []Run{{BootID: ""}}, false, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			m := Meta{Runs: test.runs, Suspect: test.suspect}
			m.begin(Run{BootID: "now"})
			if m.Suspect != test.want {
				t.Errorf("suspect is %v", m.Suspect)
			}
			if len(m.Runs) != len(test.runs)+1 || m.Runs[len(m.Runs)-1].BootID != "now" {
				t.Errorf("runs are %+v", m.Runs)
			}
		})
	}
}

func TestBeginForgetsAllButTheFirst(t *testing.T) {
	var m Meta
	end := time.Unix(0, 0)
	for i := range 200 {
		m.begin(Run{T0: time.Unix(int64(i), 0), BootID: "boot", End: &end})
		if len(m.Runs) > 64 {
			t.Fatalf("%d runs", len(m.Runs))
		}
	}
	var at []string
	for _, r := range m.Runs {
		at = append(at, fmt.Sprint(r.T0.Unix()))
	}
	want := "0"
	for i := 137; i < 200; i++ {
		want += fmt.Sprintf(" %d", i)
	}
	if got := strings.Join(at, " "); got != want {
		t.Errorf("runs are %s", got)
	}
}
