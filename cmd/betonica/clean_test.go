package main

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

func TestClean(t *testing.T) {
	for in, want := range map[string]string{
		"":                      "",
		"device/SN-1 Wörd 漢字 🙂": "device/SN-1 Wörd 漢字 🙂",
		"\x1b[31mred":           `\x1b[31mred`,
		"a\nb\tc\rd":            `a\x0ab\x09c\x0dd`,
		"\u009b1m":              `\u009b1m`,
		"\u202egnp.exe":         `\u202egnp.exe`,
		"\xff\xfe":              `\xff\xfe`,
		"\ufffd is a rune too":  "\ufffd is a rune too",
		"\U000e0041":            `\U000e0041`,
	} {
		require.Equal(t, want, clean(in))
	}
}

// Whatever a server says, what is shown is valid text that no terminal acts on;
// and JSON that was cleaned says what it said.
func FuzzClean(f *testing.F) {
	for _, seed := range []string{"", "plain", "\x1b]0;title\x07", "\u202e\u2066", "\xff", "\ufffd", "\U000e0041\u007f", "\u2028\"\\"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		shown := clean(s)
		require.True(t, utf8.ValidString(shown))
		require.Negative(t, strings.IndexFunc(shown, active))

		text, err := encode(map[string]string{"k": s}, "")
		require.NoError(t, err)
		require.Negative(t, strings.IndexFunc(text, active))
		var back, direct map[string]string
		require.NoError(t, json.Unmarshal([]byte(text), &back))
		raw, err := json.Marshal(map[string]string{"k": s})
		require.NoError(t, err)
		require.NoError(t, json.Unmarshal(raw, &direct))
		require.Equal(t, direct, back)
	})
}
