package main

import (
	"crypto/sha256"
	"encoding/hex"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/cmd/internal/server"
)

// names lists a folder.
func names(t *testing.T, dir string) []string {
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	var all []string
	for _, e := range entries {
		all = append(all, e.Name())
	}
	return all
}

// init makes the three things that it names, for their owner only; the root is
// known by what stdout says; openssl opens each key with its own passphrase.
func TestInit(t *testing.T) {
	t.Parallel()
	parent := t.TempDir()
	dir := filepath.Join(parent, "new", "ca")
	stdout, stderr, err := try(t, "init", "--dir", dir, "--trust-domain", "hospital.example", "--dns", "CA.hospital.example,10.0.0.1", "--url", "http://crl.hospital.example")
	require.NoError(t, err)
	require.Equal(t, []string{"ca", "ca.passphrase", "ca.root"}, names(t, filepath.Dir(dir)))
	require.Equal(t, []string{"betonica.db", "betonica.db.ballast", "betonica.toml", "evidence.log", "keys", "policy.toml", "store.id"}, names(t, dir))
	require.NoError(t, filepath.WalkDir(filepath.Dir(dir), func(path string, e fs.DirEntry, err error) error {
		require.NoError(t, err)
		info, err := e.Info()
		require.NoError(t, err)
		if path != filepath.Dir(dir) {
			require.Zero(t, info.Mode().Perm()&0o077, path)
		}
		return nil
	}))
	for _, named := range []string{dir + ".root", dir + ".passphrase"} {
		require.Contains(t, stderr, named)
	}
	root, err := readCertificate(dir + ".root/root.pem")
	require.NoError(t, err)
	sum := sha256.Sum256(root.Raw)
	require.Equal(t, hex.EncodeToString(sum[:])+"\n", stdout)

	c, err := server.ReadConfig(dir)
	require.NoError(t, err)
	dns, ips := server.SplitNames(c.Server.Names)
	require.Equal(t, []string{"ca.hospital.example", "localhost"}, dns)
	require.Len(t, ips, 3)
	require.Equal(t, "http://crl.hospital.example", c.HTTP.URL.String())

	at := layout(dir)
	command(t, "openssl", "verify", "-CAfile", at.rootCertificate(), at.intermediate())
	command(t, "openssl", "pkey", "-in", at.key(), "-passin", "file:"+dir+".passphrase", "-noout")
	command(t, "openssl", "pkey", "-in", dir+".root/root.key", "-passin", "file:"+dir+".root/passphrase", "-noout")
	daemons, err := os.ReadFile(dir + ".passphrase")
	require.NoError(t, err)
	roots, err := os.ReadFile(dir + ".root/passphrase")
	require.NoError(t, err)
	require.NotEqual(t, daemons, roots)

	report, _, err := try(t, "audit", "verify", "--dir", dir)
	require.NoError(t, err)
	require.Contains(t, report, "verified 2 entries of hospital.example/log")
}

// What is there is neither overwritten nor joined, and a refusal leaves nothing
// behind.
func TestInitRefuses(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name    string
		prepare func(dir string) error
		args    []string
		code    int
		says    string
	}{
		{"a CA", func(dir string) error { return os.MkdirAll(filepath.Join(dir, "keys"), 0o700) }, nil, 1, "not empty"},
		{"a root", func(dir string) error { return os.Mkdir(dir+".root", 0o700) }, nil, 1, "root key of another CA"},
		{"a file", func(dir string) error { return os.WriteFile(dir, nil, 0o600) }, nil, 1, "not a directory"},
		{"a passphrase for everybody", func(dir string) error {
			return os.WriteFile(dir+".passphrase", []byte("secret"), 0o644)
		}, nil, 1, "everybody"},
		{"a passphrase inside", nil, []string{"--passphrase-file", "DIR/secret"}, 2, "must not lie in"},
		{"a trust domain", nil, []string{"--trust-domain", "Not A Domain"}, 2, "trust domain"},
		{"a name", nil, []string{"--dns", "*.example"}, 2, "--dns"},
		{"a URL", nil, []string{"--url", "https://ca.example"}, 2, "http://host"},
		{"a DSN", nil, []string{"--dsn", "mysql://x"}, 1, "data source"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "ca")
			if tt.prepare != nil {
				require.NoError(t, tt.prepare(dir))
			}
			before := names(t, filepath.Dir(dir))
			args := []string{"init", "--dir", dir, "--trust-domain", "hospital.example"}
			for _, arg := range tt.args {
				args = append(args, strings.Replace(arg, "DIR", dir, 1))
			}
			_, _, err := try(t, args...)
			require.Equal(t, tt.code, exitCode(err))
			require.ErrorContains(t, err, tt.says)
			require.Equal(t, before, names(t, filepath.Dir(dir)))
		})
	}
}

// A passphrase that exists is used, one that does not is made where the caller
// says; and an empty folder may be there.
func TestInitPassphraseFile(t *testing.T) {
	t.Parallel()
	parent := t.TempDir()
	dir, file := filepath.Join(parent, "ca"), filepath.Join(parent, "secret")
	require.NoError(t, os.Mkdir(dir, 0o755))
	require.NoError(t, os.WriteFile(file, []byte("correct horse\n"), 0o600))
	_, _, err := try(t, "init", "--dir", dir, "--trust-domain", "hospital.example", "--passphrase-file", file)
	require.NoError(t, err)
	require.NoFileExists(t, dir+".passphrase")
	command(t, "openssl", "pkey", "-in", layout(dir).key(), "-passin", "pass:correct horse", "-noout")
	_, _, err = try(t, "audit", "verify", "--dir", dir)
	require.NoError(t, err, "the configuration names the file")

	other, file := filepath.Join(parent, "other"), filepath.Join(parent, "made")
	_, _, err = try(t, "init", "--dir", other, "--trust-domain", "hospital.example", "--passphrase-file", file)
	require.NoError(t, err)
	command(t, "openssl", "pkey", "-in", layout(other).key(), "-passin", "file:"+file, "-noout")
}

// If the last step fails, what the steps before it put in place is taken back:
// there is a CA, or nothing.
func TestPublishIsAtomic(t *testing.T) {
	t.Parallel()
	parent := t.TempDir()
	in := initialization{dir: filepath.Join(parent, "ca"), trustDomain: "hospital.example"}
	target, err := in.target()
	require.NoError(t, err)
	d, err := newDraft(target)
	require.NoError(t, err)
	require.NoError(t, os.MkdirAll(filepath.Join(in.dir, "somebody was faster"), 0o700))
	require.Error(t, d.publish())
	d.discard()
	require.Equal(t, []string{"ca"}, names(t, parent))
	require.Equal(t, []string{"somebody was faster"}, names(t, in.dir))
}
