package strict

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2/unstable"
)

// Place returns where what is at path begins, counted from 1. A path is of keys, and
// of indexes, from 0, where there is a list: "role", "device", "keys", 1. With an index
// at the end that is no list's, it is the place of the value; without one, of the key.
// If text has only the beginning of the path, it is the place of that.
func Place(text []byte, path ...any) (line, column int) {
	longest, place := 0, uint32(0)
	walk(text, func(at []any, offset uint32) {
		if n := len(at); n > longest && n <= len(path) && slices.Equal(at, path[:n]) {
			longest, place = n, offset
		}
	})
	return position(text, place)
}

// pathAt returns the path of the key that begins at a place; nil if there is none.
func pathAt(text []byte, line, column int) (path []any) {
	place := 0
	for range line - 1 {
		place += bytes.IndexByte(text[place:], '\n') + 1
	}
	walk(text, func(at []any, offset uint32) {
		if path == nil && int(offset) == place+column-1 {
			path = slices.Clone(at)
		}
	})
	return path
}

func position(text []byte, offset uint32) (line, column int) {
	before := string(text[:offset])
	return 1 + strings.Count(before, "\n"), len(before) - strings.LastIndex(before, "\n")
}

// walk calls found for the path of everything in text, as far as it can be parsed.
func walk(text []byte, found func(path []any, offset uint32)) {
	s := search{found: found, lists: make(map[string]int)}
	var p unstable.Parser
	p.Reset(text)
	var table []any
	for p.NextExpression() {
		switch expr := p.Expression(); expr.Kind {
		case unstable.KeyValue:
			s.keyValue(table, expr)
		case unstable.Table, unstable.ArrayTable:
			var at uint32
			table, at = s.table(expr)
			s.found(table, at)
		}
	}
}

type search struct {
	found func(path []any, offset uint32)

	// lists is how many tables [[name]] there were, by name with the indexes above it.
	lists map[string]int
}

// table returns the path of a [table] or [[table]], in which the name of a list means
// its last table.
func (s *search) table(expr *unstable.Node) (path []any, at uint32) {
	keys, at := keysOf(expr)
	for i, key := range keys {
		path = append(path, key)
		name := joined(path)
		n, list := s.lists[name]
		if i == len(keys)-1 && expr.Kind == unstable.ArrayTable {
			n, list = n+1, true
			s.lists[name] = n
		}
		if list {
			path = append(path, n-1)
		} else {
			s.found(path, at)
		}
	}
	return path, at
}

func (s *search) keyValue(above []any, expr *unstable.Node) {
	keys, at := keysOf(expr)
	path := append([]any(nil), above...)
	for _, key := range keys {
		path = append(path, key)
		s.found(path, at)
	}
	s.value(path, expr.Value(), at)
}

// value looks into lists and inline tables. Where the parser does not say where a value
// is, it is at its key.
func (s *search) value(path []any, value *unstable.Node, key uint32) {
	at := value.Raw.Offset
	if at == 0 {
		at = key
	}
	switch value.Kind {
	case unstable.Array:
		n := 0
		for it := value.Children(); it.Next(); n++ {
			item := append(path[:len(path):len(path)], n)
			place := it.Node().Raw.Offset
			if place == 0 {
				place = key
			}
			s.found(item, place)
			s.value(item, it.Node(), place)
		}
	case unstable.InlineTable:
		for it := value.Children(); it.Next(); {
			s.keyValue(path, it.Node())
		}
	default:
		s.found(append(path[:len(path):len(path)], 0), at)
	}
}

// keysOf returns the parts of a dotted key, and where the first begins.
func keysOf(expr *unstable.Node) (parts []string, at uint32) {
	for it := expr.Key(); it.Next(); {
		if parts == nil {
			at = it.Node().Raw.Offset
		}
		parts = append(parts, string(it.Node().Data))
	}
	return parts, at
}

func joined(path []any) string { return fmt.Sprintf("%q", path) }
