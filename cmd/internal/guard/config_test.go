package guard_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/cmd/internal/guard"
)

const (
	ten  = 10 * time.Second
	tick = 5 * time.Millisecond
)

// The example is a configuration, and a path in it begins in its folder.
func TestExample(t *testing.T) {
	c, err := guard.Parse("/etc/guard/guard.toml", guard.Example())
	require.NoError(t, err)
	require.Equal(t, "/etc/guard/rules.toml", c.Rules)
	require.Len(t, c.Routes, 2)
}

// What cannot be used is an error at its place, and what is dangerous has to be said.
func TestBadConfig(t *testing.T) {
	const head = "dir = \"d\"\nrules = \"r\"\n"
	route := func(text string) string { return head + "[[route]]\nname = \"a\"\n" + text }
	for _, tt := range []struct{ text, want string }{
		{"", "f:1:1: dir is missing"},
		{head, "there are 0 routes"},
		{head + "drane = \"1s\"\n", `f:3:1: unknown key "drane"; is it "drain"?`},
		{head + "drain = \"1ms\"\n", "f:3:9: "},
		{head + "[agent]\nkey_type = \"RSA-1024\"\n", "f:4:1: key_type \"RSA-1024\" is none of P-256, P-384"},
		{head + "ops = \":9090\"\n", "f:3:1: ops"},
		{route("listen = \":1\"\n"), "one of backend and connect"},
		{route("listen = \":1\"\nbackend = \"http://10.0.0.1:80\"\n"), "f:6:1: backend"},
		{route("listen = \":1\"\nbackend = \"ftp://127.0.0.1:80\"\n"), "begins with none of dicom, h2c, http, mllp, tcp"},
		{route("listen = \":1\"\nbackend = \"http://127.0.0.1:80/app\"\n"), "not of the form http://HOST:PORT"},
		{route("listen = \":1\"\nbackend = \"http://127.0.0.1\"\n"), "not of the form"},
		{route("listen = \":1\"\nbackend = \"http+unix:\"\n"), "http+unix:PATH"},
		{route("listen = \"1\"\nbackend = \"http://127.0.0.1:80\"\n"), "f:5:1: listen"},
		{route("listen = \"unix:x\"\nbackend = \"http://127.0.0.1:80\"\n"), "callers come by TCP"},
		{route("listen = \":1\"\nconnect = \"https://h:80\"\nexpect = [\"spiffe://td/r/n\"]\n"), "not of the loopback"},
		{route("listen = \"127.0.0.1:1\"\nconnect = \"https://h:80\"\n"), "expect of route \"a\": no peer is named"},
		{route("listen = \"127.0.0.1:1\"\nconnect = \"http://h:80\"\nexpect = [\"spiffe://td/r/n\"]\n"), "begins with none of dicoms, https, mllps, tls"},
		{route("listen = \"127.0.0.1:1\"\nconnect = \"https://h:80\"\nexpect = [\"*\"]\n"), "f:7:1: expect"},
		{route("listen = \"127.0.0.1:1\"\nconnect = \"https://h:80\"\nexpect = [\"spiffe://td/r/n\"]\nhosts = [\"a:80\"]\n"), "f:8:1: host \"a:80\""},
		{route("listen = \"127.0.0.1:1\"\nconnect = \"tls://h:80\"\nexpect = [\"spiffe://td/r/n\"]\nhosts = [\"a\"]\n"), "f:8:1: hosts"},
		{route("listen = \":1\"\nbackend = \"http://127.0.0.1:80\"\nhosts = [\"a\"]\n"), "f:7:1: hosts"},
		{route("listen = \":1\"\nbackend = \"tcp://127.0.0.1:80\"\nmin_version = \"1.1\"\n"), "f:7:1: min_version"},
		{route("listen = \":1\"\nbackend = \"tcp://127.0.0.1:80\"\nfhir = \"/f\"\n"), "f:7:1: fhir"},
		{route("listen = \":1\"\nbackend = \"tcp://127.0.0.1:80\"\nidle = \"soon\"\n"), "f:7:8: "},
		{route("listen = \":1\"\nbackend = \"tcp://127.0.0.1:80\"\nmax_message = 1\n"), "f:7:1: max_message"},
		{route("listen = \":1\"\nbackend = \"tcp://127.0.0.1:80\"\noutstanding = 1\n"), "f:7:1: outstanding"},
		{route("listen = \":1\"\nbackend = \"mllp://127.0.0.1:80\"\noutstanding = 1001\n"), "f:7:1: outstanding"},
		{route("listen = \":1\"\nbackend = \"tcp://127.0.0.1:80\"\n[[route]]\nname = \"a\"\nlisten = \":2\"\nbackend = \"tcp://127.0.0.1:80\"\n"), `f:8:1: another route is called "a"`},
		{route("listen = \":1\"\nbackend = \"tcp://127.0.0.1:80\"\n[[route]]\nname = \"b\"\nlisten = \":1\"\nbackend = \"tcp://127.0.0.1:80\"\n"), "f:9:1: another route listens"},
	} {
		_, err := guard.Parse("f", []byte(tt.text))
		require.ErrorContains(t, err, tt.want, tt.text)
	}
	for _, good := range []string{
		"unsafe_backend = true\nlisten = \":1\"\nbackend = \"http://10.0.0.1:80\"\n",
		"listen = \":1\"\nbackend = \"mllp://[::1]:80\"\nmax_message = 1000\noutstanding = 10\n",
		"listen = \":1\"\nbackend = \"tcp://[::1]:80\"\nidle = \"never\"\n",
		"unsafe_listen = true\nlisten = \":1\"\nconnect = \"https://h:80\"\nexpect = [\"spiffe://td/r\"]\n",
		"listen = \"127.0.0.1:1\"\nconnect = \"https://h:80\"\nexpect = [\"spiffe://td/r\"]\nhosts = [\"a.b\", \"[fd00::1]\"]\n",
		"listen = \"unix:s\"\nconnect = \"tls://h:80\"\nexpect = [\"spiffe://td/r/*\"]\n",
	} {
		_, err := guard.Parse("f", []byte(route(good)))
		require.NoError(t, err, good)
	}
}

// FuzzConfig: whatever a configuration file holds, it is an error with a place, or all
// that it says is usable.
func FuzzConfig(f *testing.F) {
	f.Add(string(guard.Example()))
	f.Add("dir = \"d\"\n[[route]]\nname = \"a\"\nlisten = \":1\"\nbackend = \"tcp+unix:\\u0000\"\n")
	f.Fuzz(func(t *testing.T, text string) {
		c, err := guard.Parse("f", []byte(text))
		if err != nil {
			require.NotEmpty(t, err.Error())
			return
		}
		require.NotEmpty(t, c.Dir)
		require.NotEmpty(t, c.Routes)
	})
}
