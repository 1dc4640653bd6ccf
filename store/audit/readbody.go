package audit

import (
	"bytes"
	"encoding/json"
	"unicode/utf8"
)

// A sealedBody is a body whose details are still JSON; nil: there are none.
type sealedBody struct {
	body
	Detail json.RawMessage `json:"detail"` // before the one of body
}

// readBody reads what appendBody writes: without reflection where it is spelled as that
// spells it and no string needs decoding, which is nearly always. What encoding/json says
// decides of everything else.
func readBody(text []byte) (sealedBody, error) {
	var b sealedBody
	if b.scan(text) {
		return b, nil
	}
	b = sealedBody{}
	err := json.Unmarshal(text, &b)
	return b, err
}

// maxScanned bounds the bytes that are scanned, and with them how deep details nest:
// encoding/json has a bound for that, from the body's first brace on.
const maxScanned = 16 << 10

// scan reads text if it is a body in the form that most have, and says whether it is.
func (b *sealedBody) scan(text []byte) bool {
	if len(text) < len(`{"":""}`) || len(text) > maxScanned || text[0] != '{' || text[len(text)-1] != '}' {
		return false
	}
	rest := text[1 : len(text)-1]
	for _, f := range [...]struct {
		name  string
		value *string
	}{
		{`"actor":"`, &b.Actor},
		{`"subject":"`, &b.Subject},
		{`"address":"`, &b.Address},
		{`"outcome":"`, &b.Outcome},
		{`"request_id":"`, &b.RequestID},
	} {
		value, ok := bytes.CutPrefix(rest, []byte(f.name))
		if !ok {
			continue
		}
		n := plainString(value)
		if n < 0 {
			return false
		}
		*f.value, rest = string(value[:n]), value[n+1:]
		if len(rest) == 0 {
			return true
		}
		if rest[0] != ',' || len(rest) == 1 {
			return false
		}
		rest = rest[1:]
	}
	detail, ok := bytes.CutPrefix(rest, []byte(`"detail":`))
	if !ok || len(detail) == 0 || detail[0] != '{' || detail[len(detail)-1] != '}' || !json.Valid(detail) {
		return false
	}
	b.Detail = detail
	return true
}

// plainString returns how long a string is whose opening quote was read, up to its
// closing one; -1 if there is none, or its bytes are not the string itself.
func plainString(b []byte) int {
	ascii := true
	for i, c := range b {
		switch {
		case c == '"':
			if !ascii && !utf8.Valid(b[:i]) {
				return -1
			}
			return i
		case c < ' ' || c == '\\':
			return -1
		case c >= utf8.RuneSelf:
			ascii = false
		}
	}
	return -1
}
