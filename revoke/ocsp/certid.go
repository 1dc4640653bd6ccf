package ocsp

import (
	"bytes"
	"crypto"

	"github.com/betonica/betonica/revoke/x690"
)

// maxSerial is the longest serial number, in octets (RFC 5280, Section 4.1.2.2).
const maxSerial = 20

// A CertID names a certificate by hashes of its issuer's name and key and by its
// serial number (RFC 6960, Section 4.1.1). It comes from [ParseRequest] or
// [Issuer.CertID], and keeps the bytes that it was read from, since an answer must
// repeat what the request said.
type CertID struct {
	der               []byte
	hash              crypto.Hash
	nameHash, keyHash []byte
	serial            []byte
}

// DER returns the CertID as it was sent. It must not be changed.
func (id CertID) DER() []byte { return id.der }

// Hash returns the algorithm of the hashes, or 0 if it is not one of SHA-1, SHA-256,
// SHA-384 and SHA-512: then no [Issuer] will know the CertID.
func (id CertID) Hash() crypto.Hash { return id.hash }

// Serial returns the serial number, high octet first and without leading zeros, at
// most 20 octets: what [math/big.Int.Bytes] returns. It must not be changed.
func (id CertID) Serial() []byte { return id.serial }

// equal reports whether both name the same certificate in the same way. The encoding
// may differ: an absent parameter of the hash algorithm is as good as NULL.
func (id CertID) equal(other CertID) bool {
	return id.hash != 0 && id.hash == other.hash &&
		bytes.Equal(id.nameHash, other.nameHash) && bytes.Equal(id.keyHash, other.keyHash) &&
		bytes.Equal(id.serial, other.serial)
}

func readCertID(r *x690.Reader) CertID {
	whole, body := r.Element(x690.Sequence, "CertID")
	in := x690.Reader{B: body, Err: r.Err}
	id := CertID{der: whole}
	id.hash = readHashAlgorithm(&in)
	id.nameHash = in.Read(x690.OctetString, "issuerNameHash")
	id.keyHash = in.Read(x690.OctetString, "issuerKeyHash")
	id.serial = in.Unsigned("serialNumber", maxSerial) // zero is no octets, as in a big.Int
	in.End("CertID")
	if id.hash != 0 && (len(id.nameHash) != id.hash.Size() || len(id.keyHash) != id.hash.Size()) {
		in.Fail("a hash in CertID has another length than its algorithm's")
	}
	r.Join(&in)
	return id
}

// readHashAlgorithm reads an AlgorithmIdentifier. The parameters of a known algorithm are
// absent or NULL (RFC 5754, Section 2); those of an unknown one are its own matter.
func readHashAlgorithm(r *x690.Reader) crypto.Hash {
	in := r.Nested(x690.Sequence, "hashAlgorithm")
	oid := in.OID("hashAlgorithm's identifier")
	hash := hashOf(oid)
	if hash != 0 && len(in.B) > 0 {
		readEmpty(&in, x690.Null, "hashAlgorithm's parameters")
		in.End("hashAlgorithm")
	}
	r.Join(&in)
	return hash
}

// newCertID encodes a CertID, with the parameters of its algorithm absent (RFC 5754,
// Section 2).
func newCertID(hash crypto.Hash, nameHash, keyHash, serial []byte) CertID {
	var w writer
	mark := w.open(x690.Sequence)
	algorithm := w.open(x690.Sequence)
	w.add(x690.OID, hashOID(hash)...)
	w.close(algorithm)
	w.add(x690.OctetString, nameHash...)
	w.add(x690.OctetString, keyHash...)
	w.integer(serial)
	w.close(mark)
	return CertID{der: w.b, hash: hash, nameHash: nameHash, keyHash: keyHash, serial: bytes.TrimLeft(serial, "\x00")}
}
