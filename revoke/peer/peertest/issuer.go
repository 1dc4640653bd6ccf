package peertest

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"math/big"
	"net/http"
	"testing"
	"time"

	"github.com/betonica/betonica/revoke/crl"
	"github.com/betonica/betonica/revoke/stream"
)

// An issuer is the root or an intermediate. Its lists belong to CA.mu.
type issuer struct {
	cert    *x509.Certificate
	key     *ecdsa.PrivateKey
	id      string // hex of the key id
	hub     stream.Hub
	revoked []crl.Entry
	issued  map[crl.Serial]bool

	full, delta []byte
	base        int64 // number of full
	since       int   // how many of revoked are in full
}

// newIssuer makes an issuer under parent, or a root.
func (c *CA) newIssuer(name string, parent *issuer) *issuer {
	c.tb.Helper()
	key := newKey(c.tb)
	spki, err := x509.MarshalPKIXPublicKey(key.Public())
	check(c.tb, err)
	id := sha256.Sum256(spki)
	i := &issuer{key: key, id: hex.EncodeToString(id[:20]), issued: map[crl.Serial]bool{}}
	template := &x509.Certificate{
		SerialNumber: newSerial(), Subject: pkix.Name{Organization: []string{TrustDomain}, CommonName: name + " " + i.id[:8]},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(365 * 24 * time.Hour),
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign, BasicConstraintsValid: true, IsCA: true, SubjectKeyId: id[:20],
	}
	over := &issuer{cert: template, key: key}
	if parent != nil {
		over = parent
		template.MaxPathLenZero = true
		parent.note(template)
	}
	i.cert = sign(c.tb, template, over, key.Public())
	return i
}

// note remembers that a certificate is issued.
func (i *issuer) note(template *x509.Certificate) {
	serial, _ := crl.SerialOf(template.SerialNumber.Bytes()) // of 16 octets
	i.issued[serial] = true
}

// revoke adds to what is revoked; it reports whether that is new.
func (i *issuer) revoke(cert *x509.Certificate, now time.Time) bool {
	serial, _ := crl.SerialOf(cert.SerialNumber.Bytes())
	if _, is := i.entry(serial); is {
		return false
	}
	i.revoked = append(i.revoked, crl.Entry{Serial: serial, RevokedAt: now, Reason: crl.KeyCompromise})
	return true
}

func (i *issuer) entry(serial crl.Serial) (crl.Entry, bool) {
	for _, e := range i.revoked {
		if e.Serial == serial {
			return e, true
		}
	}
	return crl.Entry{}, false
}

// publish signs a new full list, and a delta to it. The caller holds c.mu.
func (c *CA) publish(i *issuer) {
	c.tb.Helper()
	c.number++
	i.base, i.since = c.number, len(i.revoked)
	i.full = c.list(i, c.number, 0, i.revoked)
	if i != c.root {
		c.push(i)
	}
}

// push signs a delta, and tells the stream. The caller holds c.mu.
func (c *CA) push(i *issuer) {
	c.tb.Helper()
	c.number++
	i.delta = c.list(i, c.number, i.base, i.revoked[i.since:])
	i.hub.Publish(stream.NewDelta(c.number, i.base, i.delta, 0))
}

func (c *CA) list(i *issuer, number, base int64, entries []crl.Entry) []byte {
	c.tb.Helper()
	set, err := crl.Collect(len(entries), func(yield func(crl.Entry, error) bool) {
		for _, e := range entries {
			if !yield(e, nil) {
				return
			}
		}
	})
	check(c.tb, err)
	var out bytes.Buffer
	check(c.tb, crl.Encode(&out, i.cert, i.key, crl.Template{
		Number: number, Base: base, ThisUpdate: c.now(), NextUpdate: c.now().Add(listLife),
	}, set))
	return out.Bytes()
}

func (c *CA) serveList(w http.ResponseWriter, i *issuer, full bool) {
	c.mu.Lock()
	der := i.delta
	if full {
		der = i.full
	}
	c.mu.Unlock()
	if der == nil {
		http.Error(w, "there is none", http.StatusNotFound)
		return
	}
	w.Header().Set("Content-Type", "application/pkix-crl")
	w.Write(der)
}

func newKey(tb testing.TB) *ecdsa.PrivateKey {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	check(tb, err)
	return key
}

func newSerial() *big.Int {
	serial := make([]byte, 16)
	rand.Read(serial) // never fails
	serial[0] = serial[0]&0x7f | 0x40
	return new(big.Int).SetBytes(serial)
}
