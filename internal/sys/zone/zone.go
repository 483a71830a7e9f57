// Package zone keeps time zones from being read before main starts. Package toml asks for the local one when it is
// initialised, to read dates that cove's files do not have: 0.1 ms for each start.
//
//	time.Local = zone.Local // first thing in main
//
// It works because, among the packages whose imports are ready, Go initialises the one with the smallest import path first
// (The Go Programming Language Specification, "Program initialization"): "cove/…" sorts before "github.com/…". It must
// import nothing but time.
package zone

import "time"

// Local is the zone that time.Local was, and shall be.
var Local = func() *time.Location {
	l := time.Local
	time.Local = time.UTC
	return l
}()
