package server

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// A value that cannot be used stops the start, and says where it stands.
func TestParseConfig(t *testing.T) {
	for _, tt := range []struct {
		name, text, want string
	}{
		{"empty", "", ""},
		{"whole", "[server]\nnames=['CA.example','10.0.0.1']\nhttps=':0'\nhttp='127.0.0.1:0'\nops='[::1]:0'\nreplica='r-1'\nsocket='s'\n[http]\nurl='http://x:1/'\n" +
			"[store]\ndsn='sqlite:x'\n[ca]\nkey='file:k'\npassphrase_file='p'\n[audit]\nevidence='e'", ""},
		{"unknown key", "[server]\nnames=['a']\nhtps=':1'", `f.toml:3:1: unknown key "server.htps"`},
		{"unknown table", "[server]\n\n[sever]\n", `f.toml:3:2: unknown key "sever"`},
		{"syntax", "[server]\nnames=[", "f.toml:2:7: "},
		{"twice", "[http]\nurl='http://a'\nurl='http://b'", "f.toml:3:1: "},
		{"type", "[server]\n\nhttps=8443\nhttp=':1'", `f.toml:3:1: "8443" is not host:port`},
		{"type of a path", "[server]\nsocket=1", "f.toml:2:8: "},
		{"no port", "[server]\nhttps='localhost'", `f.toml:2:7: "localhost" is not host:port`},
		{"port", "[server]\nhttps=':70000'", `f.toml:2:7: ":70000": port "70000" is not a number from 0 to 65535`},
		{"host", "[server]\nhttps='a_b:1'", `f.toml:2:7: "a_b:1": "a_b" is neither`},
		{"name", "[server]\nnames=['ok', '*.example']", `f.toml:2:14: "*.example" is neither`},
		{"replica", "[server]\nreplica='a/b'", `f.toml:2:9: name "a/b"`},
		{"zone", "[server]\nnames=['fe80::1%eth0']", `f.toml:2:8: "fe80::1%eth0" is neither`},
		{"https url", "[http]\nurl='https://a'", `f.toml:2:5: "https://a" is not of the form`},
		{"url with user", "[http]\nurl='http://u:p@a'", `f.toml:2:5: `},
		{"EST", "[est]\nenabled=true\nlisten='127.0.0.1:0'\nlabels=['device']", ""},
		{"EST elsewhere", "[server]\nest=':1'", `f.toml:2:1: unknown key "server.est"`},
		{"EST for admins", "[est]\n\nlabels=['device', 'admin']", `f.toml:3:19: role "admin" manages the CA`},
		{"EST for the CA", "[est]\nlabels=['ca']", `f.toml:2:9: role "ca" manages the CA`},
		{"label", "[est]\nlabels=['a/b']", `f.toml:2:9: "a/b" is not the name of a role`},
		{"SCEP", "[scep]\nenabled=true\nroles=['device']", ""},
		{"SCEP for admins", "[scep]\nroles=['admin']", `f.toml:2:8: role "admin" manages the CA`},
		{"EST address", "[est]\nlisten='8444'", `f.toml:2:8: "8444" is not host:port`},
		{"retention", "[retention]\ncertificates='31d'\ntokens='1d'\naudit='2192d'\n[audit]\narchive='/srv/log'", ""},
		{"log too short", "[retention]\ncertificates='2y'\naudit='5y'", `f.toml:3:7: retention.audit is 5y; it must be from 2192 to 36600 days`},
		{"certificates shorter than a list", "[retention]\n\ncertificates='30d'", `f.toml:3:14: retention.certificates is 30d`},
		{"retention in hours", "[retention]\ntokens='24h'", `f.toml:2:8: retention.tokens: "24h" is not a time such as`},
		{"retention without unit", "[retention]\naudit='7'", `f.toml:2:7: retention.audit: "7" is not a time`},
		{"no url", "[http]\nurl='http://%zz'", "f.toml:2:5: not a URL"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := parseConfig("f.toml", []byte(tt.text))
			if tt.want == "" {
				require.NoError(t, err)
				return
			}
			require.Error(t, err)
			require.Contains(t, err.Error(), tt.want)
		})
	}
}

// What a file leaves out has the default that its comment states; what it says
// stays; paths are below DIR.
func TestReadConfig(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "ca")
	require.NoError(t, os.Mkdir(dir, 0o700))
	_, err := ReadConfig(dir)
	require.ErrorIs(t, err, os.ErrNotExist)
	write := func(text string) {
		require.NoError(t, os.WriteFile(filepath.Join(dir, ConfigFile), []byte(text), 0o600))
	}

	write("")
	t.Setenv("CREDENTIALS_DIRECTORY", "")
	c, err := ReadConfig(dir)
	require.NoError(t, err)
	require.Equal(t, ":8443 :8080 127.0.0.1:9090", c.Server.HTTPS.String()+" "+c.Server.HTTP.String()+" "+c.Server.Ops.String())
	require.Equal(t, ":8444", c.EST.Listen.String())
	require.False(t, c.EST.Enabled)
	require.Equal(t, WithLoopback(nil), c.Server.Names)
	require.Equal(t, defaultReplica, c.Server.Replica)
	require.Equal(t, filepath.Join(dir, "admin.sock"), c.Server.Socket)
	require.Equal(t, "sqlite:"+filepath.Join(dir, "betonica.db"), c.Store.DSN)
	require.Equal(t, "file:"+filepath.Join(dir, "keys/intermediate.key"), c.CA.Key)
	require.Equal(t, dir+".passphrase", c.CA.PassphraseFile)
	require.Equal(t, filepath.Join(dir, "evidence.log"), c.Audit.Evidence)
	require.Equal(t, filepath.Join(dir, "archive"), c.Audit.Archive)
	require.Equal(t, "http://localhost:81", DefaultURL(c.Server.Names, 81).String())

	// A systemd credential is for package keys to read, unless a file is named; a
	// service may have credentials without this one.
	credentials := t.TempDir()
	t.Setenv("CREDENTIALS_DIRECTORY", credentials)
	c, err = ReadConfig(dir)
	require.NoError(t, err)
	require.Equal(t, dir+".passphrase", c.CA.PassphraseFile)
	require.NoError(t, os.WriteFile(filepath.Join(credentials, "betonica.passphrase"), []byte("x"), 0o600))
	c, err = ReadConfig(dir)
	require.NoError(t, err)
	require.Empty(t, c.CA.PassphraseFile)
	copies, made := c.MigrationCopies()
	require.Equal(t, dir, copies)
	require.True(t, made)

	write("[server]\nnames=['::1','CA.example']\nsocket='/run/b.sock'\n[http]\nurl='http://crl.example/b/'\n[store]\ndsn='postgres://db/x'\nmigration_copies='none'\n[ca]\npassphrase_file='../p'")
	c, err = ReadConfig(dir)
	require.NoError(t, err)
	require.Equal(t, "/run/b.sock", c.Server.Socket)
	require.Equal(t, "http://crl.example/b", c.HTTP.URL.String())
	require.Equal(t, "postgres://db/x", c.Store.DSN)
	require.Equal(t, filepath.Join(filepath.Dir(dir), "p"), c.CA.PassphraseFile)
	require.Empty(t, c.Audit.Archive, "a folder of one host's own")
	_, made = c.MigrationCopies()
	require.False(t, made)
	require.Equal(t, "http://[::1]:81", DefaultURL(c.Server.Names, 81).String())
	dns, ips := SplitNames(c.Server.Names)
	require.Equal(t, []string{"ca.example"}, dns)
	require.Len(t, ips, 1)
}

// Any text is a configuration or an error that begins with its place; none
// makes the parser panic.
func FuzzParseConfig(f *testing.F) {
	f.Add("[server]\nnames=['a','::1']\nhttps=':0'\n[http]\nurl='http://a/b'")
	f.Add("[store]\ndsn=\"sqlite:x\"\n[ca]\nkey='file:k'\n[audit]\nevidence=''")
	f.Add("[server\n=")
	f.Fuzz(func(t *testing.T, text string) {
		if _, err := parseConfig("f.toml", []byte(text)); err != nil {
			require.Regexp(t, `^f\.toml:[0-9]+:[0-9]+: `, err.Error())
		}
	})
}
