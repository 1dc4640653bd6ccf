package scep

import (
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
