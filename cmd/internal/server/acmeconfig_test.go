package server

import (
	"net/netip"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// A value of [acme] that cannot be used stops the start, and says where it stands.
func TestParseACMEConfig(t *testing.T) {
	for _, tt := range []struct {
		name, text, want string
	}{
		{"empty", "", ""},
		{"whole", "enabled=false\nrequire_eab=false\ndefault_role='web'\nhttp_port=8080\ntls_alpn_port=8443\nresolver='10.0.0.53:5353'\n" +
			"allow_networks=['10.20.0.0/16','fd00::/8']\nterms_of_service='https://a/terms'\naccounts_per_source=1\norders_per_account=2\norders_per_identity=3\nfailures_per_account=4", ""},
		{"unknown key", "require_eba=false", `f.toml:2:1: unknown key "acme.require_eba"`},
		{"switch", "\nrequire_eab='no'", "f.toml:3:13: "},
		{"switch as a number", "enabled=0", "f.toml:2:9: "},
		{"port as text", "http_port='80'", "f.toml:2:11: "},
		{"port as a fraction", "tls_alpn_port=443.5", "f.toml:2:15: "},
		{"count beyond all", "orders_per_account=99999999999999999999", "f.toml:2:20: "},
		{"resolver's port", "resolver='10.0.0.53:99999'", `f.toml:2:10: "10.0.0.53:99999" is not the host:port of a resolver`},
		{"resolver without host", "resolver=':53'", `f.toml:2:10: ":53" is not the host:port of a resolver`},
		{"resolver as URL", "resolver='https://dns.example/'", "f.toml:2:10: "},
		{"two resolvers", "resolver='10.0.0.53,10.0.0.54'", "f.toml:2:10: "},
		{"address for network", "\n\nallow_networks=['10.20.0.0/16',\n'10.30.0.1']", `f.toml:5:1: "10.30.0.1" is not a network such as "10.20.0.0/16"`},
		{"bits beyond", "allow_networks=['10.20.0.1/16']", "network 10.20.0.1/16 has bits beyond its length: is 10.20.0.0/16 meant?"},
		{"network too long", "allow_networks=['10.0.0.0/33']", "f.toml:2:17: "},
		{"network of names", "allow_networks=['hospital.example']", "f.toml:2:17: "},
		{"network alone", "allow_networks='10.20.0.0/16'", "f.toml:2:16: "},
		{"terms without scheme", "terms_of_service='ca.example/terms'", `f.toml:2:18: "ca.example/terms" is not the URL of a page`},
		{"terms of another scheme", "terms_of_service='file:///etc/terms'", "f.toml:2:18: "},
		{"terms without host", "terms_of_service='https:///terms'", "f.toml:2:18: "},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := parseConfig("f.toml", []byte("[acme]\n"+tt.text))
			if tt.want == "" {
				require.NoError(t, err)
				return
			}
			require.Error(t, err)
			require.Contains(t, err.Error(), tt.want)
		})
	}
}

// What [acme] leaves out has the default that its comment states, and what it says
// stays.
func TestReadACMEConfig(t *testing.T) {
	read := acmeReader(t)
	a, err := read("")
	require.NoError(t, err)
	require.True(t, On(a.Enabled))
	require.True(t, On(a.RequireEAB), "nobody has an account without a token, unless the operator says so")
	require.Equal(t, ACMEConfig{
		HTTPPort: 80, TLSALPNPort: 443,
		AccountsPerSource: 1_000, OrdersPerAccount: 100_000, OrdersPerIdentity: 100_000, FailuresPerAccount: 1_000,
	}, a)

	off := false
	a, err = read("enabled=false\nrequire_eab=false\ndefault_role='web'\nhttp_port=65535\ntls_alpn_port=1\nresolver='10.0.0.53'\nallow_networks=['10.20.0.0/16']\n" +
		"terms_of_service='https://a/terms'\naccounts_per_source=1\norders_per_account=2\norders_per_identity=3\nfailures_per_account=1000000000")
	require.NoError(t, err)
	require.Equal(t, ACMEConfig{
		Enabled: &off, RequireEAB: &off, DefaultRole: "web", HTTPPort: 65535, TLSALPNPort: 1, Resolver: Resolver{"10.0.0.53:53"},
		AllowNetworks: []Network{{netip.MustParsePrefix("10.20.0.0/16")}}, TermsOfService: WebURL{"https://a/terms"},
		AccountsPerSource: 1, OrdersPerAccount: 2, OrdersPerIdentity: 3, FailuresPerAccount: 1_000_000_000,
	}, a)

	for text, want := range map[string]string{
		"::1": "[::1]:53", "[::1]:5353": "[::1]:5353", "dns.hospital.example": "dns.hospital.example:53", "localhost:53": "localhost:53", "": "",
	} {
		a, err := read("resolver='" + text + "'")
		require.NoError(t, err, text)
		require.Equal(t, want, a.Resolver.String())
	}
}

// Numbers have bounds, of which all that are broken are told at once; and a list of
// no networks, which looks as if it allowed none, is not taken for the default.
func TestACMEBounds(t *testing.T) {
	read := acmeReader(t)
	_, err := read("http_port=65536\ntls_alpn_port=-1\naccounts_per_source=-1\norders_per_account=1000000001\norders_per_identity=-5\nfailures_per_account=-1\nallow_networks=[]")
	require.Error(t, err)
	for _, want := range []string{
		ConfigFile + ":2:1: ", ConfigFile + ":8:1: ",
		"acme.http_port is 65536; it must be from 1 to 65535", "acme.tls_alpn_port is -1; it must be from 1 to 65535",
		"acme.accounts_per_source is -1; it must be from 1 to 1000000000", "acme.orders_per_account is 1000000001",
		"acme.orders_per_identity is -5", "acme.failures_per_account is -1", "acme.allow_networks is empty",
	} {
		require.Contains(t, err.Error(), want)
	}
}

// acmeReader returns what reads a configuration whose table [acme] has that text.
func acmeReader(t *testing.T) func(text string) (ACMEConfig, error) {
	t.Helper()
	dir := t.TempDir()
	return func(text string) (ACMEConfig, error) {
		require.NoError(t, os.WriteFile(filepath.Join(dir, ConfigFile), []byte("[acme]\n"+text), 0o600))
		c, err := ReadConfig(dir)
		if err != nil {
			return ACMEConfig{}, err
		}
		return c.ACME, nil
	}
}
