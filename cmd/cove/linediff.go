package main

import "strings"

// A comparedLine is one of two texts: ' ' of both, '-' of the first alone, '+' of the second alone.
type comparedLine struct {
	mark rune
	text string // with its newline
}

// compareLines shows the second text whole, and what the first had besides, by their longest common subsequence of
// lines. Where that would take long, all that differs in the middle is shown as replaced.
func compareLines(before, after string) (list []comparedLine) {
	a, b := split(before), split(after)
	add := func(mark rune, lines []string) {
		for _, l := range lines {
			list = append(list, comparedLine{mark, l})
		}
	}
	head := 0
	for head < min(len(a), len(b)) && a[head] == b[head] {
		head++
	}
	tail := 0
	for tail < min(len(a), len(b))-head && a[len(a)-1-tail] == b[len(b)-1-tail] {
		tail++
	}
	add(' ', b[:head])
	last := b[len(b)-tail:]
	a, b = a[head:len(a)-tail], b[head:len(b)-tail]
	const most = 4 << 20 // cells
	if len(a)*len(b) > most {
		add('-', a)
		add('+', b)
		add(' ', last)
		return list
	}
	// common[i][j] is the length of what a[i:] and b[j:] have in common.
	common := make([][]int32, len(a)+1)
	for i := range common {
		common[i] = make([]int32, len(b)+1)
	}
	for i := len(a) - 1; i >= 0; i-- {
		for j := len(b) - 1; j >= 0; j-- {
			if a[i] == b[j] {
				common[i][j] = common[i+1][j+1] + 1
			} else {
				common[i][j] = max(common[i+1][j], common[i][j+1])
			}
		}
	}
	i, j := 0, 0
	for i < len(a) && j < len(b) {
		switch {
		case a[i] == b[j]:
			add(' ', b[j:j+1])
			i, j = i+1, j+1
		case common[i+1][j] >= common[i][j+1]:
			add('-', a[i:i+1])
			i++
		default:
			add('+', b[j:j+1])
			j++
		}
	}
	add('-', a[i:])
	add('+', b[j:])
	add(' ', last)
	return list
}

func split(text string) (lines []string) {
	for l := range strings.Lines(text) {
		lines = append(lines, l)
	}
	return lines
}
