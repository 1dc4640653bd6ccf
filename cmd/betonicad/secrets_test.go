package main_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/tls"
	"encoding/base64"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/enroll/api"
)

// A secret is nowhere but where it belongs: what the daemon and the tool write,
// to the log, to the terminal and to disk, holds no token, no passphrase and no
// key in clear, and the files that are secrets are their owner's alone.
func TestSecrets(t *testing.T) {
	t.Parallel()
	dir := newCA(t)
	d := serve(t, dir)
	work := t.TempDir()
	tokenFile, machine := filepath.Join(work, "token"), filepath.Join(work, "machine")
	token := run(t, "betonica", "token", "create", "--socket", d.Socket, "--role", "device", "--name", "SN-1")
	require.NoError(t, os.WriteFile(tokenFile, []byte(token), 0o600))
	eab := run(t, "betonica", "token", "create", "--socket", d.Socket, "--role", "device", "--name", "SN-2", "--eab")
	_, hmacKey, ok := strings.Cut(strings.TrimSpace(eab), "hmac_key  ")
	require.True(t, ok, eab)
	hmacBytes, err := base64.RawURLEncoding.DecodeString(hmacKey)
	require.NoError(t, err)
	var said strings.Builder
	say := func(args ...string) {
		cmd, err := command("betonica", args...)
		require.NoError(t, err)
		out, _ := cmd.CombinedOutput() // half of them are to fail
		said.Write(out)
	}
	say("enroll", "--url", "https://"+d.HTTPS, "--token-file", tokenFile, "--out", machine)
	say("enroll", "--url", "https://"+d.HTTPS, "--token-file", tokenFile, "--out", machine+"2") // spent
	say("renew", "--dir", machine)
	say("token", "list", "--socket", d.Socket, "-o", "json")
	say("audit", "list", "--socket", d.Socket, "-o", "json")
	// A token where it must not be: in the URL, in the path, beside a bad request.
	token = strings.TrimSpace(token)
	c, err := dial(d.HTTPS, rootsOf(t, dir))
	require.NoError(t, err)
	defer c.Close()
	for _, path := range []string{api.PathEnroll + "?token=" + token, api.PathEnroll + "/" + token} {
		status, answer, err := c.post(path, "", newRequest(t).csr)
		require.NoError(t, err)
		require.GreaterOrEqual(t, status, http.StatusBadRequest)
		said.Write(answer)
	}
	status, answer, err := c.post(api.PathEnroll, token, []byte("no request"))
	require.NoError(t, err)
	require.Equal(t, http.StatusBadRequest, status)
	said.Write(answer)
	require.NoError(t, d.stop())

	// What must not be seen, and the one file that each may be in.
	secret, _, _ := strings.Cut(strings.TrimPrefix(token, "bt1."), ".")
	raw, err := base64.RawURLEncoding.DecodeString(secret)
	require.NoError(t, err)
	needles := map[string]needle{
		"the token":            {[]byte(secret), tokenFile},
		"the token's bytes":    {raw, ""},
		"the HMAC key":         {[]byte(hmacKey), ""},
		"the HMAC key's bytes": {hmacBytes, ""},
		"the passphrase":       {bytes.TrimSpace(read(t, dir+".passphrase")), dir + ".passphrase"},
		"the root passphrase":  {bytes.TrimSpace(read(t, dir+".root/passphrase")), dir + ".root/passphrase"},
	}
	pair, err := tls.LoadX509KeyPair(filepath.Join(machine, "current", "cert.pem"), filepath.Join(machine, "current", "key.pem"))
	require.NoError(t, err)
	scalar, err := pair.PrivateKey.(*ecdsa.PrivateKey).Bytes()
	require.NoError(t, err)
	needles["the machine's key"] = needle{scalar, ""}

	d.hides(t, said.String(), needles, filepath.Dir(dir), work)
	for _, root := range []string{filepath.Dir(dir), work} {
		walk(t, root, func(path string, info fs.FileInfo, text []byte) {
			secret := bytes.Contains(text, []byte("PRIVATE KEY-----")) || strings.Contains(path, "passphrase") ||
				strings.HasPrefix(path, dir+"/") && filepath.Ext(path) != ".pem"
			if secret {
				require.Zero(t, info.Mode().Perm()&0o077, "%s is %s", path, info.Mode())
			}
		})
	}
}

// A needle is what must not be seen, and the one file that it may be in.
type needle struct {
	text []byte
	home string
}

// hides demands that no needle is in the daemon's log, in what was said, or in a
// file of these folders.
func (d *daemon) hides(t testing.TB, said string, needles map[string]needle, folders ...string) {
	for what, needle := range needles {
		require.NotContains(t, d.log.String(), string(needle.text), "%s is in the log", what)
		require.NotContains(t, said, string(needle.text), "%s was said", what)
		for _, root := range folders {
			walk(t, root, func(path string, info fs.FileInfo, text []byte) {
				if path != needle.home {
					require.False(t, bytes.Contains(text, needle.text), "%s is in %s", what, path)
				}
			})
		}
	}
}

func read(t testing.TB, path string) []byte {
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	return text
}

// walk calls f for every file below root.
func walk(t testing.TB, root string, f func(path string, info fs.FileInfo, text []byte)) {
	require.NoError(t, filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return err
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		f(path, info, read(t, path))
		return nil
	}))
}
