package profiles

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"cove/internal/spell"
)

// An Error is one thing that is wrong with a wish, and where.
type Error struct {
	File    string // a Layer's Name; "" where nothing was read
	Line    int    // 1-based; 0 where it is not known
	Col     int    // in characters, 1-based; 0 where it is not known
	Width   int    // in characters, at least 1 where Col is known
	Msg     string
	Hint    string // what to write instead; may be empty
	Excerpt string // the line and a caret below it, two lines of text without control characters; may be empty
}

// Error is the whole story in plain text: place and message, excerpt, hint.
func (e Error) Error() string {
	var b strings.Builder
	if e.File != "" {
		b.WriteString(e.File)
		if e.Line > 0 {
			fmt.Fprintf(&b, ":%d", e.Line)
		}
		if e.Col > 0 {
			fmt.Fprintf(&b, ":%d", e.Col)
		}
		b.WriteString(": ")
	}
	b.WriteString(e.Msg)
	if e.Excerpt != "" {
		b.WriteString("\n" + e.Excerpt)
	}
	if e.Hint != "" {
		b.WriteString("\n  " + e.Hint)
	}
	return b.String()
}

// Errors are all that is wrong with a file, in the order of its lines.
type Errors []Error

func (e Errors) Error() string {
	parts := make([]string, len(e))
	for i := range e {
		parts[i] = e[i].Error()
	}
	return strings.Join(parts, "\n")
}

// orNil avoids an error that holds no errors.
func (e Errors) orNil() error {
	if len(e) == 0 {
		return nil
	}
	return e
}

// lineOf is the 1-based number of the line in which the byte at off lies, and that line.
func lineOf(text string, off int) (number int, line string, start int) {
	off = max(0, min(off, len(text)))
	start = strings.LastIndexByte(text[:off], '\n') + 1
	end := len(text)
	if n := strings.IndexByte(text[start:], '\n'); n >= 0 {
		end = start + n
	}
	return 1 + strings.Count(text[:start], "\n"), strings.TrimSuffix(text[start:end], "\r"), start
}

// at makes an Error about a piece of text. What goes over several lines is shown up to the end of the first.
func at(file, text string, s span, msg, hint string) Error {
	number, line, start := lineOf(text, int(s.start))
	from := max(0, min(int(s.start)-start, len(line)))
	to := max(from, min(int(s.end)-start, len(line)))
	e := Error{File: file, Line: number, Msg: msg, Hint: hint}
	e.Col = 1 + utf8.RuneCountInString(line[:from])
	e.Width = max(1, utf8.RuneCountInString(line[from:to]))
	e.Excerpt = excerpt(number, line, e.Col, e.Width)
	return e
}

// excerpt draws a line with a caret below the part that is meant. A file may come from a stranger: what could steer
// a terminal is drawn as '?'. Of a long line only the surroundings are shown.
func excerpt(number int, line string, col, width int) string {
	const widest = 100
	runes := []rune(line)
	for i, r := range runes {
		switch {
		case r == '\t':
			runes[i] = ' '
		case r == utf8.RuneError || !unicode.IsPrint(r):
			runes[i] = '?'
		}
	}
	dots := ""
	if from := col - widest/2; len(runes) > widest && from > 0 {
		runes, col, dots = runes[from:], col-from, "…"
	}
	if len(runes) > widest {
		runes = append(runes[:widest:widest], '…')
	}
	width = max(1, min(width, len(runes)-col+1))
	label := strconv.Itoa(number)
	return fmt.Sprintf("  %s | %s%s\n  %s | %s%s", label, dots, string(runes),
		strings.Repeat(" ", len(label)), strings.Repeat(" ", col-1+utf8.RuneCountInString(dots)), strings.Repeat("^", width))
}

// quote makes any text fit for a terminal.
func quote(s string) string { return strconv.Quote(s) }

// locate makes an Error about a word in a line of what the layer was read from. It is for what turns out to be
// wrong only after the layer was read.
func (l *Layer) locate(line int, word, msg, hint string) Error {
	text, start := l.text, 0
	for n := 1; n < line && text != ""; n++ {
		end := strings.IndexByte(text[start:], '\n')
		if end < 0 {
			text = ""
			break
		}
		start += end + 1
	}
	if text == "" {
		return Error{File: l.Name, Line: line, Msg: msg, Hint: hint}
	}
	_, whole, _ := lineOf(text, start)
	s := span{int32(start + len(whole) - len(strings.TrimLeft(whole, " \t"))), int32(start + len(whole))}
	if i := strings.Index(whole, word); i >= 0 && word != "" {
		s = span{int32(start + i), int32(start + i + len(word))}
	}
	return at(l.Name, text, s, msg, hint)
}

// didYouMean is a hint, or "" where nothing is near.
func didYouMean(word string, words []string) string {
	if w := spell.Nearest(word, words); w != "" {
		return "did you mean " + quote(w) + "?"
	}
	return ""
}
