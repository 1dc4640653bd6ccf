package ca_test

import (
	"crypto/x509"
	"encoding/pem"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/ca"
)

// A mistake in a policy file is named with its place, every one of them where
// that can be told, and never with our own type names.
func TestParsePolicyErrors(t *testing.T) {
	for _, tt := range []struct {
		name, text string
		want       []string // a line each: where it begins, and what it says
	}{
		{"not TOML", "[role.x\n", []string{"p.toml:1:8: "}},
		{"unknown table", "[roles.x]\n", []string{`p.toml:1:2: unknown key "roles.x"`}},
		{"unknown keys", "[role.x]\nname = ['a']\n[role.y]\n\tlife_time = '1h'\n", []string{
			`p.toml:2:1: unknown key "role.x.name"`, `p.toml:4:2: unknown key "role.y.life_time"; is it "lifetime"?`}},
		{"key twice", "[role.x]\ndns = ['a']\ndns = ['b']\n", []string{"p.toml:3:1: "}},
		{"role twice", "[role.x]\n[role.x]\n", []string{"p.toml:2:2: "}},
		{"list wanted", "[role.x]\nnames = 'a'\n", []string{`p.toml:2:9: "role.x.names" cannot be of type string`}},
		{"text wanted", "[role.x]\nlifetime = 24\n", []string{`p.toml:2:12: "role.x.lifetime" cannot be of type integer`}},
		{"truth wanted", "[role.x]\nshare_names = 'yes'\n", []string{`p.toml:2:15: "role.x.share_names" cannot be of type string`}},
		{"role is no table", "role.x = 1\n", []string{`p.toml:1:10: "role.x" cannot be of type integer`}},
		{"reserved role", "\n[role.ca]\n", []string{`p.toml:2:2: role "ca": the name is reserved`}},
		{"bad role name", "[role.'a b']\n", []string{`p.toml:1:2: role "a b": `}},
		{"several values", "[role.x]\nnames = ['a', 'b/c',\n  '**']\ndns = ['a.*.b', 'a..b']\n", []string{
			`p.toml:2:15: role "x": name pattern "b/c"`, `p.toml:3:3: role "x": name pattern "**"`,
			`p.toml:4:8: role "x": DNS rule "a.*.b": a * can only be the first label`, `p.toml:4:17: role "x": DNS rule "a..b"`}},
		{"in two roles", "[role.b]\nfork = 'no'\n[role.a]\nfork = 'never'\n", []string{
			`p.toml:2:8: role "b": unknown fork "no"`, `p.toml:4:8: role "a": unknown fork "never"`}},
		{"dotted keys", "role.x.fork = 'no'\n", []string{`p.toml:1:15: role "x": unknown fork`}},
		{"inline table", "[role]\nx = {fork = 'no'}\n", []string{`p.toml:2:13: role "x": unknown fork`}},
		{"every address", "[role.x]\nip = ['0.0.0.0/33']\n", []string{`p.toml:2:7: role "x": "0.0.0.0/33" is not a network`}},
		{"bits after the length", "[role.x]\nnetworks = ['10.1.0.0/8']\n", []string{`p.toml:2:13: role "x": network 10.1.0.0/8 has bits set after its length; is it 10.0.0.0/8?`}},
		{"mapped network", "[role.x]\nip = ['::ffff:10.0.0.0/104']\n", []string{"p.toml:2:7: "}},
		{"any DNS name", "[role.x]\ndns = ['*']\n", []string{`p.toml:2:8: role "x": DNS rule "*"`}},
		{"bare placeholder misspelt", "[role.x]\ndns = ['{Name}.example']\n", []string{"p.toml:2:8: "}},
		{"broken A-label", "[role.x]\ndns = ['xn--a-.example']\n", []string{"p.toml:2:8: "}},
		{"usage", "[role.x]\nusages = ['client', 'email']\n", []string{`p.toml:2:21: role "x": unknown usage "email"`}},
		{"no usages", "[role.x]\nusages = []\n", []string{"p.toml:2:1: "}},
		{"no keys", "[role.x]\nkeys = []\n", []string{"p.toml:2:1: "}},
		{"no networks", "[role.x]\nnetworks = []\n", []string{"p.toml:2:1: "}},
		{"weak key", "[role.x]\nkeys = ['RSA-1024']\n", []string{`p.toml:2:9: role "x": unknown kind of key "RSA-1024"`}},
		{"key of another kind", "[role.x]\nkeys = ['P-521']\n", []string{"p.toml:2:9: "}},
		{"method of nobody", "[role.x]\nmethods = ['self']\n", []string{`p.toml:2:12: role "x": unknown method "self"`}},
		{"rekey", "[role.x]\nrekey = 'always'\n", []string{`p.toml:2:9: role "x": unknown rekey "always"`}},
		{"rekey as a truth", "[role.x]\nrekey = true\n", []string{`p.toml:2:9: "role.x.rekey" cannot be of type boolean`}},
		{"no lifetime", "[role.x]\nlifetime = '0d'\n", []string{"p.toml:2:12: "}},
		{"negative lifetime", "[role.x]\nlifetime = '-1h'\n", []string{"p.toml:2:12: "}},
		{"lifetime too long", "[role.x]\nlifetime = '731d'\n", []string{`p.toml:2:12: role "x": lifetime 731d is out of bounds: from 1s to 730d`}},
		{"lifetime of ages", "[role.x]\nlifetime = '99999999999d'\n", []string{"p.toml:2:12: "}},
		{"half seconds", "[role.x]\nlifetime = '1500ms'\n", []string{"p.toml:2:12: "}},
		{"lifetime without a unit", "[role.x]\nlifetime = '24'\n", []string{"p.toml:2:12: "}},
		{"method, all told", "[role.x]\nmethods = ['birth certificate']\n", []string{
			`p.toml:2:12: role "x": unknown method "birth certificate"; there are "token", "renew", "acme", "birth", "tpm" and "approval"`}},
		{"birth of nobody", "[role.x]\nmethods = ['token', 'birth']\n", []string{`p.toml:2:21: role "x": "birth" needs manufacturer_roots`}},
		{"no proofs", "[role.x]\nproofs = 0\n", []string{`p.toml:2:10: role "x": proofs 0 is out of bounds: from 1 to 4`}},
		{"five proofs", "[role.x]\nproofs = 5\n", []string{`p.toml:2:10: role "x": proofs 5 is out of bounds`}},
		{"proofs as text", "[role.x]\nproofs = '2'\n", []string{`p.toml:2:10: "role.x.proofs" cannot be of type string`}},
		{"more proofs than there are", "[role.x]\nproofs = 2\n", []string{`p.toml:2:10: role "x": proofs 2, but its methods and networks allow 1`}},
		{"roots of nobody", "[role.x]\nmanufacturer_roots = ''\ntpm_roots = 'all'\n", []string{
			`p.toml:2:22: role "x": manufacturer roots: `, `p.toml:3:13: role "x": TPM roots: `}},
		{"grace too long", "[role.x]\ngrace = '181d'\n", []string{`p.toml:2:9: role "x": grace 181d is out of bounds: from 0s to 180d`}},
		{"negative grace", "[role.x]\ngrace = '-1s'\n", []string{"p.toml:2:9: "}},
		{"half a second of grace", "[role.x]\ngrace = '500ms'\n", []string{`p.toml:2:9: role "x": grace 500ms is not a whole number of seconds`}},
		{"channel binding", "[role.x]\nchannel_binding = 'always'\n", []string{`p.toml:2:19: role "x": unknown channel_binding "always"`}},
		{"server keys as text", "[role.x]\nserver_keys = 'no'\n", []string{`p.toml:2:15: "role.x.server_keys" cannot be of type string`}},
		{"dormant before the end", "[role.x]\nlifetime = '7d'\ndormant_after = '6d'\n", []string{
			`p.toml:3:17: role "x": dormant_after 6d is out of bounds: from 7d to 3650d`}},
		{"attested by the hour", "[role.x]\nattest_every = '1h'\n", []string{`p.toml:2:16: role "x": attest_every 1h is out of bounds: from 1d to 3650d`}},
		{"owner by name", "[role.x]\nowner = 'icu'\n", []string{`p.toml:2:9: role "x": unknown owner "icu"`}},
		{"suspend_stale as text", "[role.x]\nsuspend_stale = '365d'\n", []string{`p.toml:2:17: "role.x.suspend_stale" cannot be of type string`}},
		{"too long", strings.Repeat("#", 1<<20+1), []string{"p.toml: longer than"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p, err := ca.ParsePolicy("p.toml", []byte(tt.text))
			require.Error(t, err)
			require.Nil(t, p)
			lines := strings.Split(err.Error(), "\n")
			require.Len(t, lines, len(tt.want), "%s", err)
			for i, want := range tt.want {
				require.Contains(t, lines[i], want)
				require.True(t, strings.HasPrefix(lines[i], "p.toml:"))
				require.NotContains(t, lines[i], "struct")
			}
		})
	}
}

// A key that is left out has the value that Role documents.
func TestRoleDefaults(t *testing.T) {
	p := newPolicy(t, "[role.x]\n")
	role, ok := p.Role("x")
	require.True(t, ok)
	require.Equal(t, "x", role.Name)
	require.Equal(t, []ca.Pattern{must(ca.ParsePattern("*"))}, role.Names)
	require.Empty(t, role.DNS)
	require.Empty(t, role.IPs)
	require.Equal(t, []ca.Usage{ca.UsageClient}, role.Usages)
	require.Equal(t, 24*time.Hour, role.Lifetime)
	require.Equal(t, []string{"P-256", "P-384", "Ed25519", "RSA-2048"}, role.Keys)
	require.Equal(t, []ca.Method{ca.MethodToken, ca.MethodRenew, ca.MethodACME}, role.Methods)
	require.Empty(t, role.Networks)
	require.False(t, role.ShareNames)
	require.Equal(t, ca.ForkAlarm, role.Fork)
	require.False(t, role.Rekey)
	require.Empty(t, role.AttestationRoots)
	require.Empty(t, role.ManufacturerRoots)
	require.Empty(t, role.TPMRoots)
	require.Equal(t, 1, role.Proofs)
	require.Zero(t, role.Grace)
	require.False(t, role.ChannelBinding)
	require.False(t, role.ServerKeys)
	require.Zero(t, role.DormantAfter)
	require.Equal(t, 365*24*time.Hour, role.AttestEvery)
	require.False(t, role.OwnerRequired)
	require.False(t, role.SuspendStale)
}

// What a role says about the life of a machine is read as it is written.
func TestRoleOfDevices(t *testing.T) {
	root := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: hierarchy().Root.Raw}))
	role, _ := newPolicy(t, `[role.x]
methods = ["renew", "birth", "tpm", "approval"]
proofs = 4
networks = ["10.0.0.0/8"]
manufacturer_roots = """`+"\n"+root+`"""
tpm_roots = """`+"\n"+root+root+`"""
grace = "180d"
channel_binding = "required"
server_keys = true
dormant_after = "1d"
attest_every = "0s"
owner = "required"
suspend_stale = true
`).Role("x")
	require.Equal(t, []ca.Method{ca.MethodRenew, ca.MethodBirth, ca.MethodTPM, ca.MethodApproval}, role.Methods)
	require.Equal(t, 4, role.Proofs)
	require.Len(t, role.ManufacturerRoots, 1)
	require.Len(t, role.TPMRoots, 2)
	require.Equal(t, 180*24*time.Hour, role.Grace)
	require.True(t, role.ChannelBinding)
	require.True(t, role.ServerKeys)
	require.Equal(t, 24*time.Hour, role.DormantAfter)
	require.Zero(t, role.AttestEvery)
	require.True(t, role.OwnerRequired)
	require.True(t, role.SuspendStale)

	for text, want := range map[string]time.Duration{"": 0, "0s": 0, "0d": 0, "90d": 90 * 24 * time.Hour} {
		role, _ := newPolicy(t, "[role.x]\ndormant_after = '"+text+"'\nattest_every = '"+text+"'\n").Role("x")
		require.Equal(t, want, role.DormantAfter, text)
		require.Equal(t, want, role.AttestEvery, text)
	}
}

// Attestation roots are the certificates of authorities, in PEM, and nothing that
// could be taken for one more.
func TestRoleAttestationRoots(t *testing.T) {
	root := func(der []byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	}
	h := hierarchy()
	one, two := root(h.Root.Raw), root(h.Intermediate.Raw)
	leaf, err := newAuthority(t, h, nil).Issue(newGrant(t, newPolicy(t, openPolicy), "device/SN-1", newRequest(t, p256Key(), x509.CertificateRequest{}), time.Now()), accept)
	require.NoError(t, err)
	for _, tt := range []struct {
		name, text string
		roots      int // 0: refused
	}{
		{"one", one, 1},
		{"two, with space around", "\n\n" + one + "\n" + two + "\n", 2},
		{"nothing", "", 0},
		{"words", "trust everybody", 0},
		{"words behind", one + "and all others", 0},
		{"words between", one + "x\n" + two, 0},
		{"a damaged block before a good one", "-----BEGIN CERTIFICATE-----\n!\n" + one, 0},
		{"a block cut off", one[:80], 0},
		{"a key", string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: must(x509.MarshalPKIXPublicKey(p256Key().Public()))})), 0},
		{"no certificate", root([]byte{0x30, 0}), 0},
		{"no authority's", root(leaf.Raw), 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p, err := ca.ParsePolicy("p.toml", []byte("[role.x]\nattestation_roots = \"\"\"\n"+tt.text+"\"\"\"\n"))
			if tt.roots == 0 {
				require.ErrorContains(t, err, "p.toml:2:21: role \"x\": attestation roots: ")
				return
			}
			require.NoError(t, err)
			role, _ := p.Role("x")
			require.Len(t, role.AttestationRoots, tt.roots)
			require.Equal(t, h.Root.Raw, role.AttestationRoots[0].Raw)
		})
	}
}

// A role may want a new key for every certificate.
func TestRoleRekey(t *testing.T) {
	for text, want := range map[string]bool{"required": true, "optional": false} {
		role, _ := newPolicy(t, "[role.x]\nrekey = '"+text+"'\n").Role("x")
		require.Equal(t, want, role.Rekey, text)
	}
}

// Lifetimes are written as people say them.
func TestRoleLifetime(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"1s": time.Second, "90m": 90 * time.Minute, "1h30m": 90 * time.Minute, "30d": 720 * time.Hour, "730d": 17520 * time.Hour,
	} {
		role, _ := newPolicy(t, "[role.x]\nlifetime = '"+text+"'\n").Role("x")
		require.Equal(t, want, role.Lifetime, text)
	}
}

// The privileged roles exist in every policy, as clients only, and can be
// restated; the reserved one is nobody's to make.
func TestBuiltInRoles(t *testing.T) {
	p := newPolicy(t, "[role.admin]\nlifetime = '8h'\n[role.x]\n")
	require.Equal(t, []string{"admin", "auditor", "officer", "operator", "x"}, p.Roles())
	for _, name := range []string{"admin", "auditor", "officer", "operator"} {
		require.True(t, ca.Privileged(name))
		role, ok := p.Role(name)
		require.True(t, ok)
		require.Equal(t, []ca.Usage{ca.UsageClient}, role.Usages)
		require.NoError(t, p.AllowsName(name, "mary"))
		require.NoError(t, p.AllowsName(name, "mary.smith"))
	}
	admin, _ := p.Role("admin")
	require.Equal(t, 8*time.Hour, admin.Lifetime)
	auditor, _ := p.Role("auditor")
	require.Equal(t, 24*time.Hour, auditor.Lifetime)
	for _, name := range []string{"x", "ca", "", "Admin"} {
		require.False(t, ca.Privileged(name))
	}
	self, ok := p.Role(ca.RoleCA)
	require.True(t, ok)
	require.Equal(t, []ca.Method{ca.MethodSelf}, self.Methods)
}

// What Role returns is the caller's own: nobody can change a policy.
func TestPolicyIsImmutable(t *testing.T) {
	p := newPolicy(t, "[role.x]\nnames = ['a']\ndns = ['a.example']\n")
	role, _ := p.Role("x")
	role.Names[0], role.DNS[0], role.Usages[0] = must(ca.ParsePattern("*")), "b.example", ca.UsageServer
	again, _ := p.Role("x")
	require.Equal(t, "a", again.Names[0].String())
	require.Equal(t, "a.example", again.DNS[0])
	require.Equal(t, ca.UsageClient, again.Usages[0])

	v7 := p.WithVersion(7)
	require.Equal(t, int64(0), p.Version())
	require.Equal(t, int64(7), v7.Version())
	require.Equal(t, p.Digest(), v7.Digest())
	require.NotEqual(t, p.Digest(), newPolicy(t, "[role.x]\n").Digest())
}

// Who may be made at all is asked before there is a request.
func TestAllowsName(t *testing.T) {
	p := newPolicy(t, "[role.pump]\nnames = ['pump-*', 'spare']\n[role.closed]\nnames = []\n")
	for _, tt := range []struct {
		role, name string
		want       bool
	}{
		{"pump", "pump-7", true},
		{"pump", "spare", true},
		{"pump", "pump-7.icu", false},
		{"pump", "other", false},
		{"pump", "pump-7/x", false},
		{"pump", "pump-" + strings.Repeat("7", 60), false},
		{"pump", "", false},
		{"closed", "a", false},
		{"ca", "ca.hospital.example", false},
		{"unknown", "a", false},
		{"", "", false},
	} {
		err := p.AllowsName(tt.role, tt.name)
		if tt.want {
			require.NoError(t, err)
			continue
		}
		var denied *ca.DeniedError
		require.ErrorAs(t, err, &denied, "%s/%s", tt.role, tt.name)
	}
	require.ErrorContains(t, p.AllowsName("ca", "x"), "reserved")
}

// The first policy file works as it is, and still when each of its commented-out
// lines is taken in.
func TestDefaultPolicy(t *testing.T) {
	text := string(ca.DefaultPolicy(trustDomain))
	require.NotContains(t, text, "TRUST.DOMAIN")
	p := newPolicy(t, text)
	require.Equal(t, []string{"admin", "auditor", "device", "gateway", "officer", "operator", "service"}, p.Roles())
	require.NoError(t, p.AllowsName("device", "SN-0042"))
	require.NoError(t, p.AllowsName("service", "archive"))
	require.NoError(t, p.AllowsName("gateway", "gw-icu"))
	require.Error(t, p.AllowsName("gateway", "ca"))

	var lines []string
	for line := range strings.Lines(text) {
		option, commented := strings.CutPrefix(line, "# ")
		if commented && !strings.HasPrefix(option, " ") && (strings.Contains(option, " = ") || strings.HasPrefix(option, "[")) {
			line = option
		}
		lines = append(lines, line)
	}
	all := newPolicy(t, strings.Join(lines, ""))
	admin, _ := all.Role("admin")
	require.Equal(t, 8*time.Hour, admin.Lifetime)
	device, _ := all.Role("device")
	require.Len(t, device.Networks, 1)
	for line := range strings.Lines(text) {
		require.LessOrEqual(t, len([]rune(line)), 81)
	}
}

// A policy file is of any bytes. Parsing never panics; a policy that is accepted
// has roles within the documented bounds, and an error begins with its place.
func FuzzParsePolicy(f *testing.F) {
	f.Add(ca.DefaultPolicy(trustDomain))
	f.Add([]byte(openPolicy))
	f.Add([]byte("[role.x]\nnames = ['a', 'b/c']\ndns = ['{name}.example', '*.a']\nip = ['10.0.0.0/8']\nkeys = ['RSA-4096']\n"))
	f.Add([]byte("role = {x = {fork = 'no'}, ca = {}}\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		p, err := ca.ParsePolicy("p.toml", text)
		if err != nil {
			require.Regexp(t, `^p\.toml:\d+:\d+: `, err.Error())
			return
		}
		for _, name := range p.Roles() {
			role, ok := p.Role(name)
			require.True(t, ok)
			require.NotEqual(t, ca.RoleCA, name)
			require.NotEmpty(t, role.Usages)
			require.NotEmpty(t, role.Keys)
			require.GreaterOrEqual(t, role.Lifetime, time.Second)
			require.LessOrEqual(t, role.Lifetime, 730*24*time.Hour)
			require.LessOrEqual(t, role.Grace, 180*24*time.Hour)
			require.GreaterOrEqual(t, role.Grace, time.Duration(0))
			require.True(t, 1 <= role.Proofs && role.Proofs <= 4)
			require.True(t, role.DormantAfter == 0 || role.DormantAfter >= role.Lifetime)
			_ = p.AllowsName(name, "SN-1")
		}
	})
}
