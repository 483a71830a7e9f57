// Package escape makes text that others wrote fit for a terminal: names of files, of boxes, of variables.
//
//	fmt.Fprintln(os.Stderr, "cove: removed", escape.Name(path))
//
// A program in a sandbox chooses the names of the files that it leaves. An escape sequence in one could retitle,
// recolour or answer for the terminal that cove diff prints it on; a bidirectional control could make exe.txt out
// of txt.exe; a newline could make a second line that cove never wrote.
//
// Limits: letters that look alike (Cyrillic а) are letters and stay.
package escape

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// Name escapes a name so that no two names look alike: what cannot be printed, bytes that are not UTF-8, and
// backslashes.
func Name(s string) string { return escape(s, true) }

// Text escapes a sentence that may hold names which were quoted already: as Name, but a backslash stays.
func Text(s string) string { return escape(s, false) }

// Word escapes a word of a command line, quoted for a shell where a shell would see more than one plain word. The
// result can be pasted: $'…' is understood by bash, zsh, ksh and POSIX.1-2024.
func Word(s string) string {
	if s == "" {
		return "''"
	}
	escaped := escape(s, false)
	switch {
	case escaped != s:
		return "$'" + strings.ReplaceAll(escape(s, true), "'", `\'`) + "'"
	case strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_@%+=:,./-") == "":
		return s
	case !plain(s):
		return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
	}
	return s
}

// plain tells whether a shell would read s as one word that means itself. Letters of other scripts do.
func plain(s string) bool { return !strings.ContainsAny(s, " !\"#$&'()*;<>?[\\]^`{|}~") }

func escape(s string, backslash bool) string {
	clean := true
	for _, r := range s {
		if r == utf8.RuneError || r == '\\' && backslash || !strconv.IsPrint(r) {
			clean = false
			break
		}
	}
	if clean {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			b.WriteString(`\x` + strconv.FormatUint(uint64(s[i])|0x100, 16)[1:])
		case r == '\\' && backslash:
			b.WriteString(`\\`)
		case strconv.IsPrint(r): // not so: control characters, U+061C, U+200E, U+202A to U+202E, U+2066 to U+2069
			b.WriteRune(r)
		default:
			q := strconv.QuoteRuneToASCII(r)
			b.WriteString(q[1 : len(q)-1])
		}
		i += size
	}
	return b.String()
}
