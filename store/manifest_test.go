package store

import (
	"crypto/x509"
	"encoding/pem"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/betonica/betonica/store/audit/checkpoint"
	"github.com/betonica/betonica/store/storetest"
)

// A manifest is signed by the log's key, whose PEM is the key of that name; and nothing is
// signed that anybody could take for a checkpoint of the log.
func TestSignManifest(t *testing.T) {
	d := open(t, config(t, storetest.SQLite(t)))
	text := strings.Repeat("0", 64) + "  report.html\n"
	signed, err := d.SignManifest(text)
	require.NoError(t, err)
	n, err := note.Open([]byte(signed), note.VerifierList(verifier(t, d)))
	require.NoError(t, err)
	require.Equal(t, text, n.Text)

	hash := tlog.Hash{7}.String()
	for name, text := range map[string]string{
		"a checkpoint":        d.cfg.Origin + "\n1000\n" + hash + "\n",
		"with more":           d.cfg.Origin + "\n1000\n" + hash + "\nmore\n",
		"its first line":      d.cfg.Origin + "\n",
		"nothing":             "",
		"in the middle of it": "00  report.html",
	} {
		_, err := d.SignManifest(text)
		require.Error(t, err, name)
	}

	public, err := d.LogKeyPEM()
	require.NoError(t, err)
	block, rest := pem.Decode(public)
	require.Empty(t, rest)
	key, err := x509.ParsePKIXPublicKey(block.Bytes)
	require.NoError(t, err)
	vkey, err := d.VerifierKey()
	require.NoError(t, err)
	want, err := checkpoint.PublicKey(vkey)
	require.NoError(t, err)
	require.True(t, want.Equal(key))
	_, err = checkpoint.PublicKey("hospital.example/log+00000000+AAAA")
	require.Error(t, err)
}
