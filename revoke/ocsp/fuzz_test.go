package ocsp_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/revoke/ocsp"
)

// FuzzParseRequest: whatever is sent is refused as malformed, or read as a request
// that keeps every bound and, written by us, is read as the same one again.
func FuzzParseRequest(f *testing.F) {
	for _, c := range slices.Concat(requestCases(), vectors(f)) {
		f.Add(c.der)
	}
	f.Fuzz(func(t *testing.T, der []byte) {
		q, err := ocsp.ParseRequest(der, most)
		if err != nil {
			var malformed *ocsp.MalformedError
			require.ErrorAs(t, err, &malformed)
			return
		}
		require.LessOrEqual(t, len(der), ocsp.MaxRequest)
		require.NotEmpty(t, q.IDs)
		require.LessOrEqual(t, len(q.IDs), most)
		require.LessOrEqual(t, len(q.Nonce), 128)
		require.True(t, q.Nonce == nil || len(q.Nonce) > 0)
		for _, id := range q.IDs {
			require.LessOrEqual(t, len(id.Serial()), 20)
			require.True(t, len(id.Serial()) == 0 || id.Serial()[0] != 0)
		}
		again, err := ocsp.ParseRequest(q.Marshal(), most)
		require.NoError(t, err)
		require.Equal(t, q, again)
	})
}

// FuzzVerify: no answer comes out but the one that the responder signed for this
// certificate, whatever is done to its bytes or put in its place.
func FuzzVerify(f *testing.F) {
	p := newPKI(f)
	q := p.ask(f, nil)
	signed := good(q.IDs[0])
	signed.Status, signed.RevokedAt, signed.Reason = ocsp.Revoked, now.Add(-time.Hour), 1
	never := good(q.IDs[0])
	never.Status = ocsp.NeverIssued
	for _, s := range []ocsp.SingleResponse{signed, never} {
		f.Add(sign(f, p.responder, ocsp.Response{ProducedAt: now, Responses: []ocsp.SingleResponse{s}, Nonce: []byte{1}}))
		f.Add(sign(f, p.issuer, ocsp.Response{ProducedAt: now, Responses: []ocsp.SingleResponse{s}}))
	}
	for _, by := range []party{p.leaf, p.responder} { // the second would say good, but of another certificate
		other, err := p.names.CertID(q.IDs[0].Hash(), []byte{9})
		require.NoError(f, err)
		f.Add(forgery{by: by, responses: [][]byte{single(other)}, extensions: explicit(1, seq(nonceExtension(8)))}.der(f))
	}
	f.Add(ocsp.TryLater.Response())

	f.Fuzz(func(t *testing.T, der []byte) {
		answers, err := p.names.Verify(der, q, now)
		if err != nil {
			var malformed *ocsp.MalformedError
			var status *ocsp.StatusError
			require.True(t, errors.As(err, &malformed) || errors.As(err, &status) || refusal(err), "%v", err)
			return
		}
		require.Len(t, answers, 1)
		require.Contains(t, []ocsp.Status{ocsp.Revoked, ocsp.NeverIssued}, answers[0].Status)
		require.Equal(t, q.IDs[0].Serial(), answers[0].ID.Serial())
		require.True(t, signed.NextUpdate.Equal(answers[0].NextUpdate))
	})
}

// refusal reports whether err is one of those that Verify promises.
func refusal(err error) bool {
	return slices.ContainsFunc([]error{
		ocsp.ErrResponder, ocsp.ErrResponderExpired, ocsp.ErrSignature,
		ocsp.ErrNonce, ocsp.ErrOtherCertificate, ocsp.ErrNotCurrent,
	}, func(want error) bool { return errors.Is(err, want) })
}
