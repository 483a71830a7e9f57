package testenv

import (
	"errors"
	"testing"
)

func TestNeed(t *testing.T) {
	t.Setenv("COVE_REQUIRE", "fuse,subids")
	if !Required("subids") || Required("sub") || Required("") {
		t.Error("COVE_REQUIRE is a list of words")
	}
	Need(t, "subids", nil)
	gone := errors.New("gone")
	if !t.Run("skips", func(t *testing.T) {
		t.Cleanup(func() {
			if !t.Skipped() {
				t.Error("a missing need did not skip")
			}
		})
		Need(t, "vim", gone)
		t.Error("the test went on")
	}) {
		t.Error("a skip is a failure")
	}
	t.Setenv("COVE_REQUIRE", "all")
	if !Required("vim") {
		t.Error("all is all")
	}
}
