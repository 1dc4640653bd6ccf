package scep

import (
	"bytes"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// Whatever a stranger sends as a message does not panic, and what is taken for one has a
// signer, a transaction and a nonce.
func FuzzParse(f *testing.F) {
	f.Add([]byte("\x30\x80\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02\xa0\x80"))
	f.Fuzz(func(t *testing.T, der []byte) {
		if m, err := parse(der); err == nil {
			require.NotNil(t, m.signer)
			require.NotEmpty(t, m.transaction)
			require.NotEmpty(t, m.nonce)
		}
	})
}

// What is read as shallow is shallow, and what is nested deeper is refused before anybody
// spends time on it.
func TestNesting(t *testing.T) {
	nested := func(depth int, indefinite bool) []byte {
		var der []byte
		for range depth {
			switch n := len(der); {
			case indefinite && n == 0:
				der = []byte{0x30, 0x80, 5, 0, 0, 0}
			case indefinite:
				der = slices.Concat([]byte{0x30, 0x80}, der, []byte{0, 0})
			case n < 0x80:
				der = append([]byte{0x30, byte(n)}, der...)
			default:
				der = append([]byte{0x30, 0x82, byte(n >> 8), byte(n)}, der...)
			}
		}
		return der
	}
	require.True(t, shallow(nested(maxNesting, false)))
	require.True(t, shallow(nested(maxNesting-1, true)))
	require.False(t, shallow(nested(maxNesting+1, false)))
	require.False(t, shallow(nested(maxNesting+1, true)))
	// One that seems to end at once goes on for the library.
	require.False(t, shallow(append(bytes.Repeat([]byte{0x30, 0x80, 0, 0}, 40), bytes.Repeat([]byte{0, 0}, 40)...)))
	_, err := parse(nested(5000, true))
	require.ErrorContains(t, err, "too deep")
	for _, cut := range []string{"", "\x30", "\x30\x80", "\x30\x81", "\x30\x84\xff\xff\xff\xff", "\x30\x85\x01\x01\x01\x01\x01", "\x3f", "\x3f\xff", "\x04\x80\x00\x00", "\x30\x02\x04\x01"} {
		require.False(t, shallow([]byte(cut)), "%x", cut)
	}
}

// Whatever an envelope is, it is read or refused by one of two errors, and what is read
// can be decrypted.
func FuzzEnvelope(f *testing.F) {
	f.Add([]byte("\x30\x0b\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x03"))
	f.Fuzz(func(t *testing.T, der []byte) {
		e, err := readEnvelope(der)
		if err != nil {
			require.True(t, err == errEnvelope || err == errAlgorithm)
			return
		}
		require.Zero(t, len(e.ciphertext)%16)
		require.LessOrEqual(t, len(e.keys), maxRecipients)
	})
}
