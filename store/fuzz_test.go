package store

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// A cursor is refused, or is the one spelling of a key of the right length.
func FuzzCursorHasOneSpelling(f *testing.F) {
	for _, text := range []string{"", "AA", "AB", "ZGV2aWNlL1NOLTE", "AAAAAAAAAAAAAAAAAAAAAA", "AAAAAAAAAAAAAAAAAAAAAA==", "!", "0\nA"} {
		f.Add(text, 16)
	}
	f.Fuzz(func(t *testing.T, text string, n int) {
		key, err := Page{After: text}.key(n)
		switch {
		case err != nil:
			require.ErrorIs(t, err, ErrBadCursor)
		case text == "":
			require.Nil(t, key)
		default:
			require.Equal(t, text, cursor(key))
			if n != 0 {
				require.Len(t, key, n)
			}
		}
	})
}

// A serial is refused, or is 32 hex digits that come out again in lower case.
func FuzzParseSerial(f *testing.F) {
	for _, text := range []string{"", "00", "0123456789abcdef0123456789ABCDEF", "0123456789abcdef0123456789abcdeg"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		serial, err := ParseSerial(text)
		if err != nil {
			require.Zero(t, serial)
			return
		}
		again, err := ParseSerial(serial.String())
		require.NoError(t, err)
		require.Equal(t, serial, again)
		require.Len(t, text, 32)
	})
}

// The id of an account, an order or an authorization is refused, or is the one
// spelling of it.
func FuzzParseAccountID(f *testing.F) {
	for _, text := range []string{"", "00", "0123456789abcdef0123456789ABCDEF", "0123456789abcdef0123456789abcdef", "0123456789abcdef0123456789abcdeg"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		account, err := ParseAccountID(text)
		order, orderErr := ParseOrderID(text)
		authorization, authorizationErr := ParseAuthorizationID(text)
		if err != nil {
			require.Error(t, orderErr)
			require.Error(t, authorizationErr)
			require.Zero(t, account)
			require.Zero(t, order)
			require.Zero(t, authorization)
			return
		}
		require.Equal(t, text, account.String())
		require.Equal(t, text, order.String())
		require.Equal(t, text, authorization.String())
	})
}
