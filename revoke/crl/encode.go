package crl

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/betonica/betonica/revoke/x690"
)

// A Template is what a list says beside its entries.
type Template struct {
	// Number is the list's own; 1 or more. Full lists and deltas share one sequence, in
	// which it must rise (RFC 5280, Section 5.2.3): whoever counts sees to that.
	Number int64

	// Base is 0 for a full list. For a delta it is the number of the full list, below
	// Number, since which the entries are everything that changed.
	Base int64

	// ThisUpdate is when the list is made, NextUpdate by when the next one will be: past
	// it, relying parties trust nobody. Both are whole seconds.
	ThisUpdate, NextUpdate time.Time

	// Point is empty for a list about all certificates of its issuer. Otherwise the list
	// is about those only whose CRL distribution point is this URL, octet for octet, and
	// says so in an issuing distribution point, which is critical (RFC 5280, Section
	// 5.2.5).
	Point string

	// Freshest is where the newest delta to this list is, a URL; empty: it does not say.
	// A delta has none (RFC 5280, Section 5.2.6).
	Freshest string
}

// Encode signs a list and writes it to w in DER. The signer's key is the issuer's:
// ECDSA on P-256 or P-384, RSA or Ed25519.
//
// The entries are gone over three times and never stand in memory as DER: once to
// count their octets, which DER wants to know first; once for the hash; and, when the
// signature is there and was verified, once to write them. So w gets nothing at all
// before a good signature exists, no disk has to hold a draft (signing must go on when
// it is full), and the only memory is that of the Set, 28 MB for a million. An iterator
// that is asked thrice would cost the database three scans, and might change its mind
// in between; [Collect] asks it once. Ed25519 alone cannot sign a hash: there the whole
// message, up to 49 bytes an entry, is in memory at once.
//
// A write that fails leaves w with a part of a list.
func Encode(w io.Writer, issuer *x509.Certificate, signer crypto.Signer, t Template, entries Set) error {
	m, err := newMessage(issuer, signer, t, entries)
	if err != nil {
		return err
	}
	signature, err := m.sign(signer)
	if err != nil {
		return fmt.Errorf("signing CRL %d: %w", t.Number, err)
	}
	bits := element(x690.BitString, []byte{0}, signature) // no unused bits
	if _, err := w.Write(header(x690.Sequence, m.length+len(m.algorithm.DER)+len(bits))); err != nil {
		return fmt.Errorf("writing CRL %d: %w", t.Number, err)
	}
	if err := m.writeTo(w); err != nil {
		return fmt.Errorf("writing CRL %d: %w", t.Number, err)
	}
	if _, err := w.Write(append([]byte(m.algorithm.DER), bits...)); err != nil {
		return fmt.Errorf("writing CRL %d: %w", t.Number, err)
	}
	return nil
}

// A message is a tbsCertList (RFC 5280, Section 5.1.2), which can be written any number
// of times.
type message struct {
	algorithm  x690.Algorithm
	head, tail []byte // what stands before and after the entries
	records    []record
	length     int // octets of all three
}

func newMessage(issuer *x509.Certificate, signer crypto.Signer, t Template, entries Set) (*message, error) {
	algorithm, err := x690.AlgorithmOf(issuer.PublicKey)
	if err != nil {
		return nil, err
	}
	public, ok := signer.Public().(interface{ Equal(crypto.PublicKey) bool })
	switch {
	case !ok || !public.Equal(issuer.PublicKey):
		return nil, errors.New("the key that would sign the CRL is not the issuer's")
	case issuer.KeyUsage&x509.KeyUsageCRLSign == 0 || len(issuer.SubjectKeyId) == 0:
		return nil, errors.New("the issuer's certificate is not one for signing CRLs")
	case t.Base < 0 || t.Number <= t.Base:
		return nil, fmt.Errorf("a CRL of number %d cannot have base %d", t.Number, t.Base)
	case !t.NextUpdate.After(t.ThisUpdate):
		return nil, fmt.Errorf("CRL %d would end before it begins", t.Number)
	case t.ThisUpdate.Year() < x690.FirstGeneralized-100 || t.NextUpdate.Year() > 9999:
		return nil, fmt.Errorf("CRL %d has a time that DER cannot say", t.Number)
	case t.Base > 0 && t.Freshest != "":
		return nil, fmt.Errorf("CRL %d is a delta, and would name a newer one", t.Number)
	case !isIA5(t.Point) || !isIA5(t.Freshest):
		return nil, fmt.Errorf("CRL %d would name a URL that is not in ASCII", t.Number)
	}
	n := 0
	for i := range entries.records {
		r := &entries.records[i]
		if r.reason == RemoveFromCRL && t.Base == 0 {
			return nil, fmt.Errorf("a full CRL cannot remove serial number %s", r.serial)
		}
		n += 2 + r.length()
	}
	head := bytes.Join([][]byte{
		{x690.Integer, 1, 1}, // v2
		[]byte(algorithm.DER), issuer.RawSubject,
		moment(t.ThisUpdate.UTC()), moment(t.NextUpdate.UTC()),
	}, nil)
	if n > 0 { // an empty list must be absent (RFC 5280, Section 5.1.2.6)
		head = append(head, header(x690.Sequence, n)...)
	}
	tail := t.extensions(issuer.SubjectKeyId)
	body := len(head) + n + len(tail)
	head = append(header(x690.Sequence, body), head...)
	return &message{algorithm: algorithm, head: head, tail: tail, records: entries.records, length: len(head) + n + len(tail)}, nil
}

// extensions returns crlExtensions.
func (t Template) extensions(keyID []byte) []byte {
	authority := element(x690.Sequence, element(x690.Primitive0, keyID))
	all := [][]byte{
		extension{oid: []byte(oidAuthorityKeyID), value: authority}.encode(),
		extension{oid: []byte(oidNumber), value: number(t.Number)}.encode(),
	}
	if t.Base > 0 {
		all = append(all, extension{oid: []byte(oidDelta), critical: true, value: number(t.Base)}.encode())
	}
	if t.Point != "" {
		all = append(all, extension{oid: []byte(oidScope), critical: true, value: element(x690.Sequence, pointName(t.Point))}.encode())
	}
	if t.Freshest != "" {
		all = append(all, extension{oid: []byte(oidFreshest), value: element(x690.Sequence, element(x690.Sequence, pointName(t.Freshest)))}.encode())
	}
	return element(x690.Context0, element(x690.Sequence, all...))
}

func number(n int64) []byte { return integer(binary.BigEndian.AppendUint64(nil, uint64(n))) }

// writeTo writes the message in pieces of at most 64 KiB.
func (m *message) writeTo(w io.Writer) error {
	const full = 64<<10 - 64 // no entry is longer than 64 octets
	b := append(make([]byte, 0, min(64<<10, m.length)), m.head...)
	for i := range m.records {
		if len(b) > full {
			if _, err := w.Write(b); err != nil {
				return err
			}
			b = b[:0]
		}
		b = m.records[i].appendEntry(b)
	}
	_, err := w.Write(append(b, m.tail...))
	return err
}

// sign returns a signature over the message that verifies: a fault in a signer, or in
// the memory of this machine, must not become a list that every peer refuses.
func (m *message) sign(signer crypto.Signer) ([]byte, error) {
	var digest []byte
	if m.algorithm.Hash != 0 {
		h := m.algorithm.Hash.New()
		if err := m.writeTo(h); err != nil {
			return nil, err
		}
		digest = h.Sum(nil)
	} else {
		whole := bytes.NewBuffer(make([]byte, 0, m.length))
		if err := m.writeTo(whole); err != nil {
			return nil, err
		}
		digest = whole.Bytes()
	}
	signature, err := signer.Sign(rand.Reader, digest, m.algorithm.Hash)
	if err != nil {
		return nil, err
	}
	if !m.algorithm.Verify(signer.Public(), digest, signature) {
		return nil, errors.New("the key's signature does not verify")
	}
	return signature, nil
}
