package ship

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"
)

// A laterError reports a CA that takes the batch, but not now.
type laterError struct {
	error
	after time.Duration // to wait at least, at most an hour; 0: it did not say
}

func (e *laterError) Unwrap() error { return e.error }

// answered returns what an answer other than 200 means, and what it means for this machine.
func answered(resp *http.Response, text []byte, now time.Time) error {
	var p struct {
		Detail string `json:"detail"`
	}
	json.Unmarshal(text, &p) // if it is no problem document, the status says enough
	err := fmt.Errorf("shipping the journal: the CA answers %d %s: %.300q", resp.StatusCode, http.StatusText(resp.StatusCode), p.Detail)
	switch resp.StatusCode {
	case http.StatusConflict, http.StatusBadRequest:
		return fmt.Errorf("%w: %w", errRefused, err)
	case http.StatusInsufficientStorage:
		err = fmt.Errorf("%w; until it has room the records of this machine are on its own disk alone, and when that is full nobody is let in: have the CA's operator run betonicad doctor", err)
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
	default:
		return err
	}
	return &laterError{err, retryAfter(resp.Header.Get("Retry-After"), now)}
}

// retryAfter reads a number of seconds or a date (RFC 9110, Section 10.2.3). It is an hour
// at most: what stood in the way may be gone before.
func retryAfter(text string, now time.Time) time.Duration {
	if n, err := strconv.ParseUint(text, 10, 64); err == nil {
		return time.Duration(min(n, uint64(hour/time.Second))) * time.Second
	}
	if at, err := http.ParseTime(text); err == nil {
		return min(max(at.Sub(now), 0), hour)
	}
	return 0
}
