package revoke_test

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"encoding/asn1"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/ca/sha1name"
	"github.com/betonica/betonica/enroll/enrolltest"
	"github.com/betonica/betonica/revoke"
)

// What follows builds requests and reads answers without package ocsp, which is what
// the tests judge.

var (
	oidNonce          = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 48, 1, 2}
	oidExtendedRevoke = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 48, 1, 9}
)

// Tags of CertStatus.
const (
	tagGood = iota
	tagRevoked
	tagUnknown
)

// tlv is an element of DER.
func tlv(tag byte, parts ...[]byte) []byte {
	body := slices.Concat(parts...)
	switch n := len(body); {
	case n < 0x80:
		return append([]byte{tag, byte(n)}, body...)
	case n < 0x100:
		return append([]byte{tag, 0x81, byte(n)}, body...)
	default:
		return append([]byte{tag, 0x82, byte(n >> 8), byte(n)}, body...)
	}
}

func oid(id asn1.ObjectIdentifier) []byte {
	der, err := asn1.Marshal(id)
	if err != nil {
		panic(err)
	}
	return der
}

func extension(id asn1.ObjectIdentifier, critical bool, value []byte) []byte {
	var flag []byte
	if critical {
		flag = []byte{1, 1, 0xff}
	}
	return tlv(0x30, oid(id), flag, tlv(4, value))
}

// request is an OCSPRequest for CertIDs in DER, with one extension or none.
func request(ids [][]byte, extension []byte) []byte {
	var list, extensions []byte
	for _, id := range ids {
		list = append(list, tlv(0x30, id)...)
	}
	if extension != nil {
		extensions = tlv(0xa2, tlv(0x30, extension))
	}
	return tlv(0x30, tlv(0x30, tlv(0x30, list), extensions))
}

// never is a serial number that nobody has.
func never(n byte) []byte { return bytes.Repeat([]byte{0x7e, n}, 8) }

// clauses is a CA that knows a good and a revoked certificate.
type clauses struct {
	w             *world
	good, revoked []byte // serial numbers
}

func newClauses(t *testing.T, change ...func(*revoke.PublisherConfig, *revoke.ResponderConfig)) *clauses {
	t.Helper()
	w := newWorld(t, enrolltest.New(t), change...)
	good, _ := w.enrol("good")
	gone, _ := w.enrol("gone")
	_, err := w.Revoker.Identity(t.Context(), root, "device/gone", orders)
	require.NoError(t, err)
	c := &clauses{w: w, good: good.SerialNumber.Bytes(), revoked: gone.SerialNumber.Bytes()}
	return c
}

var hashOIDs = map[crypto.Hash]asn1.ObjectIdentifier{
	crypto.SHA1:   {1, 3, 14, 3, 2, 26},
	crypto.SHA256: {2, 16, 840, 1, 101, 3, 4, 2, 1},
	crypto.SHA384: {2, 16, 840, 1, 101, 3, 4, 2, 2},
	crypto.SHA512: {2, 16, 840, 1, 101, 3, 4, 2, 3},
}

// id is the CertID of one of the intermediate's certificates, with the parameters of
// the hash as given, mostly none.
func (c *clauses) id(hash crypto.Hash, serial []byte, parameters ...byte) []byte {
	return certID(c.w.issuing, hash, serial, parameters...)
}

func certID(issuer *x509.Certificate, hash crypto.Hash, serial []byte, parameters ...byte) []byte {
	sum := func(data []byte) []byte {
		if hash == crypto.SHA1 {
			name := sha1name.Of(data)
			return name[:]
		}
		h := hash.New()
		h.Write(data)
		return h.Sum(nil)
	}
	if serial[0]&0x80 != 0 {
		serial = append([]byte{0}, serial...)
	}
	return tlv(0x30, tlv(0x30, oid(hashOIDs[hash]), parameters), tlv(4, sum(issuer.RawSubject)), tlv(4, sum(keyBits(issuer))), tlv(2, serial))
}

// keyBits is the key in the BIT STRING subjectPublicKey.
func keyBits(cert *x509.Certificate) []byte {
	var spki struct {
		Algorithm asn1.RawValue
		Key       asn1.BitString
	}
	if _, err := asn1.Unmarshal(cert.RawSubjectPublicKeyInfo, &spki); err != nil {
		panic(err)
	}
	return spki.Key.Bytes
}

// one asks about the good one only.
func (c *clauses) one() [][]byte { return [][]byte{c.id(crypto.SHA256, c.good)} }

// send posts a request and returns the body.
func (c *clauses) send(t *testing.T, der []byte) []byte {
	t.Helper()
	body, resp := c.w.post(der)
	require.Equal(t, 200, resp.StatusCode)
	return body
}

// ask is send for what has to be answered, and verifies the signature.
func (c *clauses) ask(t *testing.T, der []byte) *answered {
	t.Helper()
	a := c.read(t, c.send(t, der))
	d := a.delegate(t)
	require.NoError(t, d.CheckSignature(x509.ECDSAWithSHA256, a.tbs.Raw, a.signature.Bytes))
	require.True(t, time.Now().Before(d.NotAfter))
	return a
}

// answered is an OCSPResponse with an answer in it.
type answered struct {
	der       []byte
	kind      asn1.ObjectIdentifier
	tbs       responseData
	signature asn1.BitString
	certs     []asn1.RawValue
}

type responseData struct {
	Raw         asn1.RawContent
	Version     int `asn1:"optional,explicit,default:0,tag:0"`
	ResponderID asn1.RawValue
	ProducedAt  asn1.RawValue
	Responses   []singleResponse
	Extensions  []anExtension `asn1:"explicit,tag:1,optional"`
}

type singleResponse struct {
	ID         asn1.RawValue
	Status     asn1.RawValue
	ThisUpdate asn1.RawValue
	NextUpdate asn1.RawValue `asn1:"explicit,tag:0,optional"`
	Extensions []anExtension `asn1:"explicit,tag:1,optional"`
}

type anExtension struct {
	ID       asn1.ObjectIdentifier
	Critical bool `asn1:"optional"`
	Value    []byte
}

func (c *clauses) read(t *testing.T, der []byte) *answered {
	t.Helper()
	var outer struct {
		Status asn1.Enumerated
		Bytes  struct {
			Type     asn1.ObjectIdentifier
			Response []byte
		} `asn1:"explicit,tag:0,optional"`
	}
	rest, err := asn1.Unmarshal(der, &outer)
	require.NoError(t, err)
	require.Empty(t, rest)
	require.Zero(t, outer.Status, "no answer, but an error")
	var basic struct {
		TBS       responseData
		Algorithm asn1.RawValue
		Signature asn1.BitString
		Certs     []asn1.RawValue `asn1:"explicit,tag:0,optional"`
	}
	rest, err = asn1.Unmarshal(outer.Bytes.Response, &basic)
	require.NoError(t, err)
	require.Empty(t, rest)
	return &answered{der, outer.Bytes.Type, basic.TBS, basic.Signature, basic.Certs}
}

func (a *answered) delegate(t *testing.T) *x509.Certificate {
	t.Helper()
	require.NotEmpty(t, a.certs)
	cert, err := x509.ParseCertificate(a.certs[0].FullBytes)
	require.NoError(t, err)
	return cert
}

// extension returns the value of a responseExtension, nil if it is not there.
func (a *answered) extension(id asn1.ObjectIdentifier) []byte {
	for _, e := range a.tbs.Extensions {
		if e.ID.Equal(id) {
			return e.Value
		}
	}
	return nil
}

// next is the text of nextUpdate.
func (s singleResponse) next(t *testing.T) []byte {
	t.Helper()
	require.Greater(t, len(s.NextUpdate.Bytes), 2, "no nextUpdate")
	require.Equal(t, []byte{0x18, 15}, s.NextUpdate.Bytes[:2]) // a GeneralizedTime
	return s.NextUpdate.Bytes[2:]
}

// hands are of a clock that goes only when it is moved.
type hands struct {
	mu  sync.Mutex
	now time.Time
}

func newHands(now time.Time) *hands { return &hands{now: now} }

func (h *hands) read() time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.now
}

func (h *hands) forward(d time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.now = h.now.Add(d)
}

func (h *hands) clock() *revoke.Clock { return revoke.ClockOf(h.read) }
