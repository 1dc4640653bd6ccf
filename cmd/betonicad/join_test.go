package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/ca/keys"
	"github.com/betonica/betonica/cmd/internal/adminapi"
	"github.com/betonica/betonica/cmd/internal/server"
	"github.com/betonica/betonica/store"
	"github.com/betonica/betonica/store/storetest"
)

// onPostgres makes a CA on a database of its own, and returns both.
func onPostgres(t *testing.T) (dir, dsn string) {
	dsn = storetest.Postgres(t).Database(t)
	return newCA(t, "--dsn", dsn), dsn
}

// besides returns a folder for a further replica of the CA in dir, beside which lies
// the passphrase.
func besides(t *testing.T, dir string) string {
	other := filepath.Join(t.TempDir(), "ca")
	passphrase, err := os.ReadFile(dir + ".passphrase")
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(other+".passphrase", passphrase, 0o600))
	return other
}

// execute runs a statement in a database, as its owner.
func execute(t *testing.T, dsn, statement string, args ...any) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), dsn)
	require.NoError(t, err)
	defer conn.Close(t.Context())
	_, err = conn.Exec(t.Context(), statement, args...)
	require.NoError(t, err)
}

// join makes a replica that serves: the same keys for its owner only, a configuration
// and an identity of its own, and names that it shares with the others.
func TestJoin(t *testing.T) {
	t.Parallel()
	dir, dsn := onPostgres(t)
	other := besides(t, dir)
	root, err := readCertificate(layout(dir).rootCertificate())
	require.NoError(t, err)
	stdout, stderr, err := try(t, "join", "--dsn", dsn, "--dir", other, "--name", "ca-2", "--dns", "ca-2.hospital.example", "--root-fingerprint", fingerprint(root))
	require.NoError(t, err)
	require.Equal(t, fingerprint(root)+"\n", stdout)
	require.Contains(t, stderr, "betonicad serve --dir "+other)
	require.Equal(t, []string{"ca", "ca.passphrase"}, names(t, filepath.Dir(other)))
	require.Equal(t, []string{"betonica.toml", "keys", "policy.toml", "store.id"}, names(t, other))
	require.Equal(t, names(t, layout(dir).keys()), names(t, layout(other).keys()))
	for _, folder := range []string{other, layout(other).keys()} {
		for _, name := range append(names(t, folder), "") {
			info, err := os.Stat(filepath.Join(folder, name))
			require.NoError(t, err)
			require.Zero(t, info.Mode().Perm()&0o077, name)
		}
	}
	for _, name := range names(t, layout(dir).keys()) {
		one, err := os.ReadFile(layout(dir).inKeys(name))
		require.NoError(t, err)
		two, err := os.ReadFile(layout(other).inKeys(name))
		require.NoError(t, err)
		require.Equal(t, one, two, name)
	}

	require.NoError(t, os.CopyFS(other+".root", os.DirFS(dir+".root"))) // for curl
	a, b := start(t, dir), start(t, other)
	for _, d := range []*running{a, b} {
		newMachine(t, d).enrol("device", "of-"+filepath.Base(filepath.Dir(d.dir)))
	}
	page, err := b.Identities(t.Context(), adminapi.IdentityFilter{Role: "ca"}, adminapi.PageRequest{})
	require.NoError(t, err)
	require.Len(t, page.Items, 2)
	require.Equal(t, []string{"betonicad", "ca-2"}, []string{page.Items[0].Name, page.Items[1].Name})
	require.NoError(t, b.stop())
	report, _, err := try(t, "audit", "verify", "--dir", other)
	require.NoError(t, err)
	require.Contains(t, report, "verified")
}

// A replica is not made of what is not there, or cannot be opened, and a refusal
// leaves nothing behind.
func TestJoinRefuses(t *testing.T) {
	t.Parallel()
	dir, dsn := onPostgres(t)
	empty := storetest.Postgres(t).Database(t)
	for _, tt := range []struct {
		name    string
		prepare func(t *testing.T, other string)
		args    []string
		code    int
		says    string
	}{
		{"a folder with something in it", func(t *testing.T, other string) {
			require.NoError(t, os.MkdirAll(filepath.Join(other, "keys"), 0o700))
		}, nil, 1, "not empty"},
		{"SQLite", nil, []string{"--dsn", "sqlite:" + filepath.Join(dir, "x.db")}, 2, "PostgreSQL"},
		{"an empty database", nil, []string{"--dsn", empty}, 1, "holds no store"},
		{"no database", nil, []string{"--dsn", strings.Replace(dsn, "/test", "/none", 1)}, 1, "looking at the database"},
		{"no passphrase", func(t *testing.T, other string) {
			require.NoError(t, os.Remove(other+".passphrase"))
		}, nil, 1, "copy the passphrase file"},
		{"a wrong passphrase", func(t *testing.T, other string) {
			replace(t, other+".passphrase", []byte("wrong"))
		}, nil, 1, "wrong passphrase"},
		{"a passphrase inside", nil, []string{"--passphrase-file", "DIR/secret"}, 2, "must not lie in"},
		{"another root", nil, []string{"--root-fingerprint", strings.Repeat("ab", 32)}, 1, "--root-fingerprint demands"},
		{"no fingerprint", nil, []string{"--root-fingerprint", "abcd"}, 2, "SHA-256"},
		{"a name", nil, []string{"--name", "a/b"}, 2, "--name"},
		{"a DNS name", nil, []string{"--dns", "*.example"}, 2, "--dns"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			other := besides(t, dir)
			if tt.prepare != nil {
				tt.prepare(t, other)
			}
			before := names(t, filepath.Dir(other))
			args := []string{"join", "--dsn", dsn, "--dir", other}
			for _, arg := range tt.args {
				args = append(args, strings.Replace(arg, "DIR", other, 1))
			}
			_, _, err := try(t, args...)
			require.Equal(t, tt.code, exitCode(err), "%v", err)
			require.ErrorContains(t, err, tt.says)
			require.Equal(t, before, names(t, filepath.Dir(other)))
		})
	}
}

// Who owns the database may put anything in the place of the deposit: it is not taken
// for the CA's.
func TestJoinAttacked(t *testing.T) {
	t.Parallel()
	dir, dsn := onPostgres(t)
	genuine := depositOf(t, dsn)
	stranger, strangers := onPostgres(t)
	passphrase, err := os.ReadFile(dir + ".passphrase")
	require.NoError(t, err)
	reencrypt(t, layout(stranger), passphrase)
	foreign := edited(t, depositOf(t, strangers), func(p *deposit) { // by whoever knows our passphrase, even
		p.Files["intermediate.key"], err = os.ReadFile(layout(stranger).key())
		require.NoError(t, err)
	})
	resealed := reseal(t, layout(stranger), bytes.TrimSpace(passphrase), foreign)
	slow, err := os.ReadFile(layout(dir).key())
	require.NoError(t, err)
	block, _ := pem.Decode(slow)
	block.Bytes = bytes.Replace(block.Bytes, []byte{2, 3, 0x09, 0x27, 0xc0}, []byte{2, 3, 0x7f, 0xff, 0xff}, 1)
	ours := func(edit func(*deposit)) []byte { // by whoever stole the keys, but the log's
		return reseal(t, layout(dir), bytes.TrimSpace(passphrase), edited(t, genuine, edit))
	}
	for _, tt := range []struct {
		name    string
		content []byte
		says    string
	}{
		{"nothing", nil, "cannot be read"},
		{"a huge row", bytes.Repeat([]byte("x"), 64<<20), "longer than"},
		{"deep nesting", bytes.Repeat([]byte("["), 900_000), "cannot be read"},
		{"edited", edited(t, genuine, func(p *deposit) { p.URL = "http://thief.example" }), "its seal is not ours"},
		{"a file elsewhere", edited(t, genuine, func(p *deposit) { p.Files["../../x.pem"] = []byte("x") }), "it holds a file"},
		{"another version", edited(t, genuine, func(p *deposit) { p.Version = 7 }), "contradicts itself"},
		{"of the future", edited(t, genuine, func(p *deposit) { p.Format = 2 }), "newer version of betonicad"},
		{"no certificate", edited(t, genuine, func(p *deposit) { p.Files["root.pem"] = []byte("x") }), "root.pem"},
		{"another's root", ours(func(p *deposit) { p.Files["root.pem"] = fileOf(t, layout(stranger).rootCertificate()) }), "is not of the root"},
		{"another's intermediate", ours(func(p *deposit) { p.Files["intermediate.pem"] = fileOf(t, layout(stranger).intermediate()) }), "is not the one of the certificate"},
		{"a key that takes hours", edited(t, genuine, func(p *deposit) { p.Files["intermediate.key"] = pem.EncodeToMemory(block) }), "rounds of PBKDF2"},
		{"a configuration of its own", edited(t, genuine, func(p *deposit) { p.Names = []string{"a\"\n[acme]\nrequire_eab=false"} }), "neither a DNS name"},
		{"a module to load", edited(t, genuine, func(p *deposit) {
			p.Key, p.Files["sealing.key"] = "pkcs11:module-path=/tmp/thief.so;token=x;object=y", p.Files["intermediate.key"]
		}), "its seal is not ours"},
		{"edited and sealed", ours(func(p *deposit) { p.URL = "http://thief.example" }), "is not the newest one"},
		{"another CA's", foreign, "seal is not ours"},
		{"another CA's, with its seal", resealed, "not of one CA"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			execute(t, dsn, `UPDATE deposit SET content = $1`, append([]byte{}, tt.content...))
			other := besides(t, dir)
			_, _, err := try(t, "join", "--dsn", dsn, "--dir", other)
			require.ErrorContains(t, err, tt.says)
			require.Equal(t, []string{"ca.passphrase"}, names(t, filepath.Dir(other)))
		})
	}
}

// A deposit that somebody set back to an earlier one, genuine as it is, is not the one
// that the log knows of; nor is one that the log never heard of.
func TestJoinSetBack(t *testing.T) {
	t.Parallel()
	dir, dsn := onPostgres(t)
	first := depositOf(t, dsn)
	_, _, err := try(t, rotateArgs(dir)...)
	require.NoError(t, err)
	require.NoError(t, start(t, dir).stop())
	require.NotEqual(t, first, depositOf(t, dsn))

	execute(t, dsn, `UPDATE deposit SET content = $1, version = 1`, first)
	_, _, err = try(t, "join", "--dsn", dsn, "--dir", besides(t, dir))
	require.ErrorContains(t, err, "is not the newest one")

	require.NoError(t, start(t, dir).stop(), "who has the newer ones deposits them again")
	other := besides(t, dir)
	_, _, err = try(t, "join", "--dsn", dsn, "--dir", other)
	require.NoError(t, err)
	require.FileExists(t, layout(other).roster())
}

func rotateArgs(dir string) []string {
	return []string{"rotate", "--dir", dir, "--root-key", dir + ".root/root.key", "--overlap", "0s"}
}

func fileOf(t *testing.T, name string) []byte {
	text, err := os.ReadFile(name)
	require.NoError(t, err)
	return text
}

// depositOf reads the deposit in a database.
func depositOf(t *testing.T, dsn string) (content []byte) {
	conn, err := pgx.Connect(t.Context(), dsn)
	require.NoError(t, err)
	defer conn.Close(t.Context())
	require.NoError(t, conn.QueryRow(t.Context(), `SELECT content FROM deposit`).Scan(&content))
	return content
}

// edited returns a deposit that somebody changed who cannot seal it.
func edited(t *testing.T, content []byte, edit func(*deposit)) []byte {
	s, err := unwrapDeposit(content)
	require.NoError(t, err)
	var p deposit
	require.NoError(t, json.Unmarshal(s.Body, &p))
	edit(&p)
	s.Body, err = json.Marshal(p)
	require.NoError(t, err)
	content, err = json.Marshal(s)
	require.NoError(t, err)
	return content
}

// reseal seals a deposit with the key of the CA in d.
func reseal(t *testing.T, d layout, passphrase, content []byte) []byte {
	s, err := unwrapDeposit(content)
	require.NoError(t, err)
	key, err := keys.Open("file:"+d.key(), passphrase)
	require.NoError(t, err)
	sealer, err := keys.NewSealer(key)
	require.NoError(t, err)
	sum := sha256.Sum256(s.Body)
	s.Seal = sealer.Seal(depositName, sum[:])
	content, err = json.Marshal(s)
	require.NoError(t, err)
	return content
}

// reencrypt puts the key of the CA in d under another passphrase.
func reencrypt(t *testing.T, d layout, passphrase []byte) {
	old, err := keys.ReadPassphrase(string(d) + ".passphrase")
	require.NoError(t, err)
	key, err := keys.Open("file:"+d.key(), old)
	require.NoError(t, err)
	require.NoError(t, os.Remove(d.key()))
	require.NoError(t, keys.Write(d.key(), key, bytes.TrimSpace(passphrase)))
}

// Any bytes are a deposit of files with harmless names, or an error; and what is
// sealed by us is read as it was written.
func FuzzDeposit(f *testing.F) {
	p := &deposit{Format: depositFormat, Version: 3, Names: []string{"ca.example"}, Files: map[string][]byte{"root.pem": []byte("x")}}
	body, err := json.Marshal(p)
	require.NoError(f, err)
	content, err := json.Marshal(sealedDeposit{body, []byte("seal")})
	require.NoError(f, err)
	f.Add(content, int64(3))
	f.Add([]byte(`{"body":"e30="}`), int64(0))
	f.Fuzz(func(t *testing.T, content []byte, version int64) {
		s, err := unwrapDeposit(content)
		if err != nil {
			return
		}
		p, err := s.open(version)
		if err != nil {
			return
		}
		require.Equal(t, version, p.Version)
		checkWork(p.Files)
		for name := range p.Files {
			require.Equal(t, name, filepath.Base(name))
			require.False(t, strings.HasPrefix(name, "."))
		}
	})
}

// What the log says of a deposit is its digest.
func TestDepositOnRecord(t *testing.T) {
	t.Parallel()
	dir, dsn := onPostgres(t)
	v, err := store.OpenVisit(t.Context(), dsn)
	require.NoError(t, err)
	defer v.Close()
	c, err := server.ReadConfig(dir)
	require.NoError(t, err)
	s, err := openSecrets(layout(dir), c)
	require.NoError(t, err)
	require.NoError(t, v.Unlock(t.Context(), s.log, origin("hospital.example")))
	e, err := v.Newest(t.Context(), actionDeposit)
	require.NoError(t, err)
	sum := sha256.Sum256(depositOf(t, dsn))
	require.Equal(t, hex.EncodeToString(sum[:]), e.Detail["sha256"])
	require.Equal(t, "deposit/1", e.Subject)
}
