package ca_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/ca"
	"github.com/betonica/betonica/revoke/allow"
)

// A guard has the rules that name it, as of its own trust domain, in their order; and
// nobody else has them.
func TestGuardRules(t *testing.T) {
	p := newPolicy(t, `
[[allow]]
name = "report"
guards = ["gateway/gw-*", "service"]
peers = ["device/pump-*"]
fhir = { interactions = ["create"] }
[role.device]
[[allow]]
name = "db"
guards = ["gateway/gw-db"]
peers = ["service"]
listener = ["pg"]
tcp = true
`)
	report := allow.Rule{Name: "report", Peers: []string{"spiffe://" + trustDomain + "/device/pump-*"}, FHIR: &allow.FHIRRule{Interactions: []string{"create"}}}
	db := allow.Rule{Name: "db", Peers: []string{"spiffe://" + trustDomain + "/service"}, Listeners: []string{"pg"}, TCP: true}
	for path, want := range map[string][]allow.Rule{
		"gateway/gw-1": {report}, "gateway/gw-db": {report, db}, "service/a": {report}, "gateway/other": nil, "device/pump-1": nil,
	} {
		got := p.GuardRules(must(ca.ParsePath(trustDomain, path)))
		require.Equal(t, want, got, path)
		_, err := allow.NewSet(got...)
		require.NoError(t, err)
	}
	require.Empty(t, p.GuardRules(ca.ID{}))
	require.Empty(t, newPolicy(t, "[role.x]\n").GuardRules(must(ca.ParsePath(trustDomain, "gateway/gw-1"))))
}

// A policy with a rule that cannot be meant is refused as a whole, with the places.
func TestGuardRulesErrors(t *testing.T) {
	const begin = "[[allow]]\nname = 'a'\npeers = ['device']\nguards = ['gateway']\n"
	for text, want := range map[string]string{
		"[[allow]]\nname = 'a'\npeers = ['device']\ntcp = true\n": `p.toml:1:3: rule "a": guards must say`,
		begin + "tpc = true\n":                                                                    `p.toml:5:1: unknown key "allow.tpc"; is it "tcp"?`,
		begin + "guard = ['x']\ntcp = true\n":                                                     `p.toml:5:1: unknown key "allow.guard"; is it "guards"?`,
		begin + "hl7 = {messages = ['ADT']}\nnetworks = []\n":                                     `p.toml:6:1: unknown key "allow.networks"`,
		begin + "hl7 = {messages = ['adt']}\n":                                                    `p.toml:5:20: rule "a": "adt" is not a message`,
		strings.Replace(begin, "'gateway'", "'gateway', 'a/b/c'", 1) + "tcp = true\n":             `p.toml:4:22: rule "a": "a/b/c" is not a guard`,
		strings.Replace(begin, "'gateway'", "", 1) + "tcp = true\n":                               `p.toml:1:3: rule "a": guards must say`,
		strings.Replace(begin, "'device'", "'spiffe://other.example/device'", 1) + "tcp = true\n": `p.toml:3:10: rule "a": peers of a policy are of its own trust domain`,
		begin + "tcp = true\n" + begin + "tcp = true\n":                                           `p.toml:7:1: rule "a": another rule has this name`,
	} {
		_, err := ca.ParsePolicy("p.toml", []byte(text))
		require.Error(t, err, text)
		require.True(t, strings.HasPrefix(err.Error(), want), "%s\nsays %s", text, err)
	}
}
