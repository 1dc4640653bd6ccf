package enroll

import (
	"context"
	"crypto/rand"
)

type requestIDKey struct{}

// NewRequestID returns a random id of 26 characters for a request.
func NewRequestID() string { return rand.Text() }

// WithRequestID returns a context under which log lines and audit events name
// this request. Besides deadlines it is the only thing that a context carries.
func WithRequestID(ctx context.Context, id string) context.Context {
	return context.WithValue(ctx, requestIDKey{}, id)
}

// RequestID returns the id of the request that ctx belongs to, or "".
func RequestID(ctx context.Context) string {
	id, _ := ctx.Value(requestIDKey{}).(string)
	return id
}
