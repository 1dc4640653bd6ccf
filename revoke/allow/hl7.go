package allow

import (
	"fmt"
	"strings"
)

// An HL7Rule names messages of HL7 v2 by their type (MSH-9).
type HL7Rule struct {
	// Messages are message code and trigger event: "ADT^A01"; either may be *, as in
	// "ORU^*", and a code alone is of messages without a trigger event: "ACK".
	Messages []string
}

func (h *HL7Rule) check(c *checker) {
	c.list("hl7.messages", h.Messages, func(s string) error {
		code, event, both := strings.Cut(s, "^")
		ok := messagePart(code)
		if both {
			ok = (ok || code == everything) && (messagePart(event) || event == everything)
		}
		if !ok {
			return fmt.Errorf("%q is not a message such as ADT^A01 or ORU^*", clip(s))
		}
		return nil
	})
}

func messagePart(s string) bool {
	return within(s, func(c byte) bool { return 'A' <= c && c <= 'Z' || digit(c) })
}

func (h *HL7Rule) covers(r *Request) bool {
	code, event, both := strings.Cut(r.Message, "^")
	return messagePart(code) && (!both || messagePart(event)) &&
		some(h.Messages, func(s string) bool { return s == everything || match(s, r.Message, "^") })
}
