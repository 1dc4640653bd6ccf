package main

import (
	"crypto/rand"
	"crypto/x509"
	"database/sql"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	_ "github.com/mattn/go-sqlite3"
	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/ca/keys"
	"github.com/betonica/betonica/cmd/internal/server"
)

// appendTo adds to a file.
func appendTo(t *testing.T, file, text string) {
	f, err := os.OpenFile(file, os.O_APPEND|os.O_WRONLY, 0)
	require.NoError(t, err)
	_, err = f.WriteString(text)
	require.NoError(t, err)
	require.NoError(t, f.Close())
}

// replace puts text in the place of a file.
func replace(t *testing.T, file string, text []byte) {
	require.NoError(t, os.Remove(file))
	require.NoError(t, os.WriteFile(file, text, 0o600))
}

// Whatever is wrong with a CA stops its start, and is said in words; nothing is
// left running or locked.
func TestStartErrors(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { taken.Close() }) // after the subtests, which are parallel
	for _, tt := range []struct {
		name  string
		spoil func(t *testing.T, d layout)
		args  []string
		code  int
		says  string
	}{
		{"wrong passphrase", func(t *testing.T, d layout) {
			replace(t, string(d)+".passphrase", []byte("wrong"))
		}, nil, 1, "wrong passphrase"},
		{"no passphrase", func(t *testing.T, d layout) {
			require.NoError(t, os.Remove(string(d)+".passphrase"))
		}, nil, 1, ".passphrase: no such file"},
		{"a passphrase for everybody", func(t *testing.T, d layout) {
			require.NoError(t, os.Chmod(string(d)+".passphrase", 0o644))
		}, nil, 1, "everybody"},
		{"another key", func(t *testing.T, d layout) {
			passphrase, err := keys.ReadPassphrase(string(d) + ".passphrase")
			require.NoError(t, err)
			rootPassphrase, err := keys.ReadPassphrase(string(d) + ".root/passphrase")
			require.NoError(t, err)
			root, err := keys.Open("file:"+string(d)+".root/root.key", rootPassphrase)
			require.NoError(t, err)
			require.NoError(t, os.Remove(d.key()))
			require.NoError(t, keys.Write(d.key(), root, passphrase))
		}, nil, 1, "is not the one of the certificate"},
		{"expired intermediate", func(t *testing.T, d layout) {
			replace(t, d.intermediate(), expired(t, d))
		}, nil, 1, "is not valid now"},
		{"damaged certificate", func(t *testing.T, d layout) {
			replace(t, d.intermediate(), []byte("no certificate"))
		}, nil, 1, "intermediate.pem: it does not hold a certificate"},
		{"another log key", func(t *testing.T, d layout) {
			replace(t, d.logKey(), make([]byte, 61))
		}, nil, 1, "log.key"},
		{"no database", func(t *testing.T, d layout) {
			require.NoError(t, os.Remove(d.database()))
			require.NoError(t, os.Remove(d.storeID())) // as after a restore, which has no evidence either
			require.NoError(t, os.Remove(d.evidence()))
			t.Cleanup(func() { require.NoFileExists(t, d.database()) })
		}, nil, 1, "only betonicad init makes a new one"},
		{"newer schema", func(t *testing.T, d layout) {
			db, err := sql.Open("sqlite3", d.database())
			require.NoError(t, err)
			_, err = db.Exec(`INSERT INTO migrations (number, name, applied_at) VALUES (9999, 'future', 0); UPDATE meta SET value = '9999' WHERE key = 'schema_oldest'`)
			require.NoError(t, err)
			require.NoError(t, db.Close())
		}, nil, 1, "newer"},
		{"unknown key", func(t *testing.T, d layout) {
			appendTo(t, d.config(), "\n[sever]\nx = 1\n")
		}, nil, 1, `:2: unknown key "sever"`},
		{"unknown key of the policy", func(t *testing.T, d layout) {
			appendTo(t, d.policy(), "\n[role.x]\nlifetimes = \"1h\"\n")
		}, nil, 1, "policy.toml:"},
		{"a port that is taken", nil, []string{"--ops", taken.Addr().String()}, 1, "listening for ops"},
		{"a flag that is no address", nil, []string{"--http", "everywhere"}, 2, "--http"},
		{"a ready file in no folder", nil, []string{"--ready", "/nonexistent/ready"}, 1, "writing the ready file"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			dir := newCA(t)
			if tt.spoil != nil {
				tt.spoil(t, layout(dir))
			}
			_, _, err := try(t, append(append([]string{"serve", "--dir", dir}, freePorts...), tt.args...)...)
			require.ErrorContains(t, err, tt.says)
			require.Equal(t, tt.code, exitCode(err))
			c, err := server.ReadConfig(dir)
			if err != nil {
				return // it is what is wrong
			}
			unlock, err := lock(layout(dir), c)
			require.NoError(t, err)
			unlock()
		})
	}
}

// expired returns the intermediate's certificate with its time over.
func expired(t *testing.T, d layout) []byte {
	rootPassphrase, err := keys.ReadPassphrase(string(d) + ".root/passphrase")
	require.NoError(t, err)
	rootKey, err := keys.Open("file:"+string(d)+".root/root.key", rootPassphrase)
	require.NoError(t, err)
	root, err := readCertificate(d.rootCertificate())
	require.NoError(t, err)
	template, err := readCertificate(d.intermediate())
	require.NoError(t, err)
	template.NotAfter = time.Now().Add(-time.Minute)
	der, err := x509.CreateCertificate(rand.Reader, template, root, template.PublicKey, rootKey)
	require.NoError(t, err)
	return encodeCertificate(&x509.Certificate{Raw: der})
}

// One daemon at a time serves a CA, and an SQLite file, by whatever way to it.
func TestLock(t *testing.T) {
	t.Parallel()
	dir := newCA(t)
	other := filepath.Join(t.TempDir(), "copy")
	require.NoError(t, os.CopyFS(other, os.DirFS(dir)))
	d := start(t, dir)
	args := append([]string{"serve", "--dir", d.dir}, freePorts...)
	_, _, err := try(t, args...)
	require.ErrorContains(t, err, "another betonicad is running")
	_, err = d.Status(t.Context())
	require.NoError(t, err, "the first one goes on")

	// A copy of the folder whose configuration leads to the same file by a link.
	require.NoError(t, os.Remove(filepath.Join(other, "betonica.db")))
	link := filepath.Join(other, "link")
	require.NoError(t, os.Symlink(layout(d.dir).database(), link))
	c := layout(other).config()
	text, err := os.ReadFile(c)
	require.NoError(t, err)
	replace(t, c, []byte(strings.Replace(string(text), "# dsn = \"sqlite:betonica.db\"", "dsn = \"sqlite:link\"", 1)))
	passphrase, err := os.ReadFile(d.dir + ".passphrase")
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(other+".passphrase", passphrase, 0o600))
	_, _, err = try(t, append([]string{"serve", "--dir", other}, freePorts...)...)
	require.ErrorContains(t, err, "another betonicad is running")

	// A second name of the same file, which no name of a lock gives away.
	require.NoError(t, os.Remove(link))
	require.NoError(t, os.Link(layout(d.dir).database(), link))
	require.NoError(t, os.Link(layout(d.dir).database()+"-wal", link+"-wal"))
	_, _, err = try(t, append([]string{"serve", "--dir", other}, freePorts...)...)
	require.ErrorContains(t, err, "another betonicad is running")

	require.NoError(t, d.stop())
	start(t, d.dir)
}
