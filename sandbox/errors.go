package sandbox

// A SpecError says that the wish makes no sense: two settings contradict each other, or a path that was
// asked for cannot be had. From says where it was written.
type SpecError struct {
	From Origin
	Msg  string // "cannot …"
	Hint string // what to try; may be empty
}

func (e *SpecError) Error() string { return e.From.String() + ": " + e.Msg }

// An UnsupportedError says that this machine cannot do what was asked.
type UnsupportedError struct {
	Msg  string // "cannot …"
	Hint string // what is missing and the line that mends it
}

func (e *UnsupportedError) Error() string { return e.Msg }

// A LackError is an UnsupportedError for something that Diagnose knows about.
type LackError struct{ UnsupportedError }

func (e *LackError) Unwrap() error { return &e.UnsupportedError }

func lack(msg, hint string) error { return &LackError{UnsupportedError{msg, hint}} }

// An UnseenError says that the directory that cove was started in cannot be seen inside, where the program would start
// in it, and that nothing says where to start instead.
type UnseenError struct {
	Dir    string
	Hidden bool // by a mask
	Empty  bool // inside there is another of that name, empty: /tmp
}

func (e *UnseenError) Error() string {
	why := "it cannot be seen inside"
	switch {
	case e.Hidden:
		why = "it is hidden inside"
	case e.Empty:
		why = "inside there is another, which is empty"
	}
	return "cannot start in " + e.Dir + ": " + why
}
