package report

import (
	"bytes"
	"encoding/json"

	"github.com/betonica/betonica/store/audit/plain"
)

// maxText is how long a text of a report may be, in bytes.
const maxText = 4096

// clean returns a copy of what is written in which every text is printable: a direction
// mark in the name of a machine would show the rest of its line the other way round. The
// proofs stay as they were signed.
func clean(in Input) (Input, error) {
	run, err := cleaned(in.Run)
	if err != nil {
		return in, err
	}
	facts, err := cleaned(in.Facts)
	return Input{Run: run, Facts: facts, Evidence: in.Evidence}, err
}

// cleaned copies a value through its JSON.
func cleaned[T any](v *T) (*T, error) {
	text, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var tree any
	if err := d.Decode(&tree); err != nil {
		return nil, err
	}
	if text, err = json.Marshal(scrub(tree)); err != nil {
		return nil, err
	}
	into := new(T)
	return into, json.Unmarshal(text, into)
}

func scrub(v any) any {
	switch v := v.(type) {
	case string:
		return plain.Clean(v, maxText)
	case []any:
		for i := range v {
			v[i] = scrub(v[i])
		}
	case map[string]any:
		for key, one := range v {
			delete(v, key)
			v[plain.Clean(key, maxText)] = scrub(one)
		}
	}
	return v
}
