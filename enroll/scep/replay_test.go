package scep_test

import (
	"bytes"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/enroll"
	"github.com/betonica/betonica/enroll/enrolltest"
	"github.com/betonica/betonica/enroll/scep"
	"github.com/betonica/betonica/store"
)

// renewal is a good request for the key of that number.
func (w *world) renewal(signer *x509.Certificate, key, next int) request {
	q := w.enrolment("")
	q.kind, q.csr, q.signer, q.key = "17", csrOf(w.t, keys()[next], ""), signer, keys()[key]
	return q
}

// Messages go over HTTP, where anybody sees them and can send them again. That gets him
// nothing, and never makes the machine suspect that sent them first.
func TestReplay(t *testing.T) {
	w := newWorld(t)
	first := w.enrolment(w.Token(enroll.TokenRequest{Role: "device", Name: "pump-1", TTL: 2 * time.Hour}))
	_, _, one := w.ask(first, false)
	_, _, two := w.ask(w.renewal(one[0], 1, 2), false)
	_, _, three := w.ask(w.renewal(two[0], 2, 3), false)
	require.Len(t, three, 2)
	for range 2 {
		status, reason, certs := w.ask(w.renewal(one[0], 1, 2), false)
		require.Equal(t, "0", status, reason)
		require.Equal(t, two[0].Raw, certs[0].Raw)
	}
	w.Advance(11 * time.Minute)
	status, _, _ := w.ask(first, false)
	require.Equal(t, "2", status)
	require.Empty(t, w.Audit("certificate.fork"))
	require.Empty(t, w.Audit("token.reuse"))
	require.False(t, w.Identity("device/pump-1").Suspect)

	// Another key is another matter.
	other := w.enrolment("")
	other.csr, other.key = csrOf(t, keys()[0], challengeOf(t, first.csr)), keys()[0]
	status, _, _ = w.ask(other, false)
	require.Equal(t, "2", status)
	require.Len(t, w.Audit("token.reuse"), 1)
}

// After it has expired a certificate is good for a new key as long as its role says, with
// an alarm, and once.
func TestLate(t *testing.T) {
	w := newWorld(t)
	set := func(policy string) {
		_, err := w.Policies.Set(t.Context(), enrolltest.Root, "policy.toml", []byte(policy), enroll.AnyVersion)
		require.NoError(t, err)
	}
	_, _, one := w.ask(w.enrolment(w.Token(enroll.TokenRequest{Role: "device", Name: "pump-1"})), false)
	w.Advance(36 * time.Hour)
	status, reason, _ := w.ask(w.renewal(one[0], 1, 2), false)
	require.Equal(t, "2 2", status+" "+reason, "no grace")
	set("[role.device]\ngrace = '48h'\n")
	status, reason, _ = w.ask(w.renewal(one[0], 1, 1), false)
	require.Equal(t, "2 2", status+" "+reason, "the old key")
	status, reason, two := w.ask(w.renewal(one[0], 1, 2), false)
	require.Equal(t, "0", status, reason)
	require.Equal(t, one[0].URIs, two[0].URIs)
	alarms := len(w.Audit("certificate.late"))
	_, _, again := w.ask(w.renewal(one[0], 1, 2), false)
	require.Equal(t, two[0].Raw, again[0].Raw)
	require.Len(t, w.Audit("certificate.late"), alarms, "sent again by whoever")
	require.False(t, w.Identity("device/pump-1").Suspect)
	status, _, _ = w.ask(w.renewal(one[0], 1, 3), false)
	require.Equal(t, "2", status, "two keys after one that has expired")
	require.True(t, w.Identity("device/pump-1").Suspect)
	w.Advance(40 * time.Hour)
	status, reason, _ = w.ask(w.renewal(one[0], 1, 2), false)
	require.Equal(t, "2 2", status+" "+reason, "too late")
}

// Only a certificate of ours that is good, and of that role, is followed on, and not by a
// request that somebody else has made to begin with.
func TestRenewalRefused(t *testing.T) {
	w, other := newWorld(t), newWorld(t)
	token := w.Token(enroll.TokenRequest{Role: "device", Name: "pump-2"})
	_, _, one := w.ask(w.enrolment(w.Token(enroll.TokenRequest{Role: "device", Name: "pump-1"})), false)
	_, _, foreign := other.ask(other.enrolment(other.Token(enroll.TokenRequest{Role: "device", Name: "pump-1"})), false)
	gateway, err := w.Enroll(t.Context(), w.Token(enroll.TokenRequest{Role: "gateway", Name: "gw-1"}), netipHome, enrolltest.CSR(t, keys()[3]))
	require.NoError(t, err)
	forged := *one[0]
	forged.PublicKey, forged.SignatureAlgorithm = nil, x509.UnknownSignatureAlgorithm
	der, err := x509.CreateCertificate(rand.Reader, &forged, &forged, keys()[2].Public(), keys()[2])
	require.NoError(t, err)
	liar, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	stolen := w.renewal(one[0], 1, 2)
	stolen.csr = csrOf(t, keys()[2], token)
	for name, q := range map[string]request{
		"of another CA":        w.renewal(foreign[0], 1, 2),
		"of another role":      w.renewal(gateway, 3, 2),
		"that says it is ours": w.renewal(liar, 2, 2),
		"another one's CSR":    stolen,
	} {
		status, reason, _ := w.ask(q, false)
		require.Equal(t, "2 2", status+" "+reason, name)
	}
	_, err = w.Suspend(t.Context(), enrolltest.Root, "device/pump-1")
	require.NoError(t, err)
	status, reason, _ := w.ask(w.renewal(one[0], 1, 2), false)
	require.Equal(t, "2 2", status+" "+reason, "suspended")
	_, err = w.Resume(t.Context(), enrolltest.Root, "device/pump-1")
	require.NoError(t, err)
	_, err = w.Enroll(t.Context(), w.Token(enroll.TokenRequest{Role: "device", Name: "pump-1", Replace: true}), netipHome, enrolltest.CSR(t, enrolltest.NewKey(t)))
	require.NoError(t, err)
	status, reason, _ = w.ask(w.renewal(one[0], 1, 2), false)
	require.Equal(t, "2 2", status+" "+reason, "revoked")
	require.Equal(t, store.Pending, w.Identity("device/pump-2").State)
}

// A device without a clock may sign with a certificate of its own that is out of time; and
// what a transaction is called must be fit to be sent back.
func TestOddities(t *testing.T) {
	w := newWorld(t)
	q := w.enrolment(w.Token(enroll.TokenRequest{Role: "device", Name: "pump-1"}))
	for _, bad := range []string{"a\nb", "zo\u00eb", string(bytes.Repeat([]byte("x"), 257))} {
		q.transaction = bad
		resp, err := http.Post(w.server.URL+scep.Prefix+"device?operation=PKIOperation", "", bytes.NewReader(w.message(q)))
		require.NoError(t, err)
		w.body(resp, http.StatusBadRequest)
	}
	q.transaction = ""
	old := &x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "device"}, NotBefore: time.Unix(0, 0), NotAfter: time.Unix(86400, 0)}
	der, err := x509.CreateCertificate(rand.Reader, old, old, q.key.Public(), q.key)
	require.NoError(t, err)
	q.signer, err = x509.ParseCertificate(der)
	require.NoError(t, err)
	status, reason, _ := w.ask(q, false)
	require.Equal(t, "0", status, reason)
}
