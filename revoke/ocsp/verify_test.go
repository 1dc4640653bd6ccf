package ocsp_test

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"crypto/x509/pkix"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/revoke/ocsp"
)

// Only the issuer, and the responder that it authorized itself, can say "good"; for
// the certificate that was asked about, in time, and to whom asked.
func TestVerify(t *testing.T) {
	p := newPKI(t)
	nonce := slices.Repeat([]byte{7}, 32)
	q := p.ask(t, nonce)
	id := q.IDs[0]
	otherCA := issue(t, nil, key(t, 20), 1, aCA) // the same name, another key
	sameKey := issue(t, nil, key(t, 1), 28, aCA) // the same key, another name
	sibling := issue(t, &p.issuer, key(t, 21), 21, aClient)
	sub := issue(t, &p.issuer, key(t, 22), 22, aCA)
	root := issue(t, nil, key(t, 29), 29, aCA)

	signedBy := func(by party) []byte {
		return forgery{by: by, responses: [][]byte{single(id)}, extensions: explicit(1, seq(nonceExtension(32)))}.der(t)
	}
	delegate := func(issuer party, edit func(*x509.Certificate)) []byte {
		return signedBy(issue(t, &issuer, key(t, 30), 30, func(c *x509.Certificate) { aResponder(c); edit(c) }))
	}
	unchanged := func(*x509.Certificate) {}
	answer := func(by party, n []byte, s ocsp.SingleResponse) []byte {
		return sign(t, by, ocsp.Response{ProducedAt: now, Nonce: n, Responses: []ocsp.SingleResponse{s}})
	}
	with := func(edit func(*ocsp.SingleResponse)) []byte {
		s := good(id)
		edit(&s)
		return answer(p.responder, nonce, s)
	}
	about := func(issuer party, serial []byte, hash crypto.Hash) []byte {
		names, err := ocsp.NewIssuer(issuer.Certificate)
		require.NoError(t, err)
		other, err := names.CertID(hash, serial)
		require.NoError(t, err)
		return answer(p.responder, nonce, good(other))
	}
	genuine := answer(p.responder, nonce, good(id))

	for _, tt := range []struct {
		name string
		der  []byte
		want error // nil: good
	}{
		{"the responder", genuine, nil},
		{"the issuer itself", answer(p.issuer, nonce, good(id)), nil},
		{"the forger's tools, in the right hands", signedBy(p.responder), nil},
		{"the issuer, named by its subject", forgery{by: p.issuer, responderID: explicit(1, p.issuer.RawSubject), responses: [][]byte{single(id)}, extensions: explicit(1, seq(nonceExtension(32)))}.der(t), nil},
		{"the responder, named by its subject", forgery{by: p.responder, responderID: explicit(1, p.responder.RawSubject), responses: [][]byte{single(id)}, extensions: explicit(1, seq(nonceExtension(32)))}.der(t), nil},
		{"thisUpdate 5 minutes ahead", with(func(s *ocsp.SingleResponse) {
			s.ThisUpdate = now.Add(5 * time.Minute)
			s.NextUpdate = now.Add(time.Hour)
		}), nil},
		{"nextUpdate now", with(func(s *ocsp.SingleResponse) { s.NextUpdate = now }), nil},

		{"the leaf itself, revoked", signedBy(p.leaf), ocsp.ErrResponder},
		{"a sibling", signedBy(sibling), ocsp.ErrResponder},
		{"the leaf itself, without its certificate", forgery{by: p.leaf, certs: []byte{}, responses: [][]byte{single(id)}}.der(t), ocsp.ErrResponder},
		{"the leaf, under the responder's name", forgery{by: p.leaf, responderID: byKey(t, p.responder.Certificate), certs: explicit(0, seq(p.responder.Raw)), responses: [][]byte{single(id)}}.der(t), ocsp.ErrSignature},
		{"the leaf, under the issuer's name", forgery{by: p.leaf, responderID: byKey(t, p.issuer.Certificate), responses: [][]byte{single(id)}}.der(t), ocsp.ErrSignature},
		{"another CA of the same name", signedBy(otherCA), ocsp.ErrResponder},
		{"another CA, named by that name", forgery{by: otherCA, responderID: explicit(1, otherCA.RawSubject), responses: [][]byte{single(id)}}.der(t), ocsp.ErrSignature},
		{"a responder of another CA of the same name", delegate(otherCA, unchanged), ocsp.ErrResponder},
		{"a responder of another CA with the same key", delegate(sameKey, unchanged), ocsp.ErrResponder},
		{"a responder of another CA", delegate(root, unchanged), ocsp.ErrResponder},
		{"a responder of a CA below the issuer", delegate(sub, unchanged), ocsp.ErrResponder},
		{"a responder that signed its own certificate", signedBy(issue(t, nil, key(t, 30), 30, aResponder)), ocsp.ErrResponder},
		{"a responder that expired", delegate(p.issuer, func(c *x509.Certificate) { c.NotAfter = now.Add(-time.Second) }), ocsp.ErrResponderExpired},
		{"a responder of tomorrow", delegate(p.issuer, func(c *x509.Certificate) { c.NotBefore = now.Add(time.Minute) }), ocsp.ErrResponderExpired},
		{"a certificate for any usage", delegate(p.issuer, func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageAny} }), ocsp.ErrResponder},
		{"a responder whose key does not sign", delegate(p.issuer, func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageKeyEncipherment }), ocsp.ErrResponder},
		{"a responder with an unknown critical extension", delegate(p.issuer, func(c *x509.Certificate) {
			c.ExtraExtensions = append(c.ExtraExtensions, pkix.Extension{Id: []int{1, 2, 3}, Critical: true, Value: []byte{5, 0}})
		}), ocsp.ErrResponder},

		{"another serial number", about(p.issuer, []byte{99}, crypto.SHA256), ocsp.ErrOtherCertificate},
		{"the same serial number of another issuer", about(otherCA, id.Serial(), crypto.SHA256), ocsp.ErrOtherCertificate},
		{"the same serial number of another issuer with the same key", about(sameKey, id.Serial(), crypto.SHA256), ocsp.ErrOtherCertificate},
		{"another hash than asked", about(p.issuer, id.Serial(), crypto.SHA1), ocsp.ErrOtherCertificate},

		{"no nonce", answer(p.responder, nil, good(id)), ocsp.ErrNonce},
		{"another nonce", answer(p.responder, bytes.Repeat([]byte{8}, 32), good(id)), ocsp.ErrNonce},
		{"a part of the nonce", answer(p.responder, nonce[:31], good(id)), ocsp.ErrNonce},

		{"nextUpdate a second ago", with(func(s *ocsp.SingleResponse) { s.NextUpdate = now.Add(-time.Second) }), ocsp.ErrNotCurrent},
		{"thisUpdate 5 minutes and a second ahead", with(func(s *ocsp.SingleResponse) {
			s.ThisUpdate = now.Add(5*time.Minute + time.Second)
			s.NextUpdate = now.Add(time.Hour)
		}), ocsp.ErrNotCurrent},
		{"no nextUpdate", forgery{by: p.responder, responses: [][]byte{seq(id.DER(), []byte{0x80, 0}, moment(now))}, extensions: explicit(1, seq(nonceExtension(32)))}.der(t), ocsp.ErrNotCurrent},

		{"one bit of the signed part changed", flip(genuine, bytes.Index(genuine, id.DER())+60), ocsp.ErrSignature},
		{"one bit of the signature changed", flip(genuine, len(genuine)-len(p.responder.Raw)-20), ocsp.ErrSignature},
	} {
		t.Run(tt.name, func(t *testing.T) {
			answers, err := p.names.Verify(tt.der, q, now)
			if tt.want != nil {
				require.ErrorIs(t, err, tt.want)
				require.Nil(t, answers)
				return
			}
			require.NoError(t, err)
			require.Len(t, answers, 1)
			require.Equal(t, ocsp.Good, answers[0].Status)
		})
	}
}

// flip returns der with one bit changed.
func flip(der []byte, at int) []byte {
	der = slices.Clone(der)
	der[at] ^= 1
	return der
}

// A responder may answer more than was asked, and in any order: each question finds
// its own answer.
func TestVerifyFindsEach(t *testing.T) {
	p := newPKI(t)
	var q ocsp.Request
	var all []ocsp.SingleResponse
	for n := range byte(4) {
		id, err := p.names.CertID(crypto.SHA256, []byte{n + 1})
		require.NoError(t, err)
		s := good(id)
		if n == 2 {
			s.Status, s.RevokedAt, s.Reason = ocsp.Revoked, now.Add(-time.Hour), 1
		}
		all = append([]ocsp.SingleResponse{s}, all...)
		if n != 0 {
			q.IDs = append(q.IDs, id)
		}
	}
	der := sign(t, p.responder, ocsp.Response{ProducedAt: now, Responses: all})
	answers, err := p.names.Verify(der, &q, now)
	require.NoError(t, err)
	require.Len(t, answers, 3)
	for i, a := range answers {
		require.Equal(t, q.IDs[i].Serial(), a.ID.Serial())
		require.Equal(t, i == 1, a.Status == ocsp.Revoked)
	}
	require.Equal(t, 1, answers[1].Reason)
	require.True(t, now.Add(-time.Hour).Equal(answers[1].RevokedAt))

	// One question without an answer spoils the rest.
	missing, err := p.names.CertID(crypto.SHA256, []byte{77})
	require.NoError(t, err)
	q.IDs = append(q.IDs, missing)
	_, err = p.names.Verify(der, &q, now)
	require.ErrorIs(t, err, ocsp.ErrOtherCertificate)
}

// A reply without an answer says why, and that is no answer.
func TestVerifyStatus(t *testing.T) {
	p := newPKI(t)
	for _, s := range []ocsp.ErrorStatus{ocsp.Malformed, ocsp.InternalError, ocsp.TryLater, ocsp.SigRequired, ocsp.Unauthorized} {
		require.Len(t, s.Response(), 5)
		_, err := p.names.Verify(s.Response(), p.ask(t, nil), now)
		var status *ocsp.StatusError
		require.ErrorAs(t, err, &status)
		require.Equal(t, s, status.Status)
	}
}

// Anything but a well-formed answer is malformed, also where the right key signed it.
func TestVerifyMalformed(t *testing.T) {
	p := newPKI(t)
	q := p.ask(t, nil)
	id := q.IDs[0]
	one := single(id)
	exts := func(e ...[]byte) []byte { return explicit(1, seq(e...)) }
	by := func(f forgery) []byte {
		f.by = p.responder
		if f.responses == nil {
			f.responses = [][]byte{one}
		}
		return f.der(t)
	}
	revoked := func(parts ...[]byte) []byte {
		return by(forgery{responses: [][]byte{seq(id.DER(), explicit(1, parts...), moment(now), explicit(0, moment(now)))}})
	}
	at := func(text string) []byte {
		return by(forgery{responses: [][]byte{seq(id.DER(), []byte{0x80, 0}, tlv(0x18, []byte(text)), explicit(0, moment(now)))}})
	}
	genuine := by(forgery{})
	_, err := p.names.Verify(genuine, q, now)
	require.NoError(t, err)

	for _, tt := range []struct {
		name string
		der  []byte
	}{
		{"nothing", nil},
		{"garbage", []byte("<html>")},
		{"truncated", genuine[:len(genuine)-1]},
		{"trailing octet", append(slices.Clone(genuine), 0)},
		{"trailing octet after an error", []byte{0x30, 3, 0x0a, 1, 1, 0}},
		{"error with an answer", seq(tlv(0x0a, []byte{1}), explicit(0, seq(basicOID, octets(seq()))))},
		{"success without an answer", seq(tlv(0x0a, []byte{0}))},
		{"status of two octets", seq(tlv(0x0a, []byte{1, 1}))},
		{"another responseType", by(forgery{kind: otherOID})},
		{"version v1, which is the default", by(forgery{version: explicit(0, tlv(2, []byte{0}))})},
		{"no responses", by(forgery{responses: [][]byte{{}}})},
		{"an answer twice", by(forgery{responses: [][]byte{one, one}})},
		{"unknown critical extension", by(forgery{extensions: exts(extension(otherOID, isTrue, octets(null)))})},
		{"unknown critical single extension", by(forgery{responses: [][]byte{single(id, exts(extension(otherOID, isTrue, octets(null))))}})},
		{"extended-revoke not NULL", by(forgery{extensions: exts(extension(extended, octets(isTrue)))})},
		{"nonce of 129 octets", by(forgery{extensions: exts(nonceExtension(129))})},
		{"byKey of 19 octets", by(forgery{responderID: explicit(2, octets(make([]byte, 19)))})},
		{"more in the signed part", by(forgery{more: null})},
		{"more after the certificates", by(forgery{tail: null})},
		{"more in an answer", by(forgery{responses: [][]byte{single(id, null)}})},
		{"more in a revocation", revoked(moment(now), null)},
		{"unknown algorithm", by(forgery{algorithm: seq(otherOID)})},
		{"ECDSA with NULL", by(forgery{algorithm: seq(oid("\x2a\x86\x48\xce\x3d\x04\x03\x02"), null)})},
		{"certificate that does not parse", by(forgery{certs: explicit(0, seq(seq(null)))})},
		{"nine certificates", by(forgery{certs: explicit(0, seq(slices.Repeat(p.responder.Raw, 9)))})},
		{"good with contents", by(forgery{responses: [][]byte{seq(id.DER(), []byte{0x80, 1, 0}, moment(now), explicit(0, moment(now)))}})},
		{"status of no kind", by(forgery{responses: [][]byte{seq(id.DER(), []byte{0x83, 0}, moment(now), explicit(0, moment(now)))}})},
		{"reason 7", revoked(moment(now), explicit(0, tlv(0x0a, []byte{7})))},
		{"reason 11", revoked(moment(now), explicit(0, tlv(0x0a, []byte{11})))},
		{"revoked at no time", revoked()},
		{"time with a fraction", at("20261122120000.5Z")},
		{"time without seconds", at("202611221200Z")},
		{"time with an offset", at("20261122120000+0100")},
		{"the 30th of February", at("20260230120000Z")},
	} {
		t.Run(tt.name, func(t *testing.T) {
			answers, err := p.names.Verify(tt.der, q, now)
			var malformed *ocsp.MalformedError
			require.ErrorAs(t, err, &malformed)
			require.Nil(t, answers)
		})
	}
}
