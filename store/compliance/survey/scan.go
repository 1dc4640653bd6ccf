package survey

import "unicode/utf8"

// scan reads what a guard's sealer writes: JSON without white space, escapes or anything
// nested but the detail. It reports whether text was that, and else has left anything in a.
// So it reads nearly all records there are, at a fifth of what encoding/json costs;
// whatever it does read, it reads as encoding/json would.
func (a *access) scan(text []byte) bool {
	if !utf8.Valid(text) { // encoding/json mends it
		return false
	}
	s := scanner{text: text, str: string(text)}
	return s.object(a, (*scanner).member) && s.at == len(text)
}

// A scanner stands at a place of a text. Its methods go past what they are named for, and
// report whether it was there; if not, where it stands is of no use.
type scanner struct {
	text []byte
	str  string // the same
	at   int
}

func (s *scanner) member(a *access, name string) bool {
	switch name {
	case "actor":
		return s.string(&a.Actor)
	case "address":
		return s.string(&a.Address)
	case "outcome":
		return s.string(&a.Outcome)
	case "detail":
		return s.object(a, (*scanner).detail)
	}
	return s.other()
}

func (s *scanner) detail(a *access, name string) bool {
	d := &a.Detail
	switch name {
	case "serial":
		return s.string(&d.Serial)
	case "route":
		return s.string(&d.Route)
	case "operation":
		return s.string(&d.Operation)
	case "rule":
		return s.string(&d.Rule)
	case "reason":
		return s.string(&d.Reason)
	case "link":
		return s.string(&d.Link)
	case "number":
		return s.string(&d.Number)
	case "side":
		return s.string(&d.Side)
	case "protocol":
		return s.string(&d.Protocol)
	case "request":
		return s.string(&d.Request)
	case "response":
		return s.string(&d.Response)
	case "begin":
		return s.time(&d.Begin)
	case "end":
		return s.time(&d.End)
	case "since":
		return s.time(&d.Since)
	case "in":
		return s.integer(&d.In)
	case "out":
		return s.integer(&d.Out)
	}
	return s.other()
}

// object calls member at the value of each member.
func (s *scanner) object(a *access, member func(*scanner, *access, string) bool) bool {
	if !s.byte('{') {
		return false
	}
	if s.byte('}') {
		return true
	}
	for {
		var name string
		if !s.name(&name) || !s.byte(':') || !member(s, a, name) {
			return false
		}
		if !s.byte(',') {
			return s.byte('}')
		}
	}
}

func (s *scanner) byte(c byte) bool {
	if s.at == len(s.text) || s.text[s.at] != c {
		return false
	}
	s.at++
	return true
}

// name goes past a name in small letters: encoding/json takes others for the same.
func (s *scanner) name(to *string) bool {
	if !s.string(to) {
		return false
	}
	for i := range len(*to) {
		if c := (*to)[i]; (c < 'a' || c > 'z') && c != '_' {
			return false
		}
	}
	return true
}

func (s *scanner) string(to *string) bool {
	if !s.byte('"') {
		return false
	}
	for i := s.at; i < len(s.text); i++ {
		switch c := s.text[i]; {
		case c == '"':
			*to, s.at = s.str[s.at:i], i+1
			return true
		case c == '\\' || c < ' ':
			return false
		}
	}
	return false
}

// maxDigits is how many digits every int64 has room for.
const maxDigits = 18

func (s *scanner) integer(to *int64) bool {
	minus := s.byte('-')
	begin, n := s.at, int64(0)
	for ; s.at < len(s.text) && '0' <= s.text[s.at] && s.text[s.at] <= '9'; s.at++ {
		if s.at-begin == maxDigits {
			return false
		}
		n = 10*n + int64(s.text[s.at]-'0')
	}
	if s.at == begin || s.text[begin] == '0' && s.at > begin+1 {
		return false
	}
	if *to = n; minus {
		*to = -n
	}
	return true
}

func (s *scanner) time(to interface{ UnmarshalJSON([]byte) error }) bool {
	var text string
	begin := s.at
	return s.string(&text) && to.UnmarshalJSON(s.text[begin:s.at]) == nil
}

// other goes past a value that nothing here asks for.
func (s *scanner) other() bool {
	if s.at < len(s.text) && s.text[s.at] == '"' {
		var text string
		return s.string(&text)
	}
	var n int64
	return s.integer(&n)
}
