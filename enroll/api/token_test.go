package api_test

import (
	"bytes"
	"encoding/base64"
	"log/slog"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/enroll/api"
)

// A token survives its text, and its id and hash are those of its secret alone.
func TestTokenText(t *testing.T) {
	token := api.NewJoinToken([32]byte{1, 2, 3})
	parsed, err := api.ParseToken(token.String())
	require.NoError(t, err)
	require.Equal(t, token, parsed)
	require.NotEqual(t, token.Secret, api.NewJoinToken(token.Root).Secret)

	other := token
	other.Root[0] ^= 1
	require.Equal(t, token.ID(), other.ID())
	hash, id := token.Hash(), token.ID()
	require.Equal(t, hash[:16], id[:])
	require.True(t, token.Matches(hash))
	hash[31] ^= 1
	require.False(t, token.Matches(hash))
}

// A text that is not exactly a token's is refused, and the error repeats none of it.
func TestParseTokenRefuses(t *testing.T) {
	good := api.NewJoinToken([32]byte{}).String()
	for name, text := range map[string]string{
		"empty":            "",
		"prefix only":      "bt1",
		"other version":    "bt2" + good[3:],
		"upper prefix":     "BT1" + good[3:],
		"no root":          good[:47],
		"short secret":     good[:5] + good[6:],
		"long root":        good + "A",
		"line end":         good + "\n",
		"inner line end":   good[:10] + "\n" + good[11:],
		"space":            " " + good,
		"padded":           good + "=",
		"standard base64":  good[:10] + "+" + good[11:],
		"loose last bits":  good[:len(good)-1] + "B",
		"a fourth part":    good + "." + good[4:],
		"ten thousand dot": strings.Repeat(".", 10_000),
	} {
		t.Run(name, func(t *testing.T) {
			_, err := api.ParseToken(text)
			require.ErrorIs(t, err, api.ErrToken)
			require.Equal(t, api.ErrToken.Error(), err.Error())
		})
	}
}

// A token that strays into a log line does not show its secret.
func TestTokenLogsItsID(t *testing.T) {
	token := api.NewJoinToken([32]byte{})
	for _, handler := range []func(*bytes.Buffer) slog.Handler{
		func(b *bytes.Buffer) slog.Handler { return slog.NewTextHandler(b, nil) },
		func(b *bytes.Buffer) slog.Handler { return slog.NewJSONHandler(b, nil) },
	} {
		var out bytes.Buffer
		slog.New(handler(&out)).Info("made", "token", token)
		require.Contains(t, out.String(), "token:")
		require.NotContains(t, out.String(), token.String()[4:20])
	}
}

// Whatever is accepted as a token is the one text of that token.
func FuzzParseToken(f *testing.F) {
	f.Add(api.JoinToken{}.String())
	f.Add(api.NewJoinToken([32]byte{9}).String())
	f.Add("bt1..")
	f.Add("bt1.\n.")
	f.Fuzz(func(t *testing.T, text string) {
		token, err := api.ParseToken(text)
		if err != nil {
			require.Zero(t, token)
			return
		}
		require.Equal(t, text, token.String())
	})
}

// A secret can be given to a command line: of 2,000 none looks like an option.
func TestSecretIsNoOption(t *testing.T) {
	for range 2000 {
		secret := api.NewJoinToken([32]byte{}).Secret
		require.NotEqual(t, byte('-'), base64.RawURLEncoding.EncodeToString(secret[:])[0])
	}
}
