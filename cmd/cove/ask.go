package main

import (
	"bufio"
	"fmt"
	"strings"

	"cove/internal/tty"
)

// canAsk tells whether there is somebody to ask.
func (a *app) canAsk() bool { return tty.IsTerminal(int(a.stdin.Fd())) && a.ui.errTTY }

// ask asks, and takes all but a plain yes for no.
func (a *app) ask(question string) bool {
	fmt.Fprint(a.stderr, question)
	answer, _ := bufio.NewReader(a.stdin).ReadString('\n')
	switch strings.ToLower(strings.TrimSpace(answer)) {
	case "y", "yes":
		return true
	}
	return false
}
