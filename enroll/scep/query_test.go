package scep_test

import (
	"bytes"
	"crypto/rand"
	"crypto/x509"
	"encoding/asn1"
	"math/big"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/enroll"
	"github.com/betonica/betonica/enroll/scep"
)

// naming returns an IssuerAndSerialNumber.
func naming(t *testing.T, issuer []byte, serial *big.Int) []byte {
	t.Helper()
	der, err := asn1.Marshal(struct {
		Issuer asn1.RawValue
		Serial *big.Int
	}{asn1.RawValue{FullBytes: issuer}, serial})
	require.NoError(t, err)
	return der
}

// Whoever has a certificate's key gets the certificate again, and nobody gets another one's;
// whatever else is asked for, or cannot be read, has one answer.
func TestGetCert(t *testing.T) {
	w := newWorld(t)
	q := w.enrolment(w.Token(enroll.TokenRequest{Role: "device", Name: "pump-1"}))
	_, _, certs := w.ask(q, false)
	cert := certs[0]
	get := q
	get.kind, get.csr = "21", naming(t, cert.RawIssuer, cert.SerialNumber)
	status, reason, got := w.ask(get, false)
	require.Equal(t, "0", status, reason)
	require.Len(t, got, 2)
	require.Equal(t, cert.Raw, got[0].Raw)

	other := w.enrolment("")
	other.csr, other.key = csrOf(t, keys()[2], w.Token(enroll.TokenRequest{Role: "device", Name: "pump-2"})), keys()[2]
	status, reason, _ = w.ask(other, false)
	require.Equal(t, "0", status, reason)
	for name, change := range map[string]func(*request){
		"a stranger":       func(r *request) { r.key = keys()[3] },
		"another one":      func(r *request) { r.key = keys()[2] },
		"another serial":   func(r *request) { r.csr = naming(t, cert.RawIssuer, big.NewInt(1)) },
		"another issuer":   func(r *request) { r.csr = naming(t, certs[1].RawIssuer, cert.SerialNumber) },
		"more than a name": func(r *request) { r.csr = append(bytes.Clone(r.csr), 0) },
		"no name":          func(r *request) { r.csr = []byte("hello") },
		"nothing to decrypt": func(r *request) {
			r.spoil = func(b []byte) []byte { b = bytes.Clone(b); b[len(b)-17] ^= 0x80; return b }
		},
	} {
		bad := get
		change(&bad)
		status, reason, _ := w.ask(bad, false)
		require.Equal(t, "2 4", status+" "+reason, name)
	}
}

// Whoever signs with a certificate that is good gets the list of its issuer, up to 1 MiB;
// nobody else gets one.
func TestGetCRL(t *testing.T) {
	w := newWorld(t)
	q := w.enrolment(w.Token(enroll.TokenRequest{Role: "device", Name: "pump-1"}))
	_, _, certs := w.ask(q, false)
	cert := certs[0]
	get := q
	get.kind, get.csr, get.signer = "22", naming(t, cert.RawIssuer, cert.SerialNumber), cert
	refused := func(want, why string, change func(*request)) {
		t.Helper()
		bad := get
		change(&bad)
		status, reason, _ := w.ask(bad, false)
		require.Equal(t, "2 "+want, status+" "+reason, why)
	}
	refused("4", "there is none", func(*request) {})
	list, err := x509.CreateRevocationList(rand.Reader, &x509.RevocationList{Number: big.NewInt(7), ThisUpdate: time.Now(), NextUpdate: time.Now().Add(time.Hour)}, w.Authority.Certificate(), w.IssuingKey)
	require.NoError(t, err)
	w.list = list
	status, reason, got := w.ask(get, false)
	require.Equal(t, "0", status, reason)
	require.Empty(t, got)
	require.Len(t, w.lists, 1)
	raw, err := asn1.Marshal(w.lists[0])
	require.NoError(t, err)
	require.Equal(t, list, raw)

	refused("4", "another certificate's", func(r *request) { r.csr = naming(t, cert.RawIssuer, big.NewInt(1)) })
	refused("4", "no name", func(r *request) { r.csr = []byte("hello") })
	refused("2", "a stranger", func(r *request) { r.signer = nil })
	w.list = make([]byte, scep.MaxList+1)
	refused("2", "too long", func(*request) {})
	w.list = list
	w.Advance(time.Until(cert.NotAfter) + time.Minute)
	refused("2", "expired", func(*request) {})
}
