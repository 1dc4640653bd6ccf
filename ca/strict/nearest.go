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

// distance is how many letters have to be put in, left out, changed, or exchanged with
// their neighbour (Damerau and Levenshtein).
func distance(a, b string) int {
	rows := make([][]int, len(a)+1)
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
		rows[i][0] = i
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			change := rows[i-1][j-1]
			if a[i-1] != b[j-1] {
				change++
			}
			rows[i][j] = min(change, rows[i-1][j]+1, rows[i][j-1]+1)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				rows[i][j] = min(rows[i][j], rows[i-2][j-2]+1)
			}
		}
	}
	return rows[len(a)][len(b)]
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
