package ocsp

import "github.com/betonica/betonica/revoke/x690"

// The contents of the OIDs below id-pkix-ocsp, 1.3.6.1.5.5.7.48.1.
const (
	oidBasic          = "\x2b\x06\x01\x05\x05\x07\x30\x01\x01"
	oidNonce          = "\x2b\x06\x01\x05\x05\x07\x30\x01\x02"
	oidResponses      = "\x2b\x06\x01\x05\x05\x07\x30\x01\x04" // acceptable responses
	oidExtendedRevoke = "\x2b\x06\x01\x05\x05\x07\x30\x01\x09"
)

// maxNonce is the longest nonce, in octets (RFC 9654, Section 2.1).
const maxNonce = 128

// readExtensions reads Extensions under an explicit tag, if they are there; see
// [x690.Reader.Extensions].
func readExtensions(r *x690.Reader, tag byte, field string, known func(*x690.Reader, x690.Extension) bool) {
	if !r.Next(tag) {
		return
	}
	outer := r.Nested(tag, field)
	list := outer.Nested(x690.Sequence, field)
	outer.End(field)
	list.Join(&outer)
	list.Extensions(field, nil, known)
	r.Join(&list)
}

// none knows no extension.
func none(*x690.Reader, x690.Extension) bool { return false }

// readNonce reads the value of a nonce extension: an OCTET STRING of 1 to 128 octets.
func readNonce(value *x690.Reader) []byte {
	nonce := value.Read(x690.OctetString, "nonce")
	if value.Err == nil && (len(nonce) < 1 || len(nonce) > maxNonce) {
		value.Fail("nonce does not have 1 to 128 octets")
	}
	return nonce
}

// extension writes an extension that is not critical.
func (w *writer) extension(oid string, value func()) {
	mark := w.open(x690.Sequence)
	w.add(x690.OID, []byte(oid)...)
	octets := w.open(x690.OctetString)
	value()
	w.close(octets)
	w.close(mark)
}

func (w *writer) nonce(nonce []byte) {
	w.extension(oidNonce, func() { w.add(x690.OctetString, nonce...) })
}
