package atna

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/betonica/betonica/store/audit"
)

// A detail is a member of an entry's detail, or says which entry this is.
type detail struct {
	name  text
	value text // of our own, and of strings
	other any  // what is no string
}

// text is the value as one text: what is no string, as JSON.
func (d *detail) text() text {
	if d.other == nil {
		return d.value
	}
	return clean(string(appendValue(nil, d.other, 0)), maxValue)
}

// detailsOf returns the entry's detail, cleaned, by name. The key of a guard's digests
// stays where it is.
func detailsOf(e audit.Entry) []detail {
	secret := ""
	if strings.HasPrefix(e.Action, accessPrefix) {
		secret = "key"
	}
	out := make([]detail, 0, len(e.Detail))
	for _, k := range sorted(e.Detail) {
		if k == secret {
			continue
		}
		d := detail{name: clean(k, maxName)}
		if s, ok := e.Detail[k].(string); ok {
			d.value = clean(s, maxValue)
		} else if d.other = e.Detail[k]; d.other == nil {
			d.value = "null"
		}
		out = append(out, d)
	}
	for i := range out {
		out[i].name = unused(out[i].name, func(n text) bool {
			return slices.Contains(reserved, n) || slices.ContainsFunc(out[:i], func(d detail) bool { return d.name == n })
		})
	}
	return out
}

func sorted(m map[string]any) []string { return slices.Sorted(maps.Keys(m)) }

// reserved are the names that no detail of an entry has: those of [Message.about].
var reserved = []text{"auditId", "auditLog", "auditSeq", "auditHash", "requestId", "shortened", "outcome", "subject"}

// unused returns a name that is not taken: two names that differ in what cannot be
// printed must not become one, or JSON would have a member twice.
func unused(name text, taken func(text) bool) text {
	if name == "" {
		name = "_"
	}
	for n, first := int64(2), name; taken(name); n++ {
		name = first + "#" + number(n)
	}
	return name
}

// maxDepth is how deep a detail may lie in others.
const maxDepth = 16

// appendValue appends a detail's value as JSON, each text in it cleaned, each member of
// an object once.
func appendValue(b []byte, v any, depth int) []byte {
	if depth > maxDepth {
		return append(b, `"..."`...)
	}
	switch v := v.(type) {
	case nil:
		return append(b, "null"...)
	case string:
		return appendString(b, clean(v, maxValue))
	case bool:
		return strconv.AppendBool(b, v)
	case int:
		return strconv.AppendInt(b, int64(v), 10)
	case int64:
		return strconv.AppendInt(b, v, 10)
	case json.Number:
		if json.Valid([]byte(v)) && strings.Trim(string(v), "+-.0123456789eE") == "" {
			return append(b, v...)
		}
		return appendString(b, clean(string(v), maxValue))
	case float64:
		if !math.IsNaN(v) && !math.IsInf(v, 0) {
			return strconv.AppendFloat(b, v, 'g', -1, 64)
		}
	case []any:
		b = append(b, '[')
		for i, item := range v {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendValue(b, item, depth+1)
		}
		return append(b, ']')
	case map[string]any:
		return appendMap(b, v, depth)
	default:
		if again, ok := throughJSON(v); ok {
			return appendValue(b, again, depth+1)
		}
	}
	return appendString(b, clean(fmt.Sprint(v), maxValue))
}

func appendMap(b []byte, m map[string]any, depth int) []byte {
	names := make(map[text]bool, len(m))
	b = append(b, '{')
	for i, k := range sorted(m) {
		if i > 0 {
			b = append(b, ',')
		}
		name := unused(clean(k, maxName), func(n text) bool { return names[n] })
		names[name] = true
		b = appendValue(append(appendString(b, name), ':'), m[k], depth+1)
	}
	return append(b, '}')
}

// throughJSON is what an entry has of v once it was sealed and opened.
func throughJSON(v any) (again any, ok bool) {
	b, err := json.Marshal(v)
	if err != nil {
		return nil, false
	}
	d := json.NewDecoder(strings.NewReader(string(b)))
	d.UseNumber()
	return again, d.Decode(&again) == nil
}
