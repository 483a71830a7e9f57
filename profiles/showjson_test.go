package profiles

import (
	"encoding/json"
	"strings"
	"testing"
)

// Every key that a merged profile can hold is in its JSON, by the name that it has in TOML.
func TestValues(t *testing.T) {
	l, err := Parse("f", []byte(strings.Replace(everything, `"@theirs", "/with`, `"/with`, 1)))
	if err != nil {
		t.Fatal(err)
	}
	spec, err := Merge(l)
	if err != nil {
		t.Fatal(err)
	}
	values := Values(spec)
	for i := range schema {
		k := &schema[i]
		table, leaf := k.in()
		_, have := values[table][leaf]
		if said := strings.Contains(everything, "\n"+leaf+" = "); have != (said && table != "") {
			t.Errorf("%s is there: %v, in the profile: %v", k.name, have, said)
		}
	}
	for _, c := range []struct {
		have any
		want string
	}{
		{values["home"]["mode"], `{"from":{"name":"f","line":7},"value":"cow"}`},
		{values["process"]["root_cow"], `{"from":{"name":"f","line":18},"value":true}`},
		{values["identity"]["uid"], `{"from":{"name":"f","line":25},"value":"1000"}`},
		{values["limits"]["file_size"], `{"from":{"name":"f","line":31},"value":1610612736}`},
		{values["files"]["rw"], `[{"from":{"name":"f","line":11},"path":"~/work"}]`},
		{values["files"]["ro"].([]map[string]any)[1], `{"from":{"name":"f","line":10},"path":"/a","target":"/b"}`},
		{values["files"]["ro"].([]map[string]any)[2], `{"from":{"name":"f","line":10,"set":"@theirs"},"optional":true,"path":"~/m1"}`},
		{values["env"]["set"], `{"C":{"from":{"name":"f","line":23},"value":"1"},"D":{"from":{"name":"f","line":23},"value":""}}`},
		{values["seccomp"]["deny"], `[{"from":{"name":"f","line":39},"value":"mount"}]`},
	} {
		text, err := json.Marshal(c.have)
		if err != nil || string(text) != c.want {
			t.Errorf("%s %v, not %s", text, err, c.want)
		}
	}
}
