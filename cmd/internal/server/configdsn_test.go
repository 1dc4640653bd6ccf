package server

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// Only the data source changes, wherever it stands, and the rest stays to the letter.
func TestSetDSN(t *testing.T) {
	const new = `dsn = "postgres://u@h/d?x=1"`
	for _, tt := range []struct{ name, text, want string }{
		{"nothing", "", "\n[store]\n" + new + "\n"},
		{"no table", "[http]\nurl = 'http://x'\n", "[http]\nurl = 'http://x'\n\n[store]\n" + new + "\n"},
		{"an empty table", "[store]", "[store]\n" + new + "\n"},
		{"a comment", "[store] # here\n# dsn = \"sqlite:x\"\n[http]\n", "[store] # here\n" + new + "\n# dsn = \"sqlite:x\"\n[http]\n"},
		{"another one", "# a\n[store]\n  dsn='sqlite:/x'  # old\n\n[http]\nurl='http://x'\n", "# a\n[store]\n" + new + "\n\n[http]\nurl='http://x'\n"},
	} {
		got, err := SetDSN([]byte(tt.text), "postgres://u@h/d?x=1")
		require.NoError(t, err, tt.name)
		require.Equal(t, tt.want, string(got), tt.name)
	}
	_, err := SetDSN([]byte("store = { dsn = 'sqlite:x' }\n"), "sqlite:y")
	require.Error(t, err)
	for _, text := range []string{"", "[store]\n"} {
		dsn, err := DSN([]byte(text))
		require.NoError(t, err)
		require.Empty(t, dsn)
	}
}
