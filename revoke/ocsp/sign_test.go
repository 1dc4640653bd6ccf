package ocsp_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/asn1"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/revoke/ocsp"
)

// signers are one key of each kind that a responder may have.
func signers(t testing.TB) map[string]crypto.Signer {
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	require.NoError(t, err)
	rsaKey, err := rsaKey()
	require.NoError(t, err)
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	return map[string]crypto.Signer{"P-256": key(t, 2), "P-384": p384, "RSA": rsaKey, "Ed25519": ed}
}

// rsaKey is made once: it takes as long as many a test.
var rsaKey = sync.OnceValues(func() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, 2048) })

// What a responder signs, with any kind of key, a relying party reads as it was meant.
func TestSign(t *testing.T) {
	p := newPKI(t)
	nonce := slices.Repeat([]byte{5}, 128)
	q := &ocsp.Request{Nonce: nonce}
	var answers []ocsp.SingleResponse
	for n, hash := range []crypto.Hash{crypto.SHA1, crypto.SHA256, crypto.SHA384, crypto.SHA512} {
		id, err := p.names.CertID(hash, []byte{0x80, byte(n)})
		require.NoError(t, err)
		q.IDs = append(q.IDs, id)
		s := good(id)
		s.Status = ocsp.Status(n + 1)
		if s.Status == ocsp.Revoked {
			s.RevokedAt, s.Reason = now.Add(-time.Hour), 4
		}
		answers = append(answers, s)
	}
	for name, signer := range signers(t) {
		t.Run(name, func(t *testing.T) {
			by := issue(t, &p.issuer, signer, 2, aResponder)
			der := sign(t, by, ocsp.Response{ProducedAt: now, Responses: answers, Nonce: nonce})
			got, err := p.names.Verify(der, q, now)
			require.NoError(t, err)
			require.Equal(t, answers, got)
		})
	}
}

// An answer repeats the CertID's bytes, also where ours would differ.
func TestSignEchoes(t *testing.T) {
	p := newPKI(t)
	der := p.ask(t, nil).Marshal()
	oidEnd := bytes.Index(der, hashOIDs[crypto.SHA256]) + 11
	require.NotEqual(t, null, der[oidEnd:oidEnd+2], "ours has no parameters")
	foreign := slices.Insert(slices.Clone(der), oidEnd, null...) // as openssl writes it
	for _, at := range []int{1, 3, 5, 7, 9, 11} {
		foreign[at] += 2
	}
	q, err := ocsp.ParseRequest(foreign, 1)
	require.NoError(t, err)
	require.True(t, p.names.Issued(q.IDs[0]))
	answer := sign(t, p.responder, ocsp.Response{ProducedAt: now, Responses: []ocsp.SingleResponse{good(q.IDs[0])}})
	require.True(t, bytes.Contains(answer, q.IDs[0].DER()))
	require.True(t, bytes.Contains(q.IDs[0].DER(), null))

	// And a relying party takes one for the other.
	_, err = p.names.Verify(answer, p.ask(t, nil), now)
	require.NoError(t, err)
}

// The answer has extensions only where it needs them (RFC 9919, Section 3.2.1), and
// extended-revoke wherever something was never issued (RFC 6960, Section 4.4.8).
func TestSignExtensions(t *testing.T) {
	p := newPKI(t)
	id := p.ask(t, nil).IDs[0]
	never := good(id)
	never.Status = ocsp.NeverIssued
	for _, tt := range []struct {
		name        string
		answer      ocsp.SingleResponse
		nonce       []byte
		wantNonce   bool
		wantExtends bool
	}{
		{"good", good(id), nil, false, false},
		{"good with nonce", good(id), []byte{1}, true, false},
		{"never issued", never, nil, false, true},
		{"never issued with nonce", never, []byte{1}, true, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			der := sign(t, p.responder, ocsp.Response{ProducedAt: now, Responses: []ocsp.SingleResponse{tt.answer}, Nonce: tt.nonce})
			require.Equal(t, tt.wantNonce, bytes.Contains(der, nonceOID))
			require.Equal(t, tt.wantExtends, bytes.Contains(der, seq(extended, octets(null))))
			last := explicit(0, moment(tt.answer.NextUpdate)) // what the signed part ends with
			require.Equal(t, tt.wantNonce || tt.wantExtends, !bytes.Contains(der, append(last, ecdsaSHA256...)))
		})
	}
}

// On the wire, never issued is a hold since the first second of 1970.
func TestSignNeverIssued(t *testing.T) {
	p := newPKI(t)
	s := good(p.ask(t, nil).IDs[0])
	s.Status = ocsp.NeverIssued
	der := sign(t, p.responder, ocsp.Response{ProducedAt: now, Responses: []ocsp.SingleResponse{s}})
	hold := explicit(1, moment(time.Unix(0, 0).UTC()), explicit(0, tlv(0x0a, []byte{6})))
	require.True(t, bytes.Contains(der, hold))
}

// Only all three signs together mean never issued: a hold is a hold.
func TestVerifyNeverIssued(t *testing.T) {
	p := newPKI(t)
	q := p.ask(t, nil)
	for _, tt := range []struct {
		name     string
		at       time.Time
		reason   byte
		extended bool
		want     ocsp.Status
	}{
		{"never issued", time.Unix(0, 0).UTC(), 6, true, ocsp.NeverIssued},
		{"without the extension", time.Unix(0, 0).UTC(), 6, false, ocsp.Revoked},
		{"for another reason", time.Unix(0, 0).UTC(), 1, true, ocsp.Revoked},
		{"at another time", time.Unix(1, 0).UTC(), 6, true, ocsp.Revoked},
	} {
		t.Run(tt.name, func(t *testing.T) {
			status := explicit(1, moment(tt.at), explicit(0, tlv(0x0a, []byte{tt.reason})))
			f := forgery{by: p.responder, responses: [][]byte{seq(q.IDs[0].DER(), status, moment(now), explicit(0, moment(now)))}}
			if tt.extended {
				f.extensions = explicit(1, seq(extension(extended, octets(null))))
			}
			answers, err := p.names.Verify(f.der(t), q, now)
			require.NoError(t, err)
			require.Equal(t, tt.want, answers[0].Status)
		})
	}
}

// A reason that says nothing is not said (RFC 5280, Section 5.3.1).
func TestSignUnspecified(t *testing.T) {
	p := newPKI(t)
	s := good(p.ask(t, nil).IDs[0])
	s.Status, s.RevokedAt = ocsp.Revoked, now.Add(-time.Hour)
	der := sign(t, p.responder, ocsp.Response{ProducedAt: now, Responses: []ocsp.SingleResponse{s}})
	require.True(t, bytes.Contains(der, explicit(1, moment(s.RevokedAt))))
}

// What would be a wrong or a senseless answer is not signed.
func TestSignRefuses(t *testing.T) {
	p := newPKI(t)
	r, err := ocsp.NewResponder(p.responder.Certificate, p.responder.Signer)
	require.NoError(t, err)
	id := p.ask(t, nil).IDs[0]
	for _, tt := range []struct {
		name  string
		nonce []byte
		edit  func(*ocsp.SingleResponse)
	}{
		{"no status", nil, func(s *ocsp.SingleResponse) { s.Status = 0 }},
		{"status of no kind", nil, func(s *ocsp.SingleResponse) { s.Status = ocsp.Unknown + 1 }},
		{"no certificate", nil, func(s *ocsp.SingleResponse) { s.ID = ocsp.CertID{} }},
		{"no thisUpdate", nil, func(s *ocsp.SingleResponse) { s.ThisUpdate = time.Time{} }},
		{"no nextUpdate", nil, func(s *ocsp.SingleResponse) { s.NextUpdate = time.Time{} }},
		{"nextUpdate before thisUpdate", nil, func(s *ocsp.SingleResponse) { s.NextUpdate = s.ThisUpdate.Add(-time.Second) }},
		{"revoked at no time", nil, func(s *ocsp.SingleResponse) { s.Status = ocsp.Revoked }},
		{"reason 7", nil, func(s *ocsp.SingleResponse) { s.Status, s.RevokedAt, s.Reason = ocsp.Revoked, now, 7 }},
		{"empty nonce", []byte{}, func(*ocsp.SingleResponse) {}},
		{"nonce of 129 octets", make([]byte, 129), func(*ocsp.SingleResponse) {}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := good(id)
			tt.edit(&s)
			_, err := r.Sign(ocsp.Response{ProducedAt: now, Responses: []ocsp.SingleResponse{s}, Nonce: tt.nonce})
			require.Error(t, err)
		})
	}
	_, err = r.Sign(ocsp.Response{ProducedAt: now})
	require.Error(t, err, "no answers")
}

// Only a CA or a certificate made for it becomes a responder, and only with its key.
func TestNewResponderRefuses(t *testing.T) {
	p := newPKI(t)
	_, err := ocsp.NewResponder(p.leaf.Certificate, p.leaf.Signer)
	require.Error(t, err, "a leaf")
	_, err = ocsp.NewResponder(p.responder.Certificate, p.leaf.Signer)
	require.Error(t, err, "another key")
	p521, err := ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	require.NoError(t, err)
	wide := issue(t, &p.issuer, p521, 9, aResponder)
	_, err = ocsp.NewResponder(wide.Certificate, wide.Signer)
	require.Error(t, err, "a curve that we do not have")
}

// The certificate of a delegate comes along; the issuer's own does not.
func TestSignCertificates(t *testing.T) {
	p := newPKI(t)
	id := p.ask(t, nil).IDs[0]
	answer := ocsp.Response{ProducedAt: now, Responses: []ocsp.SingleResponse{good(id)}}
	require.True(t, bytes.Contains(sign(t, p.responder, answer), p.responder.Raw))
	require.False(t, bytes.Contains(sign(t, p.issuer, answer), p.issuer.Raw))
}

// encoding/asn1, a codec of others, takes our answer apart and puts the same bytes
// together again.
func TestSignIsDER(t *testing.T) {
	p := newPKI(t)
	var revoked, never ocsp.SingleResponse = good(p.ask(t, nil).IDs[0]), good(p.ask(t, nil).IDs[0])
	revoked.Status, revoked.RevokedAt, revoked.Reason = ocsp.Revoked, now, 1
	never.Status = ocsp.NeverIssued
	der := sign(t, p.responder, ocsp.Response{
		ProducedAt: now, Nonce: make([]byte, 32),
		Responses: []ocsp.SingleResponse{good(revoked.ID), revoked, never},
	})
	type singleResponse struct {
		CertID struct {
			Hash      struct{ OID asn1.ObjectIdentifier }
			Name, Key []byte
			Serial    int
		}
		Good    asn1.Flag `asn1:"tag:0,optional"`
		Revoked struct {
			At     time.Time       `asn1:"generalized"`
			Reason asn1.Enumerated `asn1:"explicit,tag:0,optional"`
		} `asn1:"tag:1,optional"`
		ThisUpdate time.Time `asn1:"generalized"`
		NextUpdate time.Time `asn1:"generalized,explicit,tag:0"`
	}
	type extension struct {
		OID   asn1.ObjectIdentifier
		Value []byte
	}
	var response struct {
		Status asn1.Enumerated
		Bytes  struct {
			Type asn1.ObjectIdentifier
			Body []byte
		} `asn1:"explicit,tag:0"`
	}
	var basic struct {
		Data struct {
			KeyID      []byte    `asn1:"explicit,tag:2"`
			ProducedAt time.Time `asn1:"generalized"`
			Responses  []singleResponse
			Extensions []extension `asn1:"explicit,tag:1,optional"`
		}
		Algorithm    struct{ OID asn1.ObjectIdentifier }
		Signature    asn1.BitString
		Certificates []asn1.RawValue `asn1:"explicit,tag:0"`
	}
	rest, err := asn1.Unmarshal(der, &response)
	require.NoError(t, err)
	require.Empty(t, rest)
	again, err := asn1.Marshal(response)
	require.NoError(t, err)
	require.Equal(t, der, again)
	rest, err = asn1.Unmarshal(response.Bytes.Body, &basic)
	require.NoError(t, err)
	require.Empty(t, rest)
	again, err = asn1.Marshal(basic)
	require.NoError(t, err)
	require.Equal(t, response.Bytes.Body, again)

	require.Len(t, basic.Data.Responses, 3)
	require.Len(t, basic.Data.Extensions, 2)
	require.True(t, bool(basic.Data.Responses[0].Good))
	require.Equal(t, asn1.Enumerated(6), basic.Data.Responses[2].Revoked.Reason)
	require.Equal(t, p.responder.Raw, basic.Certificates[0].FullBytes)
}
