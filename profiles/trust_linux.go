package profiles

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
)

// changeTrust replaces the list of trusted files.
func changeTrust(dirs Dirs, change func(trustList) trustList) error {
	if err := os.MkdirAll(dirs.Config, 0o700); err != nil {
		return fmt.Errorf("cannot remember what is trusted: %w", err)
	}
	err := locked(dirs.Config, func() error {
		list, err := readTrust(dirs)
		if err != nil {
			return err
		}
		var b strings.Builder
		for _, t := range change(list) {
			b.WriteString(strconv.Quote(t.path) + " " + strconv.Quote(t.text) + "\n")
		}
		if b.Len() > largest {
			return errors.New("the list is full: remove lines from " + dirs.Config + "/" + trustFile)
		}
		return writeFile(dirs.Config, trustFile, []byte(b.String()))
	})
	if err != nil {
		return fmt.Errorf("cannot remember what is trusted: %w", err)
	}
	return nil
}
