// Package sys holds what the kernel says in text files, and system calls that neither the standard library nor
// x/sys wraps. What decides anything belongs elsewhere.
//
//	mounts, err := sys.ParseMountinfo(text)
package sys
