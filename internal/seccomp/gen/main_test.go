package main

import (
	"bytes"
	"os"
	"testing"
)

// TestTableIsCurrent fails where a module was updated without go generate.
func TestTableIsCurrent(t *testing.T) {
	want, err := Table()
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile("../table.go")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Error("table.go is not what gen writes; run go generate ./internal/seccomp and read the difference")
	}
}
