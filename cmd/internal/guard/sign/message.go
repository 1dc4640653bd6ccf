package sign

import (
	"errors"
	"net/http"
	"strings"
)

// A Message is what of a request can be signed.
type Message struct {
	Method    string
	Authority string // Host, or :authority
	Path      string // as it is sent, encoded
	Query     string // as it is sent, without the question mark
	Header    http.Header
}

// ErrInvalid is for a signature that is not there, not of the right form, not by that
// key, not of that message, or not of now.
var ErrInvalid = errors.New("signature is missing or invalid")

// base builds what is signed (RFC 9421, Section 2.5).
func (m Message) base(in Input) (string, error) {
	var b strings.Builder
	for i, name := range in.Components {
		for _, before := range in.Components[:i] {
			if before == name {
				return "", ErrInvalid
			}
		}
		value, ok := m.component(name)
		if !ok {
			return "", ErrInvalid
		}
		b.WriteString(`"` + name + `": ` + value + "\n")
	}
	b.WriteString(`"@signature-params": ` + in.text)
	return b.String(), nil
}

// component returns the value of one (RFC 9421, Section 2.1 and 2.2).
func (m Message) component(name string) (string, bool) {
	switch name {
	case "@method":
		return m.Method, true
	case "@authority":
		host := strings.ToLower(m.Authority)
		return strings.TrimSuffix(host, ":443"), true
	case "@path":
		if m.Path == "" {
			return "/", true
		}
		return m.Path, true
	case "@query":
		return "?" + m.Query, true
	}
	values := m.Header[http.CanonicalHeaderKey(name)]
	if len(values) == 0 || strings.HasPrefix(name, "@") || name != strings.ToLower(name) {
		return "", false
	}
	trimmed := make([]string, len(values))
	for i, v := range values {
		if strings.ContainsAny(v, "\r\n") {
			return "", false
		}
		trimmed[i] = strings.Trim(v, " \t")
	}
	return strings.Join(trimmed, ", "), true
}
