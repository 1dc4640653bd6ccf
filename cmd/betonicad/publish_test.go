package main_test

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/revoke/crl"
)

// However often the daemon is killed while it writes what it publishes, each file in
// the folder is whole and signed, none is older than what lay there before, and no
// half of one is left once it runs again.
func TestPublishKill(t *testing.T) {
	t.Parallel()
	dir := newCA(t)
	www := filepath.Join(t.TempDir(), "www")
	config := filepath.Join(dir, "betonica.toml")
	text, err := os.ReadFile(config)
	require.NoError(t, err)
	text = bytes.Replace(text, []byte("[crl]\n"), []byte("[crl]\nheartbeat = \"100ms\"\npublish_dir = \""+www+"\"\n"), 1)
	require.NoError(t, os.WriteFile(config, text, 0o600))

	shelf := &shelf{path: www, last: map[string]int64{}}
	for _, name := range []string{"intermediate.pem", "root.pem"} {
		certs, err := filepath.Glob(filepath.Join(dir, "keys", name))
		require.NoError(t, err)
		for _, file := range certs {
			text, err := os.ReadFile(file)
			require.NoError(t, err)
			block, _ := pem.Decode(text)
			cert, err := x509.ParseCertificate(block.Bytes)
			require.NoError(t, err)
			shelf.issuers = append(shelf.issuers, cert)
		}
	}
	require.Len(t, shelf.issuers, 2)
	for range min(*kills, 8) {
		d, err := start(dir)
		require.NoError(t, err)
		before := shelf.newest()
		require.Eventually(t, func() bool { shelf.look(t); return shelf.newest() > before }, patience, time.Millisecond, "a heartbeat")
		<-time.After(rand.N(150 * time.Millisecond))
		d.kill()
		shelf.look(t)
	}
	d, err := start(dir)
	require.NoError(t, err)
	before := shelf.newest()
	require.Eventually(t, func() bool { shelf.look(t); return shelf.newest() > before }, patience, 10*time.Millisecond)
	require.NoError(t, d.stop())
	require.NoFileExists(t, filepath.Join(www, ".new"))
	require.Len(t, shelf.last, 3, "full, delta and the root's")
}

// A shelf is a folder of published lists, and the numbers that were seen there.
type shelf struct {
	path    string
	issuers []*x509.Certificate
	last    map[string]int64 // by file
}

// newest returns the greatest number that was seen.
func (s *shelf) newest() (number int64) {
	for _, n := range s.last {
		number = max(number, n)
	}
	return number
}

// look reads every list that is there.
func (s *shelf) look(t *testing.T) {
	t.Helper()
	err := filepath.WalkDir(s.path, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() || !strings.HasSuffix(path, ".crl") {
			return err
		}
		der, err := os.ReadFile(path)
		require.NoError(t, err)
		number := s.number(t, der)
		require.GreaterOrEqual(t, number, s.last[path], path)
		s.last[path] = number
		return nil
	})
	if !os.IsNotExist(err) {
		require.NoError(t, err)
	}
	chain, err := os.ReadFile(filepath.Join(s.path, "chain.crl.pem"))
	if os.IsNotExist(err) {
		return
	}
	require.NoError(t, err)
	lists := 0
	for block, rest := pem.Decode(chain); block != nil; block, rest = pem.Decode(rest) {
		s.number(t, block.Bytes)
		lists++
	}
	require.Equal(t, 2, lists)
}

// number returns the number of a list, which one of the issuers must have signed.
func (s *shelf) number(t *testing.T, der []byte) int64 {
	t.Helper()
	for _, issuer := range s.issuers {
		if head, err := crl.OpenHead(der, issuer); err == nil {
			return head.Number()
		}
	}
	require.Fail(t, "a list that nobody signed")
	return 0
}
