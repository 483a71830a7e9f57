package main

import (
	"runtime"
	"runtime/debug"
	"syscall"
)

// version is set by the linker: -X main.version=v1.0.0.
var version = ""

var versionCommand = command{
	name: "version", args: "[--json]",
	short:    "print cove's version, and what it was built with and runs on",
	examples: []string{"cove version", ""},
	grammar:  func() grammar { return &versionFlags{} }, run: byGrammar,
}

type versionFlags struct {
	common
	JSON bool `name:"json" help:"print an object"`
}

type versions struct {
	Cove   string `json:"cove"`
	Commit string `json:"commit,omitempty"`
	Go     string `json:"go"`
	System string `json:"system"`
	Kernel string `json:"kernel"`
}

func (c *versionFlags) run(a *app) (int, error) {
	v := findVersions()
	if c.JSON {
		return exitOK, a.ui.json(v)
	}
	return exitOK, a.ui.versions(v)
}

func findVersions() versions {
	v := versions{Cove: version, Go: runtime.Version(), System: runtime.GOOS + "/" + runtime.GOARCH, Kernel: kernel()}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return v
	}
	if v.Cove == "" {
		v.Cove = info.Main.Version // "(devel)" for what was built from a directory
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			v.Commit = s.Value
		}
	}
	return v
}

func kernel() string {
	var u syscall.Utsname
	if syscall.Uname(&u) != nil {
		return ""
	}
	b := make([]byte, 0, len(u.Release))
	for _, c := range u.Release {
		if c == 0 {
			break
		}
		b = append(b, byte(c))
	}
	return string(b)
}
