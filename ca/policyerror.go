package ca

import (
	"cmp"
	"errors"
	"fmt"
	"strings"

	"github.com/pelletier/go-toml/v2"
	"github.com/pelletier/go-toml/v2/unstable"
)

// A positionError is an error at a place of a file, as editors understand it.
type positionError struct {
	filename     string
	line, column int // from 1
	text         string
}

func (e *positionError) Error() string {
	return fmt.Sprintf("%s:%d:%d: %s", e.filename, e.line, e.column, e.text)
}

func byPosition(a, b error) int {
	p, q := a.(*positionError), b.(*positionError)
	return cmp.Or(cmp.Compare(p.line, q.line), cmp.Compare(p.column, q.column), cmp.Compare(p.text, q.text))
}

// tomlError gives the decoder's errors their place in the file, and takes the
// names of our Go types out of them.
func tomlError(filename string, err error) error {
	if strict, ok := errors.AsType[*toml.StrictMissingError](err); ok {
		var errs []error
		for _, e := range strict.Errors {
			line, column := e.Position()
			errs = append(errs, &positionError{filename, line, column,
				fmt.Sprintf("unknown key %q", clip(strings.Join(e.Key(), ".")))})
		}
		return errors.Join(errs...)
	}
	text := strings.TrimPrefix(err.Error(), "toml: ")
	e, ok := errors.AsType[*toml.DecodeError](err)
	if !ok {
		return &positionError{filename, 1, 1, text}
	}
	line, column := e.Position()
	if kind, ok := strings.CutPrefix(text, "cannot decode TOML "); ok {
		kind, _, _ = strings.Cut(kind, " into ")
		text = fmt.Sprintf("%q cannot be of type %s", clip(strings.Join(e.Key(), ".")), kind)
	}
	return &positionError{filename, line, column, text}
}

// locate returns where the value at path begins, or the index-th element of it if
// it is an array. It is the place of a key instead if index is -1, or if text has
// only the beginning of the path, as [role.device] of role.device.keys.
func locate(text []byte, index int, path ...string) (line, column int) {
	var p unstable.Parser
	p.Reset(text)
	var table []string
	longest, offset := 0, uint32(0)
	for p.NextExpression() {
		expr := p.Expression()
		at, key := keyOf(expr)
		if expr.Kind == unstable.KeyValue {
			key = append(table[:len(table):len(table)], key...)
		} else {
			table = key
		}
		n := commonPrefix(key, path)
		if n <= longest {
			continue
		}
		longest, offset = n, at
		if n == len(path) && index >= 0 {
			offset = elementOffset(expr.Value(), index, at)
		}
	}
	before := string(text[:offset])
	return 1 + strings.Count(before, "\n"), len(before) - strings.LastIndex(before, "\n")
}

// elementOffset returns where a value, or the index-th element of an array,
// begins; or the place of its key, where the parser does not say.
func elementOffset(value *unstable.Node, index int, key uint32) uint32 {
	if value.Kind != unstable.Array {
		return cmp.Or(value.Raw.Offset, key)
	}
	for it := value.Children(); it.Next(); index-- {
		if index == 0 {
			return cmp.Or(it.Node().Raw.Offset, key)
		}
	}
	return key
}

// keyOf returns the parts of an expression's dotted key, and the offset of the
// first.
func keyOf(expr *unstable.Node) (offset uint32, parts []string) {
	for it := expr.Key(); it.Next(); {
		if parts == nil {
			offset = it.Node().Raw.Offset
		}
		parts = append(parts, string(it.Node().Data))
	}
	return offset, parts
}

func commonPrefix(a, b []string) int {
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	return n
}
