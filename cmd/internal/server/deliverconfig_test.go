package server

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/cmd/internal/deliver"
	"github.com/betonica/betonica/store/audit/atna"
)

// A table is a sink, with what it gets and where its files lie.
func TestDeliver(t *testing.T) {
	dir := t.TempDir()
	read := func(text string) (*Config, error) {
		require.NoError(t, os.WriteFile(filepath.Join(dir, ConfigFile), []byte(text), 0o600))
		return ReadConfig(dir)
	}
	c, err := read("[server]\n")
	require.NoError(t, err)
	require.Empty(t, c.Deliver.Outlets())
	c, err = read(`
[deliver]
site = 'General Hospital'
[deliver.fhir]
url = 'https://fhir.example/sesame'
ca_file = 'ca.pem'
min_tls = '1.2'
since = 'now'
[deliver.webhook]
url = 'http://127.0.0.1:8080/sesame'
secret_file = '/secret'
cert_file = 'a'
key_file = 'b'
[deliver.file]
name = 'audit-2'
path = 'audit.jsonl'
`)
	require.NoError(t, err)
	require.Equal(t, []deliver.Outlet{
		{Name: "fhir", Kind: "fhir", To: "https://fhir.example", Journals: true},
		{Name: "webhook", Kind: "webhook", To: "http://127.0.0.1:8080", Events: deliver.Patterns{"alert.*"}},
		{Name: "audit-2", Kind: "file", To: filepath.Join(dir, "audit.jsonl"), Journals: true, All: true},
	}, c.Deliver.Outlets())
	require.Equal(t, filepath.Join(dir, "ca.pem"), c.Deliver.FHIR.Wire().CAFile)
	require.EqualValues(t, 0x0303, c.Deliver.FHIR.Wire().MinVersion)
	require.Equal(t, "/secret", c.Deliver.Webhook.SecretFile)
	require.Equal(t, filepath.Join(dir, "b"), c.Deliver.Webhook.Wire().KeyFile)

	c, err = read(`
[deliver.syslog]
address = 'arr.example:6514'
cert_file = 'a'
key_file = 'b'
format = 'json'
[deliver.alertmanager]
url = 'https://am.example/prefix'
user = 'betonica'
password_file = 'am'
[deliver.mail]
server = 'mail.example:465'
tls = 'implicit'
from = 'Betonica <ca@hospital.example>'
to = ['a@hospital.example', 'b@hospital.example']
user = 'betonica'
password_file = 'mail'
since = 'all'
`)
	require.NoError(t, err)
	require.Equal(t, []deliver.Outlet{
		{Name: "syslog", Kind: "syslog", To: "arr.example:6514", Journals: true, All: true, Batch: 1000},
		{Name: "alertmanager", Kind: "alertmanager", To: "https://am.example", Events: deliver.Patterns{"alert.*"}},
		{Name: "mail", Kind: "mail", To: "mail.example:465", Events: deliver.Patterns{"alert.*"}, All: true},
	}, c.Deliver.Outlets())
	require.Equal(t, atna.JSON, c.Deliver.Syslog.Format.Format())
	require.Equal(t, filepath.Join(dir, "b"), c.Deliver.Syslog.Wire().KeyFile)
	require.Equal(t, filepath.Join(dir, "am"), c.Deliver.Alertmanager.PasswordFile)
	require.Equal(t, filepath.Join(dir, "mail"), c.Deliver.Mail.PasswordFile)
	require.True(t, c.Deliver.Mail.TLS.Implicit())
	require.Equal(t, "Betonica <ca@hospital.example>", c.Deliver.Mail.From.String())
	require.Equal(t, []string{"a@hospital.example", "b@hospital.example"}, c.Deliver.Mail.Recipients())
	c, err = read("[deliver.syslog]\naddress='[::1]:6514'\n[deliver.mail]\nserver='10.0.0.1:587'\nfrom='a@b'\nto=['a@b']\n")
	require.NoError(t, err)
	require.Empty(t, c.Deliver.Syslog.Format.Format(), "the sink's default")
	require.False(t, c.Deliver.Mail.TLS.Implicit())

	c, err = read("[deliver.webhook]\nurl='https://a'\nsecret_file='s'\nevents=['access.*', 'certificate.revoke']\nsince='all'\n")
	require.NoError(t, err)
	require.Equal(t, deliver.Outlet{
		Name: "webhook", Kind: "webhook", To: "https://a", Events: deliver.Patterns{"access.*", "certificate.revoke"}, Journals: true, All: true,
	}, c.Deliver.Outlets()[0])

	for text, want := range map[string]string{
		"[deliver.fhir]":                                                         `:1:1: deliver.fhir has no url`,
		"\n[deliver.webhook]\nurl='https://a'":                                   `:2:1: deliver.webhook has no secret_file`,
		"[deliver.file]\nname='a'":                                               `:1:1: deliver.file has no path`,
		"[deliver.fihr]\nurl='x'":                                                `:1:2: unknown key "deliver.fihr"`,
		"[deliver.fhir]\nurl='https://a'\nsecret='x'":                            `:3:1: unknown key "deliver.fhir.secret"`,
		"[deliver.fhir]\n\nurl='http://fhir.example/sesame'":                     `:3:5: the URL must begin with https://`,
		"[deliver.fhir]\nurl='https://u:sesame@a'":                               `:2:5: a URL must not hold a password`,
		"[deliver.fhir]\nurl='https://a'\nsince='ever'":                          `:3:7: "ever" is not what a sink may begin with`,
		"[deliver.fhir]\nurl='https://a'\nname='a_b'":                            `:3:6: "a_b" is not the name of a sink`,
		"[deliver.fhir]\nurl='https://a'\nmin_tls='1.1'":                         `:3:9: "1.1" is not the oldest version`,
		"[deliver.fhir]\nurl='https://a'\ncert_file='x'":                         `:3:1: deliver.fhir.cert_file and deliver.fhir.key_file go together`,
		"[deliver.webhook]\nevents=['alert.*', 'Alert']":                         `:2:20: "Alert" is not an action`,
		"[deliver.file]\npath='a'\n[deliver.fhir]\nurl='https://a'\nname='file'": `:5:1: deliver.fhir and deliver.file are both called "file"`,
		"[deliver.syslog]":                                                       `:1:1: deliver.syslog has no address`,
		"[deliver.syslog]\naddress='arr.example'":                                `:2:9: "arr.example" is not the host:port of a receiver`,
		"[deliver.syslog]\naddress=':6514'":                                      `:2:9: ":6514" is not the host:port of a receiver`,
		"[deliver.syslog]\naddress='arr:0'":                                      `:2:9: "arr:0" is not the host:port of a receiver`,
		"[deliver.syslog]\naddress='arr:6514'\nformat='xml'":                     `:3:8: "xml" is not a format of syslog messages`,
		"[deliver.syslog]\naddress='arr:6514'\nkey_file='x'":                     `:3:1: deliver.syslog.cert_file and deliver.syslog.key_file go together`,
		"[deliver.alertmanager]":                                                 `:1:1: deliver.alertmanager has no url`,
		"[deliver.alertmanager]\nurl='https://a'\nuser='x'":                      `:3:1: deliver.alertmanager.user and deliver.alertmanager.password_file go together`,
		"[deliver.alertmanager]\nurl='https://a'\nuser='x'\ntoken_file='y'":      `:4:1: deliver.alertmanager has a user and a token_file`,
		"[deliver.mail]\nfrom='a@b'\nto=['a@b']":                                 `:1:1: deliver.mail has no server`,
		"[deliver.mail]\nserver='m:25'\nto=['a@b']":                              `:1:1: deliver.mail has no from`,
		"[deliver.mail]\nserver='m:25'\nfrom='a@b'":                              `:1:1: deliver.mail.to has 0 recipients`,
		"[deliver.mail]\nserver='m:25'\nfrom='a@b'\nto=['a@b','c']":              `:4:11: "c" is not an address such as`,
		"[deliver.mail]\nserver='m:25'\nfrom='a@b'\nto=['a@b']\ntls='none'":      `:5:5: "none" is not how TLS begins`,
	} {
		_, err := read(text)
		require.ErrorContains(t, err, ConfigFile+want, text)
		require.NotContains(t, err.Error(), "sesame")
	}
}
