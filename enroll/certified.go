package enroll

import (
	"context"
	"crypto/x509"
)

// Certified returns the newest certificate for the public key with this SHA-256, revoked or
// not, or nil if there is none. It is for whoever has shown to have the key. It is one or
// two reads.
func (r *Registrar) Certified(ctx context.Context, key [32]byte) (*x509.Certificate, error) {
	found, err := r.byKey(ctx, key)
	if found == nil || err != nil {
		return nil, err
	}
	return found.Certificate.X509()
}
