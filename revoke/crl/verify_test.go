package crl_test

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/revoke/crl"
)

// What Encode made is what Verify expects, for each kind of key and list.
func TestVerify(t *testing.T) {
	for kind, signer := range signers(t) {
		ca := authority(t, "Issuer", signer, nil)
		for name, p := range kinds() {
			for _, n := range []int{0, 1, 300} {
				require.NoError(t, crl.Verify(encode(t, ca, p, collect(t, n)), ca.Certificate, p, collect(t, n)), "%s %s %d", kind, name, n)
			}
		}
	}
}

// kinds are one template of each kind of list that there is.
func kinds() map[string]crl.Template {
	full, delta, shard := template(5, 0), template(5, 4), template(5, 0)
	full.Freshest, shard.Point = deltaURL, shardURL
	return map[string]crl.Template{"plain": template(5, 0), "full": full, "delta": delta, "shard": shard}
}

// A list that differs in anything from what it should be is found out, even if the
// issuer's key signed it.
func TestVerifyFinds(t *testing.T) {
	ca := authority(t, "Issuer", key(t, 1), nil)
	for name, p := range kinds() {
		for what, change := range map[string]func(*crl.Template){
			"number":      func(p *crl.Template) { p.Number++ },
			"base":        func(p *crl.Template) { p.Base, p.Freshest = 3, "" },
			"thisUpdate":  func(p *crl.Template) { p.ThisUpdate = p.ThisUpdate.Add(time.Second) },
			"nextUpdate":  func(p *crl.Template) { p.NextUpdate = p.NextUpdate.Add(time.Second) },
			"point":       func(p *crl.Template) { p.Point += "x" },
			"no point":    func(p *crl.Template) { p.Point = "" },
			"freshest":    func(p *crl.Template) { p.Freshest += "x"; p.Base = 0 },
			"no freshest": func(p *crl.Template) { p.Freshest = "" },
		} {
			other := p
			if change(&other); other == p {
				continue
			}
			require.Error(t, crl.Verify(encode(t, ca, other, collect(t, 3)), ca.Certificate, p, collect(t, 3)), "%s %s", name, what)
		}
	}
	p := template(5, 0)
	want := slices.Collect(collect(t, 4).All())
	altered := slices.Clone(want)
	altered[2].Reason = crl.Unspecified
	later := slices.Clone(want)
	later[3].RevokedAt = later[3].RevokedAt.Add(time.Second)
	for name, has := range map[string][]crl.Entry{
		"none": {}, "the first is missing": want[1:], "the last is missing": want[:3], "one more": slices.Collect(collect(t, 5).All()),
		"another reason": altered, "another date": later,
	} {
		require.Error(t, crl.Verify(encode(t, ca, p, set(t, has...)), ca.Certificate, p, set(t, want...)), name)
	}
	// Open would sort them.
	unsorted := forgery{revoked: seq(seq(integer(9), thisTime), seq(integer(3), thisTime))}.der(t, ca)
	open(t, ca, unsorted)
	require.ErrorContains(t, crl.Verify(unsorted, ca.Certificate, p, open(t, ca, unsorted).Entries()), "differ from the one at 0")

	der := encode(t, ca, p, collect(t, 3))
	der[len(der)-4] ^= 1
	require.ErrorIs(t, crl.Verify(der, ca.Certificate, p, collect(t, 3)), crl.ErrSignature)
	require.ErrorIs(t, crl.Verify(encode(t, authority(t, "Issuer", key(t, 2), nil), p, collect(t, 3)), ca.Certificate, p, collect(t, 3)), crl.ErrSignature)
	for _, cut := range []int{0, 1, 10, len(der) / 2, len(der) - 1} {
		require.Error(t, crl.Verify(der[:cut], ca.Certificate, p, collect(t, 3)))
	}
}
