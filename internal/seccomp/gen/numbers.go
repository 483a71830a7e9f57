package main

import (
	"errors"
	"fmt"
	"go/build"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

// arches are the columns of the table, as GOARCH spells them.
var arches = []string{"amd64", "arm64"}

// Numbers are the system calls of one architecture, by name.
type Numbers map[string]int

var numberLine = regexp.MustCompile(`(?m)^\s+SYS_(\w+)\s+=\s+(\d+)$`)

// ReadNumbers reads the numbers of every architecture that golang.org/x/sys/unix knows, by GOARCH.
func ReadNumbers() (map[string]Numbers, error) {
	pkg, err := build.Import("golang.org/x/sys/unix", ".", build.FindOnly)
	if err != nil {
		return nil, fmt.Errorf("cannot find golang.org/x/sys/unix: %w", err)
	}
	files, err := filepath.Glob(filepath.Join(pkg.Dir, "zsysnum_linux_*.go"))
	if err != nil {
		return nil, err
	}
	all := map[string]Numbers{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		arch := strings.TrimSuffix(strings.TrimPrefix(filepath.Base(file), "zsysnum_linux_"), ".go")
		all[arch] = Numbers{}
		for _, m := range numberLine.FindAllStringSubmatch(string(text), -1) {
			name := strings.ToLower(m[1])
			if isPlaceholder(name) {
				continue
			}
			if all[arch][name], err = strconv.Atoi(m[2]); err != nil {
				return nil, err
			}
		}
	}
	for _, arch := range arches {
		if len(all[arch]) == 0 {
			return nil, errors.New("no system call numbers for " + arch + " in " + pkg.Dir)
		}
	}
	return all, nil
}

// isPlaceholder tells the constants of zsysnum files that name no system call.
func isPlaceholder(name string) bool {
	return strings.HasPrefix(name, "unused") || strings.HasPrefix(name, "reserved") ||
		name == "syscall_mask" || name == "arch_specific_syscall"
}
