package revoke

import (
	"context"
	"net/http"
	"time"

	"github.com/betonica/betonica/revoke/ocsp"
)

// ReadOCSP reads a request as ServeHTTP does.
func ReadOCSP(r *http.Request) (*ocsp.Request, error) {
	read := readRequest
	if r.Method == http.MethodGet {
		read = func(r *http.Request) ([]byte, error) { return fromPath(r.URL) }
	}
	der, err := read(r)
	if err != nil {
		return nil, err
	}
	return ocsp.ParseRequest(der, maxAsked)
}

// Rotate gives each issuer's responder a new key now.
func (s *Responder) Rotate(ctx context.Context) error {
	for _, v := range *s.voices.Load() {
		next, err := newDelegate(ctx, s.Store, v.authority)
		if err != nil {
			return err
		}
		v.delegate.Store(next)
	}
	return nil
}

// RenewAt is when the first issuer's responder gets its next key.
func (s *Responder) RenewAt() time.Time { return (*s.voices.Load())[0].delegate.Load().renewAt() }
