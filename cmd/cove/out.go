package main

// This file is how answers get out: what was asked for, on standard output. Which words are in them is ui.go's.

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"syscall"
	"unicode/utf8"

	"cove/internal/escape"
)

// print answers.
func (u *ui) print(text string) error {
	_, err := io.WriteString(u.out, text)
	return written(err)
}

// json answers a script. Strings keep what was escaped for people; JSON has its own way to write it.
func (u *ui) json(v any) error {
	e := json.NewEncoder(u.out)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return written(e.Encode(v))
}

// written passes over a reader that has seen enough: cove plan | head.
func written(err error) error {
	switch {
	case err == nil || errors.Is(err, syscall.EPIPE):
		return nil
	}
	return fmt.Errorf("cannot write the answer to standard output: %v", err) // its errno says nothing of boxes
}

// document answers with a text that somebody else may have written: as it is for a file or a pipe, escaped for people.
func (u *ui) document(text string) error {
	if !u.outTTY {
		return u.print(text)
	}
	var b strings.Builder
	for l := range strings.Lines(text) {
		b.WriteString(strings.ReplaceAll(escape.Text(strings.TrimRight(l, "\r\n")), `\t`, "\t") + "\n")
	}
	return u.print(b.String())
}

// table answers with columns. The words in them are escaped here; the last column may be long.
func (u *ui) table(head []string, rows [][]string) error {
	all := rows
	if head != nil && len(rows) > 0 && u.outTTY {
		all = append([][]string{head}, rows...)
	}
	var width [16]int
	for _, r := range all {
		for i := range r {
			r[i] = escape.Name(r[i])
			width[i] = max(width[i], utf8.RuneCountInString(r[i]))
		}
	}
	var b strings.Builder
	for n, r := range all {
		var line strings.Builder
		for i, cell := range r {
			fmt.Fprintf(&line, "%-*s  ", width[i], cell)
		}
		text := strings.TrimRight(line.String(), " ")
		if n == 0 && len(all) > len(rows) {
			text = paint(u.outHue, bold, text)
		}
		b.WriteString(text + "\n")
	}
	return u.print(b.String())
}
