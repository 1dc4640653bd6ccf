package ocsp

import (
	"crypto"
	"crypto/sha256"
	"crypto/sha512"

	"github.com/betonica/betonica/ca/sha1name"
)

// hashes are the algorithms that a CertID may use, with the contents of their OIDs.
// openssl, NSS, nginx, Java and GnuTLS ask with SHA-1; RFC 9919, Section 3.1.1 wants
// SHA-256.
var hashes = [...]struct {
	hash crypto.Hash
	oid  string
}{
	{crypto.SHA1, "\x2b\x0e\x03\x02\x1a"},
	{crypto.SHA256, "\x60\x86\x48\x01\x65\x03\x04\x02\x01"},
	{crypto.SHA384, "\x60\x86\x48\x01\x65\x03\x04\x02\x02"},
	{crypto.SHA512, "\x60\x86\x48\x01\x65\x03\x04\x02\x03"},
}

func hashOf(oid []byte) crypto.Hash {
	for i := range hashes {
		if hashes[i].oid == string(oid) {
			return hashes[i].hash
		}
	}
	return 0
}

func hashOID(hash crypto.Hash) []byte {
	for i := range hashes {
		if hashes[i].hash == hash {
			return []byte(hashes[i].oid)
		}
	}
	return nil
}

func sum(hash crypto.Hash, data []byte) []byte {
	switch hash {
	case crypto.SHA1:
		s := sha1name.Of(data)
		return s[:]
	case crypto.SHA256:
		s := sha256.Sum256(data)
		return s[:]
	case crypto.SHA384:
		s := sha512.Sum384(data)
		return s[:]
	}
	s := sha512.Sum512(data)
	return s[:]
}
