package plain_test

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/store/audit/plain"
	"github.com/betonica/betonica/store/audit/plain/plaintest"
)

// A line of the log is one line that nothing in it can hide, and says what it said.
func TestJSONWriter(t *testing.T) {
	for what, s := range plaintest.Hostile() {
		var raw, shown bytes.Buffer
		for _, log := range []*slog.Logger{slog.New(slog.NewJSONHandler(&raw, nil)), slog.New(slog.NewJSONHandler(plain.JSONWriter(&shown), nil))} {
			log.With("time", "").Info("refused", "who", s, s, "v", slog.Group("g", s, s))
		}
		line, found := strings.CutSuffix(shown.String(), "\n")
		require.True(t, found)
		require.True(t, utf8.ValidString(line))
		require.Negative(t, strings.IndexFunc(line, func(r rune) bool { return !unicode.IsPrint(r) }), "%s: %q", what, line)
		require.Equal(t, decode(t, raw.Bytes()), decode(t, shown.Bytes()), what)
	}
}

func decode(t *testing.T, b []byte) (v map[string]any) {
	t.Helper()
	require.NoError(t, json.Unmarshal(b, &v))
	delete(v, "time")
	return v
}
