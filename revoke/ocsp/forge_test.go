package ocsp_test

import (
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"encoding/asn1"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/ca/sha1name"
	"github.com/betonica/betonica/revoke/ocsp"
)

// A forgery is an answer built piece by piece, so that any piece can be wrong.
type forgery struct {
	by          party    // whose key signs
	responderID []byte   // DER; nil: by's key
	version     []byte   // DER; nil: none
	responses   [][]byte // DER of each SingleResponse
	extensions  []byte   // DER under [1]; nil: none
	algorithm   []byte   // DER; nil: ECDSA with SHA-256
	certs       []byte   // DER under [0]; nil: by's certificate; empty: none
	more        []byte   // DER after tbsResponseData's last element
	tail        []byte   // DER after the certificates
	kind        []byte   // DER of responseType; nil: basic
}

var ecdsaSHA256 = seq(oid("\x2a\x86\x48\xce\x3d\x04\x03\x02"))

func (f forgery) der(t testing.TB) []byte {
	if f.responderID == nil {
		f.responderID = byKey(t, f.by.Certificate)
	}
	if f.algorithm == nil {
		f.algorithm = ecdsaSHA256
	}
	if f.certs == nil {
		f.certs = explicit(0, seq(f.by.Raw))
	}
	if f.kind == nil {
		f.kind = basicOID
	}
	tbs := seq(f.version, f.responderID, moment(now), seq(f.responses...), f.extensions, f.more)
	signature, err := crypto.SignMessage(f.by.Signer, rand.Reader, tbs, crypto.SHA256)
	require.NoError(t, err)
	basic := seq(tbs, f.algorithm, tlv(3, []byte{0}, signature), f.certs, f.tail)
	return seq(tlv(0x0a, []byte{0}), explicit(0, seq(f.kind, octets(basic))))
}

func byKey(t testing.TB, c *x509.Certificate) []byte {
	var spki struct {
		Algorithm asn1.RawValue
		Key       asn1.BitString
	}
	_, err := asn1.Unmarshal(c.RawSubjectPublicKeyInfo, &spki)
	require.NoError(t, err)
	s := sha1name.Of(spki.Key.Bytes)
	return explicit(2, octets(s[:]))
}

func moment(at time.Time) []byte { return tlv(0x18, []byte(at.Format("20060102150405Z"))) }

// single is a good one about id, with what may come after nextUpdate.
func single(id ocsp.CertID, more ...[]byte) []byte {
	return seq(append([][]byte{id.DER(), {0x80, 0}, moment(now.Add(-time.Minute)), explicit(0, moment(now.Add(time.Minute)))}, more...)...)
}
