package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// docs/review.md is one session. Each command is run on a terminal, and must say what the page says.
func TestReviewPage(t *testing.T) {
	text, err := os.ReadFile("../../docs/review.md")
	if err != nil {
		t.Fatal(err)
	}
	home, bin := t.TempDir(), t.TempDir()
	if err := os.Symlink(os.Args[0], filepath.Join(bin, "cove")); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(home+"/project", 0o755); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"notes.txt": "shopping: bread\n", "project/hi.py": "print(\"hi\")\n", "project/old.txt": "old\n", ".bashrc": "export EDITOR=vi\n"} {
		if err := os.WriteFile(filepath.Join(home, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() { coveIn(home, "rm", "--all", "--yes").Run() }) // the kernel's work directory has mode 000
	age := regexp.MustCompile(`(?m)^(\d+  )\d+s {1,3}`)
	commands := 0
	for _, block := range regexp.MustCompile("(?s)```session\n(.*?)```").FindAllStringSubmatch(string(text), -1) {
		for _, part := range strings.Split("\n"+block[1], "\n$ ")[1:] {
			command, want, _ := strings.Cut(part+"\n", "\n")
			if command == "cat install.sh" {
				if err := os.WriteFile(home+"/install.sh", []byte(strings.TrimSuffix(want, "\n")), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			cmd := exec.Command("sh", "-c", command)
			cmd.Dir = home
			cmd.Env = []string{"HOME=" + home, "PATH=" + bin + ":" + os.Getenv("PATH"), "LANG=C.UTF-8", "TERM=dumb", "SHELL=/bin/sh"}
			got, _ := sit(t, cmd).rest()
			got = age.ReplaceAllString(strings.ReplaceAll(got, "\r\n", "\n"), "${1}0s   ")
			if strings.TrimSpace(got) != strings.TrimSpace(want) {
				t.Errorf("%s says\n%s\nand the page\n%s", command, got, want)
			}
			commands++
		}
	}
	if commands < 10 {
		t.Errorf("only %d commands in the page", commands)
	}
}
