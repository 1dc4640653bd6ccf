package crl_test

import (
	"bytes"
	"crypto/x509"
	"errors"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/revoke/crl"
)

// FuzzParse: what an issuer may have signed is refused with one of our errors, or
// crypto/x509 reads the same entries in it, each once, and we write and read them again.
func FuzzParse(f *testing.F) {
	ca := authority(f, "Issuer", key(f, 1), nil)
	f.Add(forgery{}.signed(ca))
	for _, h := range hostiles(ca) {
		f.Add(h.f.signed(ca))
	}
	f.Add(forgery{
		extensions: [][]byte{akiOf(ca), extension(cRLNumber, false, integer(5)), extension(deltaIndicator, true, integer(4))},
		revoked: seq(seq(integer(9), thisTime, seq(reason(8))), seq(integer(3), generalized("20500101000000Z"),
			seq(extension(invalidityDate, false, thisTime), reason(1)))),
	}.signed(ca))

	f.Fuzz(func(t *testing.T, body []byte) {
		l, err := crl.ParseSigned(body, ca.Certificate)
		if err != nil {
			var malformed *crl.MalformedError
			require.True(t, errors.As(err, &malformed) || errors.Is(err, crl.ErrIssuer) || errors.Is(err, crl.ErrUnsupported), "%v", err)
			require.Nil(t, l)
			return
		}
		got := slices.Collect(l.Entries().All())
		require.True(t, slices.IsSortedFunc(got, func(a, b crl.Entry) int { return bytes.Compare(a.Serial[:], b.Serial[:]) }))

		document := long(0x30, long(0x30, body), ecdsaSHA256, tlv(3, []byte{0, 0}))
		witness, err := x509.ParseRevocationList(document)
		require.NoError(t, err)
		said, err := crl.Revoked(document)
		require.NoError(t, err)
		require.Equal(t, len(got) == 0, said == nil)
		require.Equal(t, l.Number(), witness.Number.Int64())
		require.True(t, l.ThisUpdate().Equal(witness.ThisUpdate))
		require.True(t, l.NextUpdate().Equal(witness.NextUpdate))
		require.Equal(t, slices.Collect(set(t, entriesOf(t, witness)...).All()), got)

		p := template(2, 1) // a delta may say anything
		again := open(t, ca, encode(t, ca, p, l.Entries()))
		require.Equal(t, got, slices.Collect(again.Entries().All()))
	})
}

// long is tlv for what may be longer than 64 KiB.
func long(tag byte, parts ...[]byte) []byte {
	body := slices.Concat(parts...)
	if len(body) < 1<<16 {
		return tlv(tag, body)
	}
	return append([]byte{tag, 0x83, byte(len(body) >> 16), byte(len(body) >> 8), byte(len(body))}, body...)
}

// FuzzOpen: nothing comes out but what the issuer signed, whatever is done to its
// bytes.
func FuzzOpen(f *testing.F) {
	ca := authority(f, "Issuer", key(f, 1), nil)
	signed := collect(f, 3)
	f.Add(encode(f, ca, template(5, 0), signed))
	f.Add(encode(f, ca, template(6, 5), signed))
	f.Add(encode(f, authority(f, "Issuer", key(f, 2), nil), template(7, 0), crl.Set{}))
	f.Fuzz(func(t *testing.T, der []byte) {
		l, err := crl.Open(der, ca.Certificate)
		if err != nil {
			var malformed *crl.MalformedError
			require.True(t, errors.As(err, &malformed) || errors.Is(err, crl.ErrSignature), "%v", err)
			return
		}
		require.Contains(t, []int64{5, 6}, l.Number())
		require.Equal(t, signed, l.Entries())
	})
}
