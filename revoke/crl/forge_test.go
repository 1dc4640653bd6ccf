package crl_test

import (
	"crypto"
	"crypto/rand"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
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

func seq(parts ...[]byte) []byte     { return tlv(0x30, parts...) }
func utc(text string) []byte         { return tlv(0x17, []byte(text)) }
func generalized(text string) []byte { return tlv(0x18, []byte(text)) }
func integer(octets ...byte) []byte  { return tlv(0x02, octets) }
func reason(octets ...byte) []byte   { return extension(21, false, tlv(0x0a, octets)) }

// extension is 2.5.29.n.
func extension(n byte, critical bool, value ...[]byte) []byte {
	flag := []byte{}
	if critical {
		flag = []byte{1, 1, 0xff}
	}
	return seq(tlv(6, []byte{0x55, 0x1d, n}), flag, tlv(4, value...))
}

// The last octets of the OIDs below 2.5.29.
const (
	cRLNumber         = 20
	invalidityDate    = 24
	deltaIndicator    = 27
	distributionPoint = 28
	certificateIssuer = 29
	authorityKey      = 35
	freshestCRL       = 46
)

var (
	ecdsaSHA256 = seq(tlv(6, []byte("\x2a\x86\x48\xce\x3d\x04\x03\x02")))
	ecdsaSHA384 = seq(tlv(6, []byte("\x2a\x86\x48\xce\x3d\x04\x03\x03")))
	thisTime    = utc("261122120000Z")
	nextTime    = utc("261123120000Z")
)

// A forgery is a list built piece by piece, so that any piece can be wrong; the
// signature is right all the same. What is nil is as it should be, and what is empty is
// not there.
type forgery struct {
	version, inner, issuer, times, revoked []byte
	extensions                             [][]byte // nil: AKI and number
	more                                   []byte   // after the extensions
	outer                                  []byte   // the outer algorithm
	tail                                   []byte   // after the signature
}

func orElse(b, usual []byte) []byte {
	if b == nil {
		return usual
	}
	return b
}

// signed returns the contents of tbsCertList.
func (f forgery) signed(by party) []byte {
	if f.extensions == nil {
		f.extensions = [][]byte{akiOf(by), extension(cRLNumber, false, integer(5))}
	}
	extensions := []byte{}
	if len(f.extensions) > 0 {
		extensions = tlv(0xa0, seq(f.extensions...))
	}
	return slices.Concat(
		orElse(f.version, integer(1)), orElse(f.inner, ecdsaSHA256), orElse(f.issuer, by.RawSubject),
		orElse(f.times, slices.Concat(thisTime, nextTime)),
		orElse(f.revoked, seq(seq(integer(9), thisTime))), extensions, f.more,
	)
}

func (f forgery) der(t testing.TB, by party) []byte {
	tbs := seq(f.signed(by))
	signature, err := crypto.SignMessage(by.Signer, rand.Reader, tbs, crypto.SHA256)
	require.NoError(t, err)
	return seq(tbs, orElse(f.outer, ecdsaSHA256), tlv(3, []byte{0}, signature), f.tail)
}

// pointAt is a DistributionPoint with one URL, and what may follow it.
func pointAt(url string, more ...[]byte) []byte {
	return seq(append([][]byte{tlv(0xa0, tlv(0xa0, tlv(0x86, []byte(url))))}, more...)...)
}

func akiOf(by party) []byte { return extension(authorityKey, false, seq(tlv(0x80, by.SubjectKeyId))) }
