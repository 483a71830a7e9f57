package profiles

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"

	"cove/internal/seccomp"
)

// Schema is the JSON Schema (draft 2020-12) of a profile, for editors that complete TOML by one.
func Schema() []byte {
	top := object("A cove profile: what a program in a sandbox sees and may do.")
	top["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	top["title"] = "cove profile"
	properties := top["properties"].(map[string]any)
	for _, t := range tables[1:] {
		properties[t.name] = object(t.doc)
	}
	sets := properties["sets"].(map[string]any)
	delete(sets, "properties")
	sets["propertyNames"] = map[string]any{"pattern": "^[^@]|^$", "not": map[string]any{"enum": SetNames()}}
	sets["additionalProperties"] = list(text("A path, or another set as @name.", patternMask))
	top["$defs"] = map[string]any{"call": map[string]any{"type": "string", "description": "The name of a system call.", "enum": seccomp.Names()}}
	for i := range schema {
		k := &schema[i]
		at := properties
		table, leaf := k.in()
		if table != "" {
			at = properties[table].(map[string]any)["properties"].(map[string]any)
		}
		at[leaf] = k.json()
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(top); err != nil {
		panic(err) // the table is ours
	}
	return b.Bytes()
}

func object(doc string) map[string]any {
	return map[string]any{"type": "object", "description": doc, "properties": map[string]any{}, "additionalProperties": false}
}

func list(items map[string]any) map[string]any {
	return map[string]any{"type": "array", "items": items}
}

func text(doc, pattern string) map[string]any {
	v := map[string]any{"type": "string", "description": doc}
	if pattern != "" {
		v["pattern"] = pattern
	}
	return v
}

// Regular expressions, of the kind that ECMAScript, Go and Rust all understand. They refuse nothing that Parse takes;
// a few things that Parse refuses can be said in no such expression, as a set that is not defined.
const (
	patternLine     = `^[^\x00-\x1f\x7f]*$`
	patternPath     = `^(~|\.|(~|\.)?/[^*\x00]*)$`
	patternMask     = `^(@.+|\.|\./[^*\x00]*|~?/[^*\x00]+)$`
	patternGrant    = `^(~|\.|(~|\.)?/[^*:\x00]*)(:(~|\.|(~|\.)?/[^*:\x00]*))?$`
	patternUp       = `/\.\.(/|:|$)`
	patternVariable = `^[^*=$\x00-\x20\x7f][^*=\x00-\x20\x7f]*$`
	patternPattern  = `^(\*|\*[^*=\x00-\x20\x7f]+|[^*=$\x00-\x20\x7f][^*=\x00-\x20\x7f]*\*?)$`
	patternDevice   = `^(/dev/)?[^/\x00]+(/[^/\x00]+)*/?$`
	patternDots     = `(^|/)\.\.?(/|$)`
	patternSize     = `^([0-9]+(\.[0-9]*)?|\.[0-9]+)([KMGT](iB)?)?$`
	patternID       = `^(keep|root|0|[1-9][0-9]{0,9})$`
)

func not(pattern string) map[string]any { return map[string]any{"pattern": pattern} }

// json is the schema of one key's value.
func (k *key) json() map[string]any {
	v := map[string]any{}
	item := map[string]any{"type": "string"}
	switch k.kind.shape {
	case shapeText:
		v["type"] = "string"
	case shapeBool:
		v["type"] = "boolean"
	case shapeInt:
		v["type"], v["minimum"] = "integer", 0
	case shapeTable:
		v["type"], v["additionalProperties"] = "object", map[string]any{"type": "string"}
	case shapeList:
		v = list(item)
	}
	if k.match != "" {
		v["pattern"] = k.match
	}
	switch k.kind {
	case &kindDescription:
		v["pattern"] = patternLine
	case &kindPathText:
		v["pattern"], v["not"] = patternPath, not(patternUp)
	case &kindBytes:
		v["type"], v["pattern"], v["minimum"] = []any{"string", "integer"}, patternSize, 0
	case &kindUserID:
		// 2^32-1 is no id: see readUserID.
		v["type"], v["pattern"], v["minimum"], v["maximum"] = []any{"string", "integer"}, patternID, 0, 1<<32-2
	case &kindProfileNames:
		item["minLength"] = 1
	case &kindMasks:
		item["pattern"], item["not"] = patternMask, not(patternUp)
	case &kindEnvPass, &kindEnvDrop:
		item["pattern"] = patternPattern
	case &kindEnvSet:
		v["propertyNames"] = map[string]any{"pattern": patternVariable}
	case &kindDevices:
		item["pattern"], item["not"] = patternDevice, not(patternDots)
	case &kindCallsAllow, &kindCallsDeny:
		v["items"] = map[string]any{"$ref": "#/$defs/call"}
	case &kindGrantsRO, &kindGrantsRW:
		grant := object("A path that is let in.")
		grant["required"] = []any{"path"}
		path := func(doc string) map[string]any {
			v := text(doc, patternPath)
			v["not"] = not(patternUp)
			return v
		}
		grant["properties"] = map[string]any{
			"path":     path("On the host."),
			"target":   path("Where it is inside; without it, at the same path."),
			"optional": map[string]any{"type": "boolean", "description": "No complaint where it does not exist."},
		}
		short := text("PATH or SRC:DST", patternGrant)
		short["not"] = not(patternUp)
		ways := []any{short, grant}
		if k.kind == &kindGrantsRO {
			ways = append(ways, text("A set, as @secrets.", "^@.+$"))
		}
		v["items"] = map[string]any{"anyOf": ways}
	}
	if len(k.words) > 0 {
		v["enum"] = k.words
	}
	v["description"] = strings.ReplaceAll(k.doc, "`", "")
	switch b, err := strconv.ParseBool(k.def); {
	case k.def == "":
	case err == nil && k.kind.shape == shapeBool:
		v["default"] = b
	case k.kind.shape == shapeList:
		v["default"] = json.RawMessage(k.def)
	default:
		v["default"] = k.def
	}
	return v
}
