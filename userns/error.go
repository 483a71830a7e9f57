package userns

// An Error says what cannot be done and why, and what to try. Error shows both; who has a line of its own for
// hints takes them apart.
type Error struct {
	Msg  string // "cannot …"
	Hint string // may be empty
}

func (e *Error) Error() string {
	if e.Hint == "" {
		return e.Msg
	}
	return e.Msg + "; " + e.Hint
}
