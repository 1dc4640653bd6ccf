package ocsp_test

import (
	"crypto"
	"io"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/revoke/ocsp"
)

// presigned signs everything with the same bytes, in no time: what is left is the
// encoding.
type presigned struct{ crypto.Signer }

func (presigned) Sign(io.Reader, []byte, crypto.SignerOpts) ([]byte, error) {
	return make([]byte, 71), nil
}

func BenchmarkParseRequest(b *testing.B) {
	p := newPKI(b)
	der := p.ask(b, make([]byte, 32)).Marshal()
	b.ReportAllocs()
	for b.Loop() {
		q, err := ocsp.ParseRequest(der, most)
		if err != nil || !p.names.Issued(q.IDs[0]) {
			b.Fatal(err)
		}
	}
}

func BenchmarkSign(b *testing.B) {
	p := newPKI(b)
	answer := ocsp.Response{ProducedAt: now, Responses: []ocsp.SingleResponse{good(p.ask(b, nil).IDs[0])}, Nonce: make([]byte, 32)}
	for name, signer := range map[string]crypto.Signer{"P-256": p.responder.Signer, "encoding only": presigned{p.responder.Signer}} {
		b.Run(name, func(b *testing.B) {
			r, err := ocsp.NewResponder(p.responder.Certificate, signer)
			require.NoError(b, err)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := r.Sign(answer); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkVerify(b *testing.B) {
	p := newPKI(b)
	q := p.ask(b, make([]byte, 32))
	der := sign(b, p.responder, ocsp.Response{ProducedAt: now, Responses: []ocsp.SingleResponse{good(q.IDs[0])}, Nonce: q.Nonce})
	b.ReportAllocs()
	for b.Loop() {
		if _, err := p.names.Verify(der, q, now); err != nil {
			b.Fatal(err)
		}
	}
}
