package main

import (
	"strings"
	"testing"
)

func TestReport(t *testing.T) {
	const ran = `{"Action":"start","Package":"cove/a"}
{"Action":"run","Package":"cove/a","Test":"TestFine"}
{"Action":"output","Package":"cove/a","Test":"TestFine","Output":"=== RUN   TestFine\n"}
{"Action":"output","Package":"cove/a","Test":"TestFine","Output":"    a_test.go:3: in part: needs bwrap, which is missing here\n"}
{"Action":"output","Package":"cove/a","Test":"TestFine","Output":"--- PASS: TestFine (0.00s)\n"}
{"Action":"pass","Package":"cove/a","Test":"TestFine"}
{"Action":"output","Package":"cove/a","Test":"TestNot/x","Output":"    a_test.go:7: needs vim: gone\n"}
{"Action":"output","Package":"cove/a","Test":"TestNot/x","Output":"    --- SKIP: TestNot/x (0.00s)\n"}
{"Action":"skip","Package":"cove/a","Test":"TestNot/x"}
{"Action":"output","Package":"cove/a","Output":"PASS\n"}
{"Action":"output","Package":"cove/a","Output":"ok  \tcove/a\t0.1s\n"}
{"Action":"pass","Package":"cove/a"}
`
	const want = "ok  \tcove/a\t0.1s\n\tnot tested: TestFine in part: needs bwrap, which is missing here\n\tnot tested: TestNot/x: needs vim: gone\n"
	var out strings.Builder
	if ok := report(strings.NewReader(ran), &out); !ok || out.String() != want {
		t.Errorf("%v:\n%s", ok, &out)
	}
	const failed = `{"Action":"output","Package":"cove/b","Test":"TestWrong","Output":"=== RUN   TestWrong\n"}
{"Action":"output","Package":"cove/b","Test":"TestWrong","Output":"    b_test.go:3: wrong\n"}
{"Action":"output","Package":"cove/b","Test":"TestWrong","Output":"--- FAIL: TestWrong (0.00s)\n"}
{"Action":"fail","Package":"cove/b","Test":"TestWrong"}
{"Action":"output","Package":"cove/b","Test":"TestStuck","Output":"panic: test timed out\n"}
{"Action":"output","Package":"cove/b","Output":"FAIL\tcove/b\t0.1s\n"}
{"Action":"fail","Package":"cove/b"}
c.go:1:1: not JSON
{"Action":"pass","Package":"cove/d","Elapsed":0.5}
`
	out.Reset()
	const wantFailed = "    b_test.go:3: wrong\n--- FAIL: TestWrong (0.00s)\nFAIL\tcove/b\t0.1s\npanic: test timed out\nc.go:1:1: not JSON\nok  \tcove/d\t0.500s\n"
	if ok := report(strings.NewReader(failed), &out); ok || out.String() != wantFailed {
		t.Errorf("%v:\n%s", ok, &out)
	}
}
