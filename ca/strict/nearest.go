package strict

import (
	"reflect"
	"strings"
)

// maxDistance is how many letters a slip of the pen changes.
const maxDistance = 2

// Nearest returns the one of names that is written most like s, or "" if none is.
func Nearest(s string, names []string) (nearest string) {
	least := maxDistance + 1
	if len(s) > 64 {
		return ""
	}
	for _, name := range names {
		if d := distance(s, name); d < least && d < len(name)-1 {
			nearest, least = name, d
		}
	}
	return nearest
}

// distance is how many letters have to be put in, left out or changed (Levenshtein).
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		before := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := before
			if a[i] != b[j] {
				change++
			}
			before = row[j+1]
			row[j+1] = min(change, before+1, row[j]+1)
		}
	}
	return row[len(b)]
}

// known returns the keys that there are where the last part of key was found.
func known(key []string, into any) []string {
	t := content(reflect.TypeOf(into))
	for _, part := range key[:len(key)-1] {
		switch t.Kind() {
		case reflect.Map:
			t = content(t.Elem())
		case reflect.Struct:
			field, ok := tagged(t, part)
			if !ok {
				return nil
			}
			t = content(field.Type)
		default:
			return nil
		}
	}
	if t.Kind() != reflect.Struct {
		return nil
	}
	var keys []string
	for _, field := range reflect.VisibleFields(t) {
		if tag := tagOf(field); tag != "" {
			keys = append(keys, tag)
		}
	}
	return keys
}

// content is what pointers and lists of a type hold.
func content(t reflect.Type) reflect.Type {
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice {
		t = t.Elem()
	}
	return t
}

func tagged(t reflect.Type, key string) (reflect.StructField, bool) {
	for _, field := range reflect.VisibleFields(t) {
		if tagOf(field) == key {
			return field, true
		}
	}
	return reflect.StructField{}, false
}

func tagOf(f reflect.StructField) string {
	tag, _, _ := strings.Cut(f.Tag.Get("toml"), ",")
	if tag == "-" {
		return ""
	}
	return tag
}
