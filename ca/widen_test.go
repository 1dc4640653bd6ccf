package ca

import (
	"encoding/pem"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func parsed(t testing.TB, text string) *Policy {
	t.Helper()
	p, err := ParsePolicy("policy", []byte(text))
	require.NoError(t, err)
	return p
}

// Each key of a role is compared, and so is each part of a policy: what is added to them
// has to be added to the comparison.
func TestWideningsKnowEveryField(t *testing.T) {
	var fields []string
	for _, d := range dimensions {
		fields = append(fields, d.field)
	}
	role := reflect.TypeFor[Role]()
	for i := range role.NumField() {
		if name := role.Field(i).Name; name != "Name" {
			require.Contains(t, fields, name)
		}
	}
	require.Len(t, fields, role.NumField()-1)
	policy := reflect.TypeFor[Policy]()
	for i := range policy.NumField() {
		require.Contains(t, []string{"version", "digest", "roles", "guardRules", "act"}, policy.Field(i).Name)
	}
}

// A step that lets more through is a widening, at its key; the step back is none, and
// neither is standing still.
func TestWidenings(t *testing.T) {
	h, err := Create(CreateConfig{TrustDomain: "hospital.example"})
	require.NoError(t, err)
	root := fmt.Sprintf("'''%s'''", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: h.Root.Raw}))
	for _, tt := range []struct{ key, narrow, wide string }{
		{"names", "names = ['p-*']", ""},
		{"names", "names = ['p-7*']", "names = ['p-*']"},
		{"names", "names = []", "names = ['a']"},
		{"names", "names = ['*']", "names = ['*', '*.*']"},
		{"dns", "", "dns = ['a.example']"},
		{"dns", "dns = ['a.example']", "dns = ['*.example']"},
		{"dns", "dns = ['a.b.example', '*.example']", "dns = ['*.b.example', '*.example']"},
		{"ip", "", "ip = ['10.0.0.1']"},
		{"ip", "ip = ['10.1.0.0/16']", "ip = ['10.0.0.0/8']"},
		{"usages", "", "usages = ['client', 'server']"},
		{"lifetime", "lifetime = '1h'", ""},
		{"keys", "keys = ['RSA-3072', 'P-256']", "keys = ['RSA-2048', 'P-256']"},
		{"keys", "keys = ['P-256']", ""},
		{"methods", "", "methods = ['token', 'renew', 'acme', 'approval']"},
		{"methods", "methods = []", ""},
		{"proofs", "networks = ['10.0.0.0/8']\nproofs = 2", "networks = ['10.0.0.0/8']"},
		{"rekey", "rekey = 'required'", ""},
		{"attestation_roots", "", "attestation_roots = " + root},
		{"manufacturer_roots", "", "manufacturer_roots = " + root},
		{"tpm_roots", "", "tpm_roots = " + root},
		{"grace", "", "grace = '1h'"},
		{"channel_binding", "channel_binding = 'required'", ""},
		{"server_keys", "", "server_keys = true"},
		{"dormant_after", "dormant_after = '30d'", ""},
		{"dormant_after", "dormant_after = '30d'", "dormant_after = '60d'"},
		{"attest_every", "", "attest_every = '0s'"},
		{"attest_every", "attest_every = '30d'", ""},
		{"owner", "owner = 'required'", ""},
		{"suspend_stale", "suspend_stale = true", ""},
		{"networks", "networks = ['10.0.0.0/8']", ""},
		{"networks", "networks = ['10.0.0.0/8']", "networks = ['10.0.0.0/7']"},
		{"share_names", "", "share_names = true"},
		{"fork", "fork = 'refuse'", ""},
	} {
		narrow, wide := parsed(t, "[role.device]\n"+tt.narrow), parsed(t, "[role.device]\n"+tt.wide)
		got := Widenings(narrow, wide)
		require.Len(t, got, 1, "%s -> %s: %v", tt.narrow, tt.wide, got)
		require.Equal(t, "device", got[0].Role)
		require.Equal(t, tt.key, got[0].Key)
		require.NotEmpty(t, got[0].What)
		require.Empty(t, Widenings(wide, narrow), "%s -> %s", tt.wide, tt.narrow)
		require.Empty(t, Widenings(wide, wide))
		require.Empty(t, Widenings(narrow, narrow))
	}
}

// A network that is named counts as a proof, and so naming one is no narrowing where two
// are wanted.
func TestNetworkIsAProof(t *testing.T) {
	two := parsed(t, "[role.device]\nmethods = ['token', 'approval']\nproofs = 2")
	named := parsed(t, "[role.device]\nmethods = ['token', 'approval']\nproofs = 2\nnetworks = ['10.0.0.0/8']")
	three := parsed(t, "[role.device]\nmethods = ['token', 'approval']\nproofs = 3\nnetworks = ['10.0.0.0/8']")
	require.Len(t, Widenings(two, named), 1)
	require.Empty(t, Widenings(two, three))
	require.Len(t, Widenings(three, two), 2, "fewer proofs, and from anywhere")
}

// A new role is a widening, an old one that goes is none, and a privileged one that is
// no longer restated is as it is built in.
func TestWideningRoles(t *testing.T) {
	none, pump := parsed(t, "# nothing"), parsed(t, "[role.pump]")
	require.Equal(t, []Widening{{Role: "pump", What: "it is new"}}, Widenings(none, pump))
	require.Empty(t, Widenings(pump, none))
	short := parsed(t, "[role.admin]\nlifetime = '1h'")
	require.Len(t, Widenings(short, none), 1)
	require.Empty(t, Widenings(none, short))
}

// So are the rules of guards, each held against each of before; their names and their
// order do not count.
func TestWideningRules(t *testing.T) {
	rule := func(name, guards, peers, rest string) string {
		return fmt.Sprintf("[[allow]]\nname = '%s'\nguards = ['%s']\npeers = ['%s']\n%s\n", name, guards, peers, rest)
	}
	base := rule("a", "gateway", "device/p-*", "http = {methods = ['GET'], routes = ['/a/']}")
	for text, widens := range map[string]bool{
		"":   false,
		base: false,
		rule("b", "gateway/icu", "device/p-7", "http = {methods = ['GET'], routes = ['/a/b']}"):            false,
		base + rule("b", "gateway/icu", "device/p-7", "http = {methods = ['GET'], routes = ['/a/b']}"):     false,
		rule("a", "gateway", "device", "http = {methods = ['GET'], routes = ['/a/']}"):                     true,
		rule("a", "service", "device/p-*", "http = {methods = ['GET'], routes = ['/a/']}"):                 true,
		rule("a", "gateway", "device/p-*", "http = {methods = ['GET', 'PUT'], routes = ['/a/']}"):          true,
		rule("a", "gateway", "device/p-*", "http = {methods = ['GET']}"):                                   true,
		rule("a", "gateway", "device/p-*", "tcp = true"):                                                   true,
		strings.Replace(base, "peers", "listener = ['x']\npeers", 1):                                       false,
		base + rule("b", "gateway", "device/p-*", "fhir = {interactions = ['read'], types = ['Patient']}"): true,
	} {
		got := Widenings(parsed(t, base), parsed(t, text))
		require.Equal(t, widens, len(got) > 0, "%s\n%v", text, got)
	}
}

// FuzzWidenings: a name that a later policy allows and the one before did not is a
// widening.
func FuzzWidenings(f *testing.F) {
	f.Add("p-*", "p-7*", "p-7a")
	f.Add("*", "*.*", "a.b")
	f.Add("a*b", "ab*b", "abxb")
	f.Fuzz(func(t *testing.T, last, next, name string) {
		before, err := ParsePattern(last)
		if err != nil {
			return
		}
		after, err := ParsePattern(next)
		if err == nil && after.Match(name) && !before.Match(name) {
			require.False(t, before.covers(after))
		}
	})
}
