// Package spell finds the word that somebody probably meant.
//
//	if w := spell.Nearest("strickt", names); w != "" { … "did you mean " + w }
//
// Limits: it knows no keyboards and no languages, and gives up on words of more than 64 bytes.
package spell

import "strings"

// Nearest finds the word that was probably meant by word, or "". Capitals are small letters to it; of two that are as
// near, the first wins. Far enough to mean something else is a third of the word, without the dashes before it.
func Nearest(word string, words []string) (best string) {
	limit := Limit(word)
	for _, w := range words {
		if d := Distance(strings.ToLower(word), strings.ToLower(w)); d < limit {
			best, limit = w, d
		}
	}
	return best
}

// Limit is the Distance at which another word means something else.
func Limit(word string) int { return max(1, len(strings.TrimLeft(word, "-"))/3) + 1 }

// longest bounds the work that nonsense makes.
const longest = 64

// Distance is how many bytes must be inserted, dropped, replaced or swapped with their neighbour to make one word of the
// other: Damerau's and Levenshtein's, in which no byte is touched twice. Where one has more than 64 bytes it is 64.
func Distance(a, b string) int {
	if len(a) > longest || len(b) > longest {
		return longest
	}
	var before, last, row [longest + 1]int
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			replace := last[j-1]
			if a[i-1] != b[j-1] {
				replace++
			}
			row[j] = min(replace, last[j]+1, row[j-1]+1)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last = last, row
	}
	return last[len(b)]
}
