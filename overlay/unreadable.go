package overlay

import (
	"fmt"
	"strconv"
	"strings"
)

// maxUnreadable is how many paths an UnreadableError keeps.
const maxUnreadable = 10

// An UnreadableError says that a comparison is incomplete: all else was compared and told. A program may leave files
// and directories that their owner may not read (mode 000). Who has CAP_DAC_OVERRIDE over them, as in a user namespace
// that maps the owner, can.
type UnreadableError struct {
	Paths []string // relative to the home; the first of them
	N     int      // how many there are
	Err   error    // why the first could not be read
}

func (e *UnreadableError) Error() string {
	quoted := make([]string, len(e.Paths))
	for i, p := range e.Paths {
		quoted[i] = strconv.Quote(p)
	}
	more := ""
	if n := e.N - len(e.Paths); n > 0 {
		more = fmt.Sprintf(" and %d more", n)
	}
	return fmt.Sprintf("cannot read all that may have changed: %s%s: %v", strings.Join(quoted, ", "), more, e.Err)
}

func (e *UnreadableError) Unwrap() error { return e.Err }

func (e *UnreadableError) add(path string, err error) {
	if e.N == 0 {
		e.Err = err
	}
	if e.N++; len(e.Paths) < maxUnreadable {
		e.Paths = append(e.Paths, path)
	}
}
