package mllp

// A verdict is why the guard answers a message itself. It picks the answer's codes by
// HL7 v2.5.1, Sections 2.9.2.1 and 2.9.3.1, and table 0357.
type verdict int

const (
	notAllowed verdict = iota + 1
	malformed
	badType
	noControlID
	manyMessages
	unrecorded
	unanswered
)

// words are what an answer says. Of letters, digits and blanks only, so that they need
// no escaping.
type words struct {
	application, accept string // MSA-1 in original and in enhanced mode
	field               string // of the header that is wrong; "": none
	code, meaning       string // of table 0357
	text                string
}

func (v verdict) words() words {
	switch v {
	case notAllowed: // the values of MSH-9, and only such a refusal, make it a reject
		return words{"AR", "CR", "9", "200", "Unsupported message type", "this sender may not send this message type"}
	case manyMessages:
		return words{"AR", "CR", "", "100", "Segment sequence error", "several messages in one block are not accepted"}
	case badType:
		return words{"AE", "CE", "9", "102", "Data type error", "the message type cannot be read"}
	case noControlID:
		return words{"AE", "CE", "10", "101", "Required field missing", "the message control ID is missing or too long"}
	case unrecorded: // "unrelated to its content": the sender may try again
		return words{"AR", "CE", "", "207", "Application internal error", "the message cannot be recorded"}
	case unanswered:
		return words{"AE", "CE", "", "207", "Application internal error", "the receiver did not acknowledge the message"}
	}
	return words{"AE", "CE", "", "102", "Data type error", "the message is malformed"}
}

// verdictOf says how to answer a message whose header is bad.
func verdictOf(err error) verdict {
	switch err {
	case errType:
		return badType
	case errControlID:
		return noControlID
	}
	return malformed
}
