package audit

import (
	"bytes"
	"encoding/json"
	"slices"
	"strconv"
)

// A body is the sealed part of an event, as JSON.
type body struct {
	Actor     string         `json:"actor,omitempty"`
	Subject   string         `json:"subject,omitempty"`
	Address   string         `json:"address,omitempty"`
	Outcome   string         `json:"outcome,omitempty"`
	RequestID string         `json:"request_id,omitempty"`
	Detail    map[string]any `json:"detail,omitempty"`
}

func bodyOf(e Event) body {
	return body{e.Actor, e.Subject, e.Address, e.Outcome, e.RequestID, e.Detail}
}

// appendBody appends the sealed part of e to b: the same bytes as encoding/json
// gives for a body, without reflection for what events are made of. On the
// issuing path that is a third of the cost of an entry.
func appendBody(b []byte, e Event) ([]byte, error) {
	start := len(b)
	for _, f := range [...]struct{ name, value string }{
		{`"actor":`, e.Actor},
		{`"subject":`, e.Subject},
		{`"address":`, e.Address},
		{`"outcome":`, e.Outcome},
		{`"request_id":`, e.RequestID},
	} {
		if f.value != "" {
			b = AppendString(append(append(b, ','), f.name...), f.value)
		}
	}
	if len(e.Encoded) > 0 {
		b = append(append(b, `,"detail":`...), e.Encoded...)
	} else if len(e.Detail) > 0 {
		var err error
		if b, err = appendObject(append(b, `,"detail":`...), e.Detail); err != nil {
			return nil, err
		}
	}
	if len(b) == start {
		return append(b, "{}"...), nil
	}
	b[start] = '{' // the first comma
	return append(b, '}'), nil
}

func appendObject(b []byte, m map[string]any) ([]byte, error) {
	keys := make([]string, 0, 16)
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	b = append(b, '{')
	for i, k := range keys {
		if i > 0 {
			b = append(b, ',')
		}
		var err error
		if b, err = appendValue(append(AppendString(b, k), ':'), m[k]); err != nil {
			return nil, err
		}
	}
	return append(b, '}'), nil
}

func appendValue(b []byte, v any) ([]byte, error) {
	switch v := v.(type) {
	case string:
		return AppendString(b, v), nil
	case int:
		return strconv.AppendInt(b, int64(v), 10), nil
	case int64:
		return strconv.AppendInt(b, v, 10), nil
	case bool:
		return strconv.AppendBool(b, v), nil
	}
	text, err := marshal(v)
	return append(b, text...), err
}

// AppendString appends a string as the JSON that [Event.Encoded] has it in.
func AppendString(b []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			text, _ := marshal(s) // a string always marshals
			return append(b, text...)
		}
	}
	b = append(b, '"')
	b = append(b, s...)
	return append(b, '"')
}

// marshal is json.Marshal, but leaves <, > and & as they are.
func marshal(v any) ([]byte, error) {
	var text bytes.Buffer
	e := json.NewEncoder(&text)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(text.Bytes(), []byte("\n")), nil
}
