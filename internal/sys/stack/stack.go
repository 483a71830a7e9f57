// Package stack makes a goroutine's stack large at once.
//
// Go starts main with 8 KiB and doubles that whenever it is too little. On the way to the 64 KiB that a plan takes, that
// is three copies and twenty fresh pages more than are needed.
package stack

// Grow makes room for 32 KiB more than is in use. It takes a frame of that size and does nothing.
func Grow()
