package landlock

import (
	"slices"
	"testing"
)

// What a rule above gives already needs no rule of its own.
func TestAdd(t *testing.T) {
	ro, rw := []Right{List, Read, Exec}, []Right{List, Read, Exec, Write, Make}
	var r Ruleset
	for _, rule := range []Rule{
		{Path: "/", Rights: []Right{List}},
		{Path: "/usr", Rights: ro},
		{Path: "/usrlocal", Rights: ro},
		{Path: "/usr/share", Rights: ro},                   // given
		{Path: "/usr/file", File: true, Rights: ro},        // given, as nothing is listed in a file
		{Path: "/tmp", Rights: rw},                         //
		{Path: "/tmp/a/b", Rights: ro},                     // given
		{Path: "/var", Rights: ro},                         //
		{Path: "/var/tmp", Rights: rw},                     //
		{Path: "/var/tmp/f", File: true, Rights: rw},       // given
		{Path: "/mnt", Rights: nil},                        // hidden: nothing to give
		{Path: "/srv/f", File: true, Rights: rw},           //
		{Path: "/dev", Rights: []Right{List, Read}},        //
		{Path: "/dev/null", File: true, Rights: rw},        // more than above
		{Stream: Stdin, File: true, Rights: []Right{Read}}, // no path covers it
	} {
		r.Add(rule)
	}
	var paths []string
	for _, rule := range r.Rules {
		paths = append(paths, rule.Path+rule.Stream)
	}
	want := []string{"/", "/usr", "/usrlocal", "/tmp", "/var", "/var/tmp", "/srv/f", "/dev", "/dev/null", "stdin"}
	if !slices.Equal(paths, want) {
		t.Errorf("rules for\n%v, not\n%v", paths, want)
	}
	for _, rule := range r.Rules {
		if rule.File && (rule.Has(List) || rule.Has(Make)) {
			t.Errorf("%s is a file and has %v: the kernel says EINVAL", rule.Path, rule.Rights)
		}
	}
}
