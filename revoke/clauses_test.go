package revoke_test

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"encoding/asn1"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/ca/sha1name"
	"github.com/betonica/betonica/enroll/enrolltest"
	"github.com/betonica/betonica/revoke"
	"github.com/betonica/betonica/revoke/ocsp"
)

// What the RFCs ask of an OCSP responder, a row for each clause, over HTTP. How the
// answers travel is in TestHTTPClauses.
func TestClauses(t *testing.T) {
	c := newClauses(t)
	for _, row := range []struct {
		clause, demand string
		meet           func(*testing.T, *clauses)
	}{
		{"RFC 6960, Section 4.1.1", "1 to 64 requests are answered together, in their order", meetTogether},
		{"RFC 6960, Section 4.1.1", "65 requests are malformed", meetTooMany},
		{"RFC 9654, Section 2.1", "a nonce of 1 to 128 octets is echoed", meetNonce},
		{"RFC 9654, Section 2.1", "a nonce of 0 or 129 octets is malformed", meetBadNonce},
		{"RFC 6960, Section 4.4", "an unknown extension is passed over, a critical one malformed", meetExtension},
		{"RFC 9919, Section 3.1.2", "requestorName in an unsigned request is as if absent", meetRequestorName},
		{"RFC 9919, Section 3.1.2", "a request that carries a signature is answered", meetSignedRequest},
		{"RFC 9919, Section 3.1.1", "CertIDs by SHA-1, 256, 384 and 512 are known, and echoed byte for byte", meetHashes},
		{"RFC 6960, Section 2.2", "never issued is revoked, certificateHold, 1970, with extended-revoke", meetNeverIssued},
		{"RFC 6960, Section 4.4.8", "extended-revoke is not in an answer that has no need of it", meetNoExtendedRevoke},
		{"RFC 9919, Section 3.2.3", "a foreign issuer's certificate is unauthorized, unsigned", meetForeign},
		{"RFC 9919, Section 3.2.3", "what has expired is still on record, and answered", meetExpired},
		{"RFC 9919, Section 3.2.3", "what was purged is unauthorized, and its revocation goes on being said", meetPurged},
		{"RFC 6960, Section 4.2.2.2", "the root's own responder answers for the intermediate", meetIntermediate},
		{"RFC 6960, Section 4.2.2.2", "one signature speaks for one issuer: the other's certificate is unknown", meetTwoIssuers},
		{"RFC 9919, Section 3.2.1", "id-pkix-ocsp-basic, of version 1, without responseExtensions", meetPlain},
		{"RFC 9919, Section 3.2.2", "the responder is named by SHA-1 of its key", meetByKey},
		{"RFC 9919, Section 3.2.2", "the delegate is in certs, short-lived, with nocheck, without AIA and CRLDP", meetDelegate},
		{"RFC 9919, Section 3.2.2", "a new key takes over at half life; what the old one signed stays good", meetRotation},
		{"RFC 9919, Section 3.2.4", "thisUpdate, nextUpdate and producedAt are there, in whole seconds of GMT", meetTimes},
		{"RFC 6960, Section 4.2.1", "revoked says since when, and why", meetRevoked},
		{"RFC 6960, Section 2.3", "errors are unsigned: malformedRequest, unauthorized, tryLater", meetErrors},
	} {
		t.Run(row.clause+": "+row.demand, func(t *testing.T) { row.meet(t, c) })
	}
}

func meetTogether(t *testing.T, c *clauses) {
	kinds := []struct {
		serial []byte
		tag    int
	}{{c.good, tagGood}, {c.revoked, tagRevoked}, {never(1), tagRevoked}}
	for _, n := range []int{1, 2, 3, 63, 64} {
		var ids [][]byte
		for i := range n {
			ids = append(ids, c.id(crypto.SHA1, kinds[i%3].serial))
		}
		a := c.ask(t, request(ids, nil))
		require.Len(t, a.tbs.Responses, n)
		for i, single := range a.tbs.Responses {
			require.Equal(t, ids[i], single.ID.FullBytes)
			require.Equal(t, kinds[i%3].tag, single.Status.Tag)
		}
	}
}

func meetTooMany(t *testing.T, c *clauses) {
	require.Equal(t, ocsp.Malformed.Response(), c.send(t, request(slices.Repeat([][]byte{c.id(crypto.SHA1, c.good)}, 65), nil)))
}

func meetNonce(t *testing.T, c *clauses) {
	for _, n := range []int{1, 16, 32, 128} {
		value := tlv(4, bytes.Repeat([]byte{0xa5}, n))
		a := c.ask(t, request(c.one(), extension(oidNonce, false, value)))
		require.Equal(t, value, a.extension(oidNonce), "%d octets", n)
	}
}

func meetBadNonce(t *testing.T, c *clauses) {
	for _, n := range []int{0, 129} {
		value := tlv(4, make([]byte, n))
		require.Equal(t, ocsp.Malformed.Response(), c.send(t, request(c.one(), extension(oidNonce, false, value))), "%d octets", n)
	}
}

func meetExtension(t *testing.T, c *clauses) {
	unknown := asn1.ObjectIdentifier{1, 2, 3}
	null := []byte{5, 0}
	a := c.ask(t, request(c.one(), extension(unknown, false, null)))
	require.Nil(t, a.extension(unknown))
	require.Equal(t, ocsp.Malformed.Response(), c.send(t, request(c.one(), extension(unknown, true, null))))

	inOne := func(critical bool) []byte {
		one := tlv(0x30, c.id(crypto.SHA1, c.good), tlv(0xa0, tlv(0x30, extension(unknown, critical, null))))
		return tlv(0x30, tlv(0x30, tlv(0x30, one)))
	}
	c.ask(t, inOne(false))
	require.Equal(t, ocsp.Malformed.Response(), c.send(t, inOne(true)))
}

func meetRequestorName(t *testing.T, c *clauses) {
	list := tlv(0x30, tlv(0x30, c.one()[0]))
	a := c.ask(t, tlv(0x30, tlv(0x30, tlv(0xa1, tlv(0x82, []byte("pump.hospital.example"))), list)))
	require.Equal(t, tagGood, a.tbs.Responses[0].Status.Tag)
}

func meetSignedRequest(t *testing.T, c *clauses) {
	list := tlv(0x30, tlv(0x30, c.one()[0]))
	ecdsaSHA256 := tlv(0x30, oid(asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 3, 2}))
	signature := tlv(0xa0, tlv(0x30, ecdsaSHA256, tlv(3, []byte{0}, bytes.Repeat([]byte{1}, 70)), tlv(0xa0, tlv(0x30, c.w.issuing.Raw))))
	a := c.ask(t, tlv(0x30, tlv(0x30, list), signature))
	require.Equal(t, tagGood, a.tbs.Responses[0].Status.Tag)
}

func meetHashes(t *testing.T, c *clauses) {
	for _, hash := range []crypto.Hash{crypto.SHA1, crypto.SHA256, crypto.SHA384, crypto.SHA512} {
		for _, asked := range [][]byte{c.id(hash, c.good), c.id(hash, c.good, 5, 0)} { // NULL
			single := c.ask(t, request([][]byte{asked}, nil)).tbs.Responses[0]
			require.Equal(t, asked, single.ID.FullBytes)
			require.Equal(t, tagGood, single.Status.Tag)
		}
	}
}

func meetNeverIssued(t *testing.T, c *clauses) {
	since := tlv(0x18, []byte("19700101000000Z"))
	hold := tlv(0xa0, tlv(0x0a, []byte{6}))
	for _, serial := range [][]byte{never(1), {7}, bytes.Repeat([]byte{0x55}, 20)} {
		a := c.ask(t, request([][]byte{c.id(crypto.SHA1, serial)}, nil))
		require.Equal(t, tlv(0xa1, since, hold), a.tbs.Responses[0].Status.FullBytes)
		require.Equal(t, []byte{5, 0}, a.extension(oidExtendedRevoke))
		require.Empty(t, a.tbs.Responses[0].Extensions) // no CRL reference
	}
}

func meetNoExtendedRevoke(t *testing.T, c *clauses) {
	for _, serial := range [][]byte{c.good, c.revoked} {
		require.Nil(t, c.ask(t, request([][]byte{c.id(crypto.SHA1, serial)}, nil)).extension(oidExtendedRevoke))
	}
}

func meetForeign(t *testing.T, c *clauses) {
	stranger := newWorld(t, enrolltest.New(t)).issuing
	require.Equal(t, ocsp.Unauthorized.Response(), c.send(t, request([][]byte{certID(stranger, crypto.SHA1, c.good)}, nil)))
	// Half a name is none.
	mine := c.id(crypto.SHA1, c.good)
	half := bytes.Clone(mine)
	half[20] ^= 1 // in issuerNameHash
	require.Equal(t, ocsp.Unauthorized.Response(), c.send(t, request([][]byte{half}, nil)))
}

func meetExpired(t *testing.T, c *clauses) {
	clock := newHands(time.Now())
	own := newClauses(t, func(_ *revoke.PublisherConfig, r *revoke.ResponderConfig) { r.Clock = clock.clock() })
	clock.forward(10 * 365 * 24 * time.Hour)
	for _, tt := range []struct {
		serial []byte
		tag    int
	}{{own.good, tagGood}, {own.revoked, tagRevoked}} {
		a := own.read(t, own.send(t, request([][]byte{own.id(crypto.SHA1, tt.serial)}, nil)))
		require.Equal(t, tt.tag, a.tbs.Responses[0].Status.Tag)
		require.Nil(t, a.extension(oidExtendedRevoke))
	}
}

func meetIntermediate(t *testing.T, c *clauses) {
	id := certID(c.w.root, crypto.SHA1, c.w.issuing.SerialNumber.Bytes())
	a := c.ask(t, request([][]byte{id}, nil))
	require.Equal(t, tagGood, a.tbs.Responses[0].Status.Tag)
	require.NoError(t, a.delegate(t).CheckSignatureFrom(c.w.root))

	leaf := c.ask(t, request(c.one(), nil))
	require.NoError(t, leaf.delegate(t).CheckSignatureFrom(c.w.issuing))
}

func meetTwoIssuers(t *testing.T, c *clauses) {
	id := certID(c.w.root, crypto.SHA1, c.w.issuing.SerialNumber.Bytes())
	a := c.ask(t, request([][]byte{id, c.one()[0]}, nil))
	require.NoError(t, a.delegate(t).CheckSignatureFrom(c.w.issuing))
	require.Equal(t, tagUnknown, a.tbs.Responses[0].Status.Tag)
	require.Equal(t, tagGood, a.tbs.Responses[1].Status.Tag)
}

func meetPlain(t *testing.T, c *clauses) {
	a := c.ask(t, request(c.one(), nil))
	require.True(t, a.kind.Equal(asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 48, 1, 1}))
	require.Zero(t, a.tbs.Version)
	require.Empty(t, a.tbs.Extensions)
	require.Len(t, a.tbs.Responses, 1)
	require.Empty(t, a.tbs.Responses[0].Extensions)
}

func meetByKey(t *testing.T, c *clauses) {
	a := c.ask(t, request(c.one(), nil))
	sum := sha1name.Of(keyBits(a.delegate(t)))
	require.Equal(t, tlv(0xa2, tlv(4, sum[:])), a.tbs.ResponderID.FullBytes)
}

func meetDelegate(t *testing.T, c *clauses) {
	a := c.ask(t, request(c.one(), nil))
	require.Len(t, a.certs, 1)
	d := a.delegate(t)
	require.Equal(t, []x509.ExtKeyUsage{x509.ExtKeyUsageOCSPSigning}, d.ExtKeyUsage)
	require.Equal(t, x509.KeyUsageDigitalSignature, d.KeyUsage)
	require.False(t, d.IsCA)
	require.Empty(t, d.OCSPServer)
	require.Empty(t, d.IssuingCertificateURL)
	require.Empty(t, d.CRLDistributionPoints)
	require.LessOrEqual(t, time.Until(d.NotAfter), 7*24*time.Hour)
	noCheck := false
	for _, e := range d.Extensions {
		if e.Id.Equal(asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 48, 1, 5}) {
			noCheck = true
			require.Equal(t, []byte{5, 0}, e.Value)
		}
	}
	require.True(t, noCheck)
}

func meetRotation(t *testing.T, c *clauses) {
	own := newClauses(t)
	before := own.ask(t, request(own.one(), nil))
	life := before.delegate(t).NotAfter.Sub(before.delegate(t).NotBefore)
	require.WithinDuration(t, before.delegate(t).NotBefore.Add(life/2), own.w.Responder.RenewAt(), time.Second)
	require.NoError(t, own.w.Responder.Rotate(t.Context()))

	kept := own.ask(t, request(own.one(), nil)) // from the cache, and verified
	require.Equal(t, before.der, kept.der)
	after := own.ask(t, request(own.one(), extension(oidNonce, false, tlv(4, make([]byte, 32)))))
	require.NotEqual(t, before.tbs.ResponderID.FullBytes, after.tbs.ResponderID.FullBytes)
}

func meetTimes(t *testing.T, c *clauses) {
	a := c.ask(t, request(c.one(), nil))
	single := a.tbs.Responses[0]
	require.Regexp(t, `^\d{14}Z$`, string(a.tbs.ProducedAt.Bytes))
	require.Regexp(t, `^\d{14}Z$`, string(single.ThisUpdate.Bytes))
	require.Regexp(t, `^\d{14}Z$`, string(single.next(t)))
	require.Equal(t, single.ThisUpdate.Bytes, a.tbs.ProducedAt.Bytes)
	require.Greater(t, string(single.next(t)), string(single.ThisUpdate.Bytes))
}

func meetRevoked(t *testing.T, c *clauses) {
	status := c.ask(t, request([][]byte{c.id(crypto.SHA1, c.revoked)}, nil)).tbs.Responses[0].Status
	var info struct {
		At     time.Time       `asn1:"generalized"`
		Reason asn1.Enumerated `asn1:"explicit,tag:0,optional"`
	}
	_, err := asn1.UnmarshalWithParams(status.FullBytes, &info, "tag:1")
	require.NoError(t, err)
	require.WithinDuration(t, time.Now(), info.At, time.Minute)
	require.EqualValues(t, orders.Reason, info.Reason)
}

func meetErrors(t *testing.T, c *clauses) {
	require.Equal(t, []byte{0x30, 3, 0x0a, 1, 1}, c.send(t, []byte("hello")))
	own := newClauses(t)
	require.NoError(t, own.w.Store.Close())
	require.Equal(t, []byte{0x30, 3, 0x0a, 1, 3}, own.send(t, request(own.one(), nil)))
	require.Equal(t, []byte{0x30, 3, 0x0a, 1, 6}, ocsp.Unauthorized.Response())
	resp, err := http.Get(own.w.URL + "/ocsp/")
	require.NoError(t, err)
	resp.Body.Close()
	require.Equal(t, http.StatusOK, resp.StatusCode)
}
