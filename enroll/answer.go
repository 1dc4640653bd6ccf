package enroll

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"

	"github.com/betonica/betonica/enroll/api"
	"github.com/betonica/betonica/store"
)

// Chain returns cert and its intermediates in PEM, leaf first, without the root:
// those of whoever issued it, which need not be who issues now.
func (r *Registrar) Chain(cert *x509.Certificate) []byte {
	var b bytes.Buffer
	b.Grow(4 * len(cert.Raw))
	for _, c := range append([]*x509.Certificate{cert}, r.issuers.Chain(cert)...) {
		pem.Encode(&b, &pem.Block{Type: "CERTIFICATE", Bytes: c.Raw}) // a bytes.Buffer takes everything
	}
	return b.Bytes()
}

// Answer returns what the holder of a new certificate is sent. since is the size
// of the newest checkpoint that it holds. The certificate is on record already, so
// a checkpoint that cannot be had is left out, not an error.
func (r *Registrar) Answer(ctx context.Context, cert *x509.Certificate, since int64) api.EnrollResponse {
	resp := api.EnrollResponse{
		Certificate: string(r.Chain(cert)),
		Serial:      store.SerialOf(cert).String(),
		NotAfter:    cert.NotAfter.UTC(),
		RenewAfter:  r.RenewAfter(cert),
		ServerTime:  r.now().UTC(),
	}
	checkpoint, err := r.Checkpoint(ctx, since)
	if err != nil {
		r.log.WarnContext(ctx, "answering without a checkpoint", "err", err, "request", RequestID(ctx))
		return resp
	}
	resp.Checkpoint = checkpoint
	return resp
}

// Checkpoint returns the log's newest signed checkpoint, with the proof that it
// extends the tree of size since; nil while there is none. If since is 0, or larger
// than the log is, there is no proof: the caller then knows that we lied, or lost
// something, before. If we lost something and said so, that comes along.
func (r *Registrar) Checkpoint(ctx context.Context, since int64) (*api.Checkpoint, error) {
	newest, err := r.store.LatestCheckpoint(ctx)
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	c := &api.Checkpoint{Note: newest.Note, Key: r.logKey, Since: since}
	if since <= 0 {
		return c, nil
	}
	if since < newest.Size {
		if c.Proof, err = r.proof(ctx, since, newest.Size); err != nil {
			return nil, err
		}
	}
	if last, ok := r.store.LastRecovery(); ok && last.Size < since && last.Size <= newest.Size {
		c.Recovery = &api.Recovery{Note: last.Note}
		c.Recovery.Proof, err = r.proof(ctx, last.Size, newest.Size)
	}
	return c, err
}

func (r *Registrar) proof(ctx context.Context, since, size int64) (proof []string, err error) {
	hashes, err := r.store.ConsistencyProof(ctx, since, size)
	for _, hash := range hashes {
		proof = append(proof, base64.StdEncoding.EncodeToString(hash[:]))
	}
	return proof, err
}
