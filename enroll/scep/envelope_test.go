package scep_test

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/fips140"
	"crypto/rand"
	"crypto/rsa"
	"encoding/asn1"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/enroll"
	"github.com/betonica/betonica/enroll/scep"
)

// post sends a message as it is.
func (w *world) post(q request, want int) {
	w.t.Helper()
	resp, err := http.Post(w.server.URL+scep.Prefix+"device?operation=PKIOperation", "", bytes.NewReader(w.message(q)))
	require.NoError(w.t, err)
	w.body(resp, want)
}

// What was encrypted wrongly is counted like what cannot be read: whoever tries paddings
// has to wait after twenty of them.
func TestManyPaddings(t *testing.T) {
	w := newWorld(t)
	q := w.enrolment(w.Token(enroll.TokenRequest{Role: "device", Name: "pump-1"}))
	q.spoil = func(b []byte) []byte { b = bytes.Clone(b); b[len(b)-17] ^= 0x80; return b }
	for range 20 {
		w.post(q, http.StatusOK)
	}
	w.post(q, http.StatusTooManyRequests)
}

// One message has no more than four keys decrypted.
func TestRecipients(t *testing.T) {
	w := newWorld(t)
	q := w.enrolment(w.Token(enroll.TokenRequest{Role: "device", Name: "pump-1"}))
	q.recipients = 5
	status, reason, _ := w.ask(q, false)
	require.Equal(t, "2 1", status+" "+reason)
	q.recipients = 4
	status, reason, _ = w.ask(q, false)
	require.Equal(t, "0", status, reason)
}

// A message that is signed by a key that is too short is none.
func TestShortKey(t *testing.T) {
	w := newWorld(t)
	var short *rsa.PrivateKey
	var err error
	fips140.WithoutEnforcement(func() { short, err = rsa.GenerateKey(rand.Reader, 1024) })
	require.NoError(t, err)
	q := w.enrolment("")
	q.key, q.csr = short, csrOf(t, short, w.Token(enroll.TokenRequest{Role: "device", Name: "pump-1"}))
	w.post(q, http.StatusBadRequest)
}

// Where RSA's padding is wrong there is no key that anybody could know beforehand: what was
// encrypted under one of zeros is not read, which would tell the one padding from the other.
func TestNoKnownKey(t *testing.T) {
	for _, transport := range transports() {
		testNoKnownKey(t, transport)
	}
}

func testNoKnownKey(t *testing.T, transport asn1.ObjectIdentifier) {
	w := newWorld(t)
	q := w.enrolment(w.Token(enroll.TokenRequest{Role: "device", Name: "pump-1"}))
	q.transport = transport
	q.spoil = func(sealed []byte) []byte {
		var e struct {
			Type asn1.ObjectIdentifier
			Data struct {
				Version    int
				Recipients []struct {
					Version       int
					By, Algorithm asn1.RawValue
					Key           []byte
				} `asn1:"set"`
				Content struct {
					Type      asn1.ObjectIdentifier
					Algorithm struct {
						By asn1.ObjectIdentifier
						IV []byte
					}
					Text asn1.RawValue
				}
			} `asn1:"explicit,tag:0"`
		}
		_, err := asn1.Unmarshal(sealed, &e)
		require.NoError(t, err)
		rand.Read(e.Data.Recipients[0].Key[1:])
		e.Data.Recipients[0].Key[0] = 0 // below the modulus
		block, err := aes.NewCipher(make([]byte, 32))
		require.NoError(t, err)
		pad := aes.BlockSize - len(q.csr)%aes.BlockSize
		text := append(bytes.Clone(q.csr), bytes.Repeat([]byte{byte(pad)}, pad)...)
		cipher.NewCBCEncrypter(block, e.Data.Content.Algorithm.IV).CryptBlocks(text, text)
		e.Data.Content.Text.Bytes, e.Data.Content.Text.FullBytes = text, nil
		forged, err := asn1.Marshal(e)
		require.NoError(t, err)
		return forged
	}
	status, reason, _ := w.ask(q, false)
	require.Equal(t, "2 1", status+" "+reason)
}
