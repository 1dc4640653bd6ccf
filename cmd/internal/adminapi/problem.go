package adminapi

import (
	"errors"
	"fmt"
)

// ErrUnreachable says that no answer came from the daemon: it is not running,
// or not where the client looked. Trying again may help.
var ErrUnreachable = errors.New("the daemon cannot be reached")

// A Problem is the daemon's answer to a request that it did not fulfil: a
// problem document, RFC 9457.
type Problem struct {
	// Type tells problems of one status apart; it is stable.
	Type   string `json:"type"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	// Detail is for people.
	Detail   string `json:"detail,omitempty"`
	Instance string `json:"instance,omitempty"`
	// RequestID finds the request in the daemon's log and in the audit log.
	RequestID string `json:"request_id,omitempty"`
}

func (p *Problem) Error() string {
	text := p.Detail
	if text == "" {
		text = p.Title
	}
	if p.RequestID == "" {
		return text
	}
	return fmt.Sprintf("%s (request id %s)", text, p.RequestID)
}
