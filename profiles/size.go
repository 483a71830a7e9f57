package profiles

import (
	"errors"
	"math"
	"strconv"
	"strings"
)

// A Size is a number of bytes, written "512M" or "1.5G": powers of 1024, with K, M, G or T.
type Size uint64

// UnmarshalText reads a Size.
func (s *Size) UnmarshalText(text []byte) error {
	number, unit := string(text), 1.0
	number = strings.TrimSuffix(number, "iB")
	if number == "" {
		return errors.New("it is empty")
	}
	if i := strings.IndexByte("KMGT", number[len(number)-1]); i >= 0 {
		number, unit = number[:len(number)-1], math.Pow(1024, float64(i+1))
	} else if len(number) != len(text) {
		return errors.New("before iB there must be K, M, G or T")
	}
	for _, c := range []byte(number) { // ParseFloat would take inf, 0x10 and 1_000
		if (c < '0' || c > '9') && c != '.' {
			return errors.New("it is not a number with K, M, G or T")
		}
	}
	n, err := strconv.ParseFloat(number, 64)
	if err != nil {
		return errors.New("it is not a number with K, M, G or T")
	}
	if n *= unit; n >= 1<<63 {
		return errors.New("it is too large")
	}
	*s = Size(n)
	return nil
}

// String writes a Size as it is read, with the largest unit that loses nothing.
func (s Size) String() string {
	unit := -1
	for s != 0 && s%1024 == 0 && unit < 3 {
		s, unit = s/1024, unit+1
	}
	if unit < 0 {
		return strconv.FormatUint(uint64(s), 10)
	}
	return strconv.FormatUint(uint64(s), 10) + "KMGT"[unit:unit+1]
}

// sizeHint guesses what was meant by a size that cannot be read.
func sizeHint(text string) string {
	guess := strings.ToUpper(strings.ReplaceAll(text, " ", ""))
	if i := strings.IndexAny(guess, "KMGT"); i > 0 {
		guess = guess[:i+1]
	}
	guess = strings.TrimSuffix(guess, "B")
	if guess == "" || (*new(Size)).read(guess) != nil {
		return `as "512M" or "1.5G": powers of 1024, with K, M, G or T`
	}
	return "did you mean " + quote(guess) + "? K, M, G and T are powers of 1024"
}

func (s Size) read(text string) error { return s.UnmarshalText([]byte(text)) }

// parseCount reads a number from a flag.
func parseCount(text string) (int64, error) {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return 0, errors.New("it is not a number")
	}
	return n, nil
}
