package revoke_test

import (
	"bytes"
	"crypto/x509"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/ca"
	"github.com/betonica/betonica/enroll/enrolltest"
	"github.com/betonica/betonica/revoke"
	"github.com/betonica/betonica/revoke/crl"
	"github.com/betonica/betonica/revoke/ocsp"
)

// rotated is a world whose second issuer issues, beside the first.
func rotated(t *testing.T) (w *world, next *ca.Authority, old, fresh *x509.Certificate) {
	w = newWorld(t, enrolltest.New(t))
	old, _ = w.enrol("pump-1")
	next = w.NextAuthority()
	require.NoError(t, w.Issuers.Set(next, []*ca.Authority{w.Authority}, nil))
	config := w.Publisher.PublisherConfig
	config.Authority = next
	second, err := revoke.NewPublisher(t.Context(), config)
	require.NoError(t, err)
	w.Publishers.Set([]*revoke.Publisher{second, w.Publisher}, nil)
	require.NoError(t, w.Responder.Refresh(t.Context()))
	fresh, _ = w.enrol("pump-2")
	require.Equal(t, next.Certificate().SubjectKeyId, fresh.AuthorityKeyId)
	return w, next, old, fresh
}

// Each issuer's responder answers for its own certificates: the serial number of one
// was never issued by the other, a request about both is answered in the name of one,
// and the root answers for both intermediates.
func TestIssuersAnswer(t *testing.T) {
	w, next, old, fresh := rotated(t)
	for range 2 { // the second time from the cache
		for _, tt := range []struct {
			issuer, cert *x509.Certificate
			want         ocsp.Status
		}{
			{w.issuing, old, ocsp.Good},
			{next.Certificate(), fresh, ocsp.Good},
			{w.issuing, fresh, ocsp.NeverIssued},
			{next.Certificate(), old, ocsp.NeverIssued},
			{w.root, w.issuing, ocsp.Good},
			{w.root, next.Certificate(), ocsp.Good},
		} {
			single, _ := w.ask(tt.issuer, tt.cert.SerialNumber.Bytes(), nil)
			require.Equal(t, tt.want, single.Status, "%s", tt.cert.Subject)
		}
	}
	_, err := w.Revoker.Identity(t.Context(), root, "device/pump-2", orders)
	require.NoError(t, err)
	single, _ := w.ask(next.Certificate(), fresh.SerialNumber.Bytes(), nil)
	require.Equal(t, ocsp.Revoked, single.Status)
	single, _ = w.ask(w.issuing, old.SerialNumber.Bytes(), nil)
	require.Equal(t, ocsp.Good, single.Status)

	// Who rests is silent, and its intermediate still good.
	require.NoError(t, w.Issuers.Set(next, nil, []*x509.Certificate{w.issuing}))
	require.NoError(t, w.Responder.Refresh(t.Context()))
	i, err := ocsp.NewIssuer(w.issuing)
	require.NoError(t, err)
	req, err := i.NewRequest(old.SerialNumber.Bytes(), nonce())
	require.NoError(t, err)
	body, _ := w.post(req.Marshal())
	require.Equal(t, ocsp.Unauthorized.Response(), body)
	single, _ = w.ask(w.root, w.issuing.SerialNumber.Bytes(), nil)
	require.Equal(t, ocsp.Good, single.Status)
}

// A list names what its own issuer issued, and nothing else; what falls with one
// identity under both issuers is in both, under one number.
func TestIssuersPublish(t *testing.T) {
	w, next, old, fresh := rotated(t)
	h, err := w.Holder(t.Context(), old, home)
	require.NoError(t, err)
	both, err := w.Renew(t.Context(), h, enrolltest.CSR(t, enrolltest.NewKey(t)))
	require.NoError(t, err)
	require.NoError(t, both.CheckSignatureFrom(next.Certificate()))

	second := w.Publishers.Of(next.IssuerID())
	fell, err := w.Revoker.Identity(t.Context(), root, "device/pump-2", orders)
	require.NoError(t, err)
	eventually(t, func() bool { return second.Full().Number > fell.Number }, "the second's list")
	fell, err = w.Revoker.Identity(t.Context(), root, "device/pump-1", orders)
	require.NoError(t, err)
	open := func(of *ca.Authority) *crl.List {
		list, err := crl.Open(w.get("/crl/"+of.IssuerID()+"/full.crl"), of.Certificate())
		require.NoError(t, err)
		return list
	}
	eventually(t, func() bool {
		return second.Full().Number > fell.Number && w.Publisher.Full().Number > fell.Number
	}, "both lists")
	require.Equal(t, []bool{true, false, false}, []bool{has(open(w.Authority), old), has(open(w.Authority), fresh), has(open(w.Authority), both)})
	require.Equal(t, []bool{false, true, true}, []bool{has(open(next), old), has(open(next), fresh), has(open(next), both)})
	require.Equal(t, 3, bytes.Count(w.get("/chain.crl.pem"), []byte("BEGIN X509 CRL")))

	// Whoever rests signs no more; its last list stays, and is not in the chain.
	last, err := w.Store.LatestCRL(t.Context(), w.Authority.IssuerID(), "full")
	require.NoError(t, err)
	kept, err := revoke.OpenDocument(last, w.issuing)
	require.NoError(t, err)
	w.Publishers.Set([]*revoke.Publisher{second}, map[string]*revoke.Document{w.Authority.IssuerID(): kept})
	require.True(t, has(open(w.Authority), old))
	require.Equal(t, 2, bytes.Count(w.get("/chain.crl.pem"), []byte("BEGIN X509 CRL")))
	resp, err := http.Get(w.lists + "/delta.crl")
	require.NoError(t, err)
	resp.Body.Close()
	require.Equal(t, http.StatusNotFound, resp.StatusCode)
}

// A revocation has only the lists of its issuer signed anew.
func TestIssuersDoNotDisturb(t *testing.T) {
	w, next, _, _ := rotated(t)
	second := w.Publishers.Of(next.IssuerID())
	eventually(t, func() bool { // the delta of NewPublisher, and that of Run's begin
		return w.Publisher.Delta().Number > w.Publisher.Full().Number+1
	}, "the first delta of Run")
	before := w.Publisher.Delta().Number
	fell, err := w.Revoker.Identity(t.Context(), root, "device/pump-2", orders)
	require.NoError(t, err)
	eventually(t, func() bool { return second.Full().Number > fell.Number }, "the second's list")
	require.Equal(t, before, w.Publisher.Delta().Number)
}

// The root revokes an intermediate: its list and its answers say so at once, and an
// older statement is not taken any more.
func TestRootRevokes(t *testing.T) {
	w, next, _, _ := rotated(t)
	anchor := w.Publishers.Root()
	ceremony, err := ca.NewRoot(w.root, w.RootKey, nil)
	require.NoError(t, err)
	first, err := revoke.SignRoot(ceremony, anchor.CRL().DER, time.Now())
	require.NoError(t, err)
	serial, err := crl.SerialOf(w.issuing.SerialNumber.Bytes())
	require.NoError(t, err)
	entry := crl.Entry{Serial: serial, RevokedAt: time.Now(), Reason: crl.CACompromise}
	second, err := revoke.SignRoot(ceremony, first.CRL, time.Now(), entry)
	require.NoError(t, err)
	entry.Reason = crl.Superseded
	third, err := revoke.SignRoot(ceremony, second.CRL, time.Now(), entry)
	require.NoError(t, err)

	require.NoError(t, anchor.Replace(second))
	require.Error(t, anchor.Replace(first))
	require.NoError(t, anchor.Replace(third))
	got, revoked := anchor.Revoked(w.issuing)
	require.True(t, revoked)
	require.Equal(t, crl.CACompromise, got.Reason, "the first reason stays")
	_, revoked = anchor.Revoked(next.Certificate())
	require.False(t, revoked)
	single, _ := w.ask(w.root, w.issuing.SerialNumber.Bytes(), nil)
	require.Equal(t, ocsp.Revoked, single.Status)
	single, _ = w.ask(w.root, next.Certificate().SerialNumber.Bytes(), nil)
	require.Equal(t, ocsp.Good, single.Status)
	list, err := crl.Open(w.get("/crl/"+w.Issuers.RootID()+"/full.crl"), w.root)
	require.NoError(t, err)
	require.True(t, has(list, w.issuing))
	require.NoError(t, anchor.Health(time.Now()))
	require.Error(t, anchor.Health(time.Now().Add(2*revoke.RootLifetime)))
}
