package post

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/betonica/betonica/cmd/internal/deliver"
	"github.com/betonica/betonica/store/audit/plain"
)

// excerpt is how much of an answer's text is told of, in bytes.
const excerpt = 200

// Err says what the answer means for one record: nil if it was taken, a
// [*deliver.RefusedError] if it never will be (400, 422), and for anything else an error:
// the receiver's trouble.
func (a *Answer) Err() error { return Verdict(a.Status, a.Body) }

// Verdict is [Answer.Err] of an answer within another one.
func Verdict(status int, body []byte) error {
	said := fmt.Sprint(status)
	if text := http.StatusText(status); text != "" {
		said += " " + text
	}
	if text := strings.TrimSpace(string(body[:min(len(body), 4*excerpt)])); text != "" {
		said += ": " + plain.Clean(text, excerpt)
	}
	switch {
	case status >= 200 && status < 300:
		return nil
	case status == http.StatusBadRequest, status == http.StatusUnprocessableEntity:
		return &deliver.RefusedError{Answer: said}
	case status >= 300 && status < 400:
		return fmt.Errorf("the receiver sends us elsewhere, and we do not go: %s", said)
	case status == http.StatusUnauthorized, status == http.StatusForbidden:
		return fmt.Errorf("the receiver does not let us in: %s", said)
	}
	return fmt.Errorf("the receiver answers %s", said)
}
