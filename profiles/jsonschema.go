package profiles

import (
	"encoding/json"
	"strconv"
	"strings"
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
	sets["additionalProperties"] = list("A path, or another set as @name.")
	for i := range schema {
		k := &schema[i]
		at := properties
		table, leaf := k.in()
		if table != "" {
			at = properties[table].(map[string]any)["properties"].(map[string]any)
		}
		at[leaf] = k.json()
	}
	text, err := json.MarshalIndent(top, "", "  ")
	if err != nil {
		panic(err) // the table is ours
	}
	return append(text, '\n')
}

func object(doc string) map[string]any {
	return map[string]any{"type": "object", "description": doc, "properties": map[string]any{}, "additionalProperties": false}
}

func list(item string) map[string]any {
	return map[string]any{"type": "array", "items": map[string]any{"type": "string", "description": item}}
}

// json is the schema of one key's value.
func (k *key) json() map[string]any {
	v := map[string]any{}
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
		v = list("")
		delete(v["items"].(map[string]any), "description")
	}
	switch k.kind {
	case &kindBytes:
		v["type"], v["pattern"], v["minimum"] = []any{"string", "integer"}, `^[0-9]+(\.[0-9]+)?([KMGT](iB)?)?$`, 0
	case &kindUserID:
		v["type"], v["pattern"], v["minimum"] = []any{"string", "integer"}, "^(keep|root|0|[1-9][0-9]*)$", 0
	case &kindGrantsRO, &kindGrantsRW:
		grant := object("A path that is let in.")
		grant["required"] = []any{"path"}
		grant["properties"] = map[string]any{
			"path":     map[string]any{"type": "string", "description": "On the host."},
			"target":   map[string]any{"type": "string", "description": "Where it is inside; without it, at the same path."},
			"optional": map[string]any{"type": "boolean", "description": "No complaint where it does not exist."},
		}
		v["items"] = map[string]any{"anyOf": []any{map[string]any{"type": "string", "description": "PATH or SRC:DST"}, grant}}
	}
	if len(k.words) > 0 {
		v["enum"] = k.words
	}
	v["description"] = strings.ReplaceAll(k.doc, "`", "")
	switch b, err := strconv.ParseBool(k.def); {
	case k.def == "":
	case err == nil && k.kind.shape == shapeBool:
		v["default"] = b
	default:
		v["default"] = k.def
	}
	return v
}
