package ocsp_test

import (
	"crypto"
	"slices"
)

// The tests build DER, right and wrong, from these: a second way, beside the
// package's own.

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

func seq(parts ...[]byte) []byte          { return tlv(0x30, parts...) }
func octets(parts ...[]byte) []byte       { return tlv(0x04, parts...) }
func explicit(n byte, p ...[]byte) []byte { return tlv(0xa0|n, p...) }
func oid(contents string) []byte          { return tlv(0x06, []byte(contents)) }

var (
	null     = []byte{5, 0}
	isTrue   = []byte{1, 1, 0xff}
	isFalse  = []byte{1, 1, 0}
	nonceOID = oid("\x2b\x06\x01\x05\x05\x07\x30\x01\x02")
	extended = oid("\x2b\x06\x01\x05\x05\x07\x30\x01\x09")
	basicOID = oid("\x2b\x06\x01\x05\x05\x07\x30\x01\x01")
	acceptID = oid("\x2b\x06\x01\x05\x05\x07\x30\x01\x04")
	otherOID = oid("\x2a\x03\x04")
)

var hashOIDs = map[crypto.Hash][]byte{
	crypto.MD5:    oid("\x2a\x86\x48\x86\xf7\x0d\x02\x05"),
	crypto.SHA1:   oid("\x2b\x0e\x03\x02\x1a"),
	crypto.SHA256: oid("\x60\x86\x48\x01\x65\x03\x04\x02\x01"),
	crypto.SHA384: oid("\x60\x86\x48\x01\x65\x03\x04\x02\x02"),
	crypto.SHA512: oid("\x60\x86\x48\x01\x65\x03\x04\x02\x03"),
}

// certID is one whose hashes are all zeros.
func certID(hash crypto.Hash, serial ...byte) []byte {
	zeros := make([]byte, hash.Size())
	return seq(seq(hashOIDs[hash], null), octets(zeros), octets(zeros), tlv(2, serial))
}

func extension(parts ...[]byte) []byte { return seq(parts...) }

func nonceExtension(n int) []byte {
	return extension(nonceOID, octets(octets(slices.Repeat([]byte{7}, n))))
}

// request wraps a requestList and what else stands in the tbsRequest after it.
func request(list []byte, more ...[]byte) []byte {
	return seq(seq(append([][]byte{list}, more...)...))
}
