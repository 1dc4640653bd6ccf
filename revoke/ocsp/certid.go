package ocsp

import (
	"bytes"
	"crypto"
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

func (r *reader) certID() CertID {
	whole, body := r.element(tagSequence, "CertID")
	in := reader{b: body, err: r.err}
	id := CertID{der: whole}
	id.hash = in.hashAlgorithm()
	id.nameHash = in.read(tagOctetString, "issuerNameHash")
	id.keyHash = in.read(tagOctetString, "issuerKeyHash")
	serial := in.read(tagInteger, "serialNumber")
	in.end("CertID")
	if in.err == nil {
		id.serial = unsigned(serial)
		switch {
		case id.serial == nil:
			in.fail("serialNumber is negative or not in its shortest form")
		case len(id.serial) > maxSerial:
			in.fail("serialNumber has more than 20 octets")
		case id.hash != 0 && (len(id.nameHash) != id.hash.Size() || len(id.keyHash) != id.hash.Size()):
			in.fail("a hash in CertID has another length than its algorithm's")
		}
		id.serial = bytes.TrimLeft(id.serial, "\x00") // zero is no octets, as in a big.Int
	}
	r.join(&in)
	return id
}

// hashAlgorithm reads an AlgorithmIdentifier. The parameters of a known algorithm are
// absent or NULL (RFC 5754, Section 2); those of an unknown one are its own matter.
func (r *reader) hashAlgorithm() crypto.Hash {
	in := r.nested(tagSequence, "hashAlgorithm")
	oid := in.oid("hashAlgorithm's identifier")
	hash := hashOf(oid)
	if hash != 0 && len(in.b) > 0 {
		if len(in.read(tagNull, "hashAlgorithm's parameters")) > 0 {
			in.fail("hashAlgorithm's NULL has contents")
		}
		in.end("hashAlgorithm")
	}
	r.join(&in)
	return hash
}

// newCertID encodes a CertID, with the parameters of its algorithm absent (RFC 5754,
// Section 2).
func newCertID(hash crypto.Hash, nameHash, keyHash, serial []byte) CertID {
	var w writer
	mark := w.open(tagSequence)
	algorithm := w.open(tagSequence)
	w.add(tagOID, hashOID(hash)...)
	w.close(algorithm)
	w.add(tagOctetString, nameHash...)
	w.add(tagOctetString, keyHash...)
	w.integer(serial)
	w.close(mark)
	return CertID{der: w.b, hash: hash, nameHash: nameHash, keyHash: keyHash, serial: bytes.TrimLeft(serial, "\x00")}
}
