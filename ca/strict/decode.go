package strict

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"github.com/pelletier/go-toml/v2"
)

// maxUnknown is how many unknown keys are told at once: each is looked for in the text.
const maxUnknown = 20

// Decode reads text into a struct with toml tags. A key that the struct does not have
// is an error. Each error begins with file:line:column, and they are joined, one a
// line, where more than one can be told at once; none of them shows a Go type.
func Decode(file string, text []byte, into any) error {
	err := toml.NewDecoder(bytes.NewReader(text)).DisallowUnknownFields().Decode(into)
	if err == nil {
		return nil
	}
	if missing, ok := errors.AsType[*toml.StrictMissingError](err); ok {
		var errs []*Error
		for _, e := range missing.Errors[:min(len(missing.Errors), maxUnknown)] {
			line, column := e.Position()
			errs = append(errs, &Error{file, line, column, unknown(fullKey(text, line, column, e.Key()), into)})
		}
		return Join(errs)
	}
	said := strings.TrimPrefix(err.Error(), "toml: ")
	e, ok := errors.AsType[*toml.DecodeError](err)
	if !ok {
		return &Error{file, 1, 1, said}
	}
	line, column := e.Position()
	if kind, ok := strings.CutPrefix(said, "cannot decode TOML "); ok {
		kind, _, _ = strings.Cut(kind, " into ")
		said = fmt.Sprintf("%q cannot be of type %s", clip(strings.Join(e.Key(), ".")), kind)
	}
	return &Error{file, line, column, said}
}

// fullKey returns the key at a place, with what the decoder leaves out of it inside an
// inline table.
func fullKey(text []byte, line, column int, key []string) (full []string) {
	for _, part := range pathAt(text, line, column) {
		if name, ok := part.(string); ok {
			full = append(full, name)
		}
	}
	if len(full) < len(key) {
		return key
	}
	return full
}

func unknown(key []string, into any) string {
	said := fmt.Sprintf("unknown key %q", clip(strings.Join(key, ".")))
	if meant := Nearest(key[len(key)-1], known(key, into)); meant != "" {
		said += fmt.Sprintf("; is it %q?", meant)
	}
	return said
}

// clip bounds what an error repeats of a stranger's text.
func clip(s string) string {
	const most = 128
	if len(s) <= most {
		return s
	}
	return s[:most] + "..."
}
