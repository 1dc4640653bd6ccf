package acme_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/fips140"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"math/big"
	"net/http"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"
	"github.com/stretchr/testify/require"
)

// A request that is not signed as RFC 8555, Section 6.2 says is refused with the
// error that says so, whatever its payload would have done.
func TestBadJWS(t *testing.T) {
	w := newWorld(t, open)
	u, other := w.unbound(), w.unbound()
	const path = "/acme/new-order"
	payload := map[string]any{"identifiers": dns("one.web.example")}
	with := func(name string, value any) func(map[string]any) {
		return func(header map[string]any) { header[name] = value }
	}
	without := func(name string) func(map[string]any) {
		return func(header map[string]any) { delete(header, name) }
	}
	member := func(name string, value any) []byte {
		var flat map[string]any
		require.NoError(t, json.Unmarshal(u.sign(path, payload, nil), &flat))
		if value == nil {
			delete(flat, name)
		} else {
			flat[name] = value
		}
		text, err := json.Marshal(flat)
		require.NoError(t, err)
		return text
	}
	used := w.nonce()
	u.send(w.url(path), u.sign(path, payload, with("nonce", used))).ok()
	twice := func() []byte { // alg is in it two times
		protected := `{"alg":"none","alg":"ES256","nonce":"` + w.nonce() + `","url":"` + w.url(path) + `","kid":"` + u.kid + `"}`
		encode := base64.RawURLEncoding.EncodeToString
		input := encode([]byte(protected)) + "." + encode([]byte(`{}`))
		return []byte(`{"protected":"` + encode([]byte(protected)) + `","payload":"` + encode([]byte(`{}`)) + `","signature":"` + encode(signature(t, u.key, input)) + `"}`)
	}
	unencoded := func() []byte { // RFC 7797, whose signature is over the payload as it is
		protected, err := json.Marshal(map[string]any{"alg": "ES256", "nonce": w.nonce(), "url": w.url(path), "kid": u.kid, "b64": false, "crit": []string{"b64"}})
		require.NoError(t, err)
		encode, text := base64.RawURLEncoding.EncodeToString, []byte(`{"identifiers":[{"type":"dns","value":"one.web.example"}]}`)
		body, err := json.Marshal(map[string]string{
			"protected": encode(protected), "payload": encode(text), "signature": encode(signature(t, u.key, encode(protected)+"."+string(text))),
		})
		require.NoError(t, err)
		return body
	}
	otherKey := func() []byte {
		thief := *u
		thief.key = other.key
		return thief.sign(path, payload, nil)
	}
	hmacByPublicKey := func() []byte {
		x, y := u.key.X.Bytes(), u.key.Y.Bytes()
		return flat(t, append(x, y...), map[string]any{"alg": "HS256", "nonce": w.nonce(), "url": w.url(path), "kid": u.kid}, payload)
	}

	for _, tt := range []struct {
		name   string
		body   []byte
		status int
		kind   string
	}{
		{"nothing", nil, 400, "malformed"},
		{"null", []byte("null"), 400, "malformed"},
		{"not JSON", []byte("hello"), 400, "malformed"},
		{"compact form", []byte("e30.e30.e30"), 400, "malformed"},
		{"too large", bytes.Repeat([]byte(" "), 64<<10+1), 413, "malformed"},
		{"deep", []byte(`{"protected":` + strings.Repeat("[", 60_000)), 400, "malformed"},
		{"no protected", member("protected", nil), 400, "malformed"},
		{"no payload", member("payload", nil), 400, "malformed"},
		{"no signature", member("signature", nil), 400, "malformed"},
		{"unprotected header", member("header", map[string]any{"alg": "ES256"}), 400, "malformed"},
		{"several signatures", member("signatures", []any{}), 400, "malformed"},
		{"padded protected", member("protected", "e30="), 400, "malformed"},
		{"garbage as protected", member("protected", "!"), 400, "malformed"},
		{"empty signature", member("signature", ""), 400, "malformed"},
		{"other payload", member("payload", base64.RawURLEncoding.EncodeToString([]byte(`{"identifiers":[]}`))), 400, "malformed"},
		{"member twice", twice(), 400, "malformed"},

		{"no alg", u.sign(path, payload, without("alg")), 400, "badSignatureAlgorithm"},
		{"none", u.sign(path, payload, with("alg", "none")), 400, "badSignatureAlgorithm"},
		{"HS256", u.sign(path, payload, with("alg", "HS256")), 400, "badSignatureAlgorithm"},
		{"HS256 with the public key", hmacByPublicKey(), 400, "badSignatureAlgorithm"},
		{"RS256 with a P-256 key", u.sign(path, payload, with("alg", "RS256")), 400, "badSignatureAlgorithm"},
		{"ES384 with a P-256 key", u.sign(path, payload, with("alg", "ES384")), 400, "badSignatureAlgorithm"},
		{"crit", u.sign(path, payload, with("crit", []string{"url"})), 400, "malformed"},
		{"b64", u.sign(path, payload, with("b64", false)), 400, "malformed"},
		{"payload not encoded", unencoded(), 400, "malformed"},

		{"no url", u.sign(path, payload, without("url")), 401, "unauthorized"},
		{"url of another page", u.sign(path, payload, with("url", w.url("/acme/new-account"))), 401, "unauthorized"},
		{"url of another server", u.sign(path, payload, with("url", "https://ca.hospital.example"+path)), 401, "unauthorized"},
		{"url with a query", u.sign(path, payload, with("url", w.url(path)+"?x")), 401, "unauthorized"},

		{"no nonce", u.sign(path, payload, without("nonce")), 400, "badNonce"},
		{"used nonce", u.sign(path, payload, with("nonce", used)), 400, "badNonce"},
		{"made up nonce", u.sign(path, payload, with("nonce", "AAAAAAAAAAAAAAAAAAAAAA")), 400, "badNonce"},
		{"garbage as nonce", u.sign(path, payload, with("nonce", "!")), 400, "badNonce"},

		{"neither jwk nor kid", u.sign(path, payload, without("kid")), 400, "malformed"},
		{"both jwk and kid", u.sign(path, payload, with("jwk", jwk(&u.key.PublicKey))), 400, "malformed"},
		{"jwk where kid belongs", u.sign(path, payload, func(h map[string]any) { delete(h, "kid"); h["jwk"] = jwk(&u.key.PublicKey) }), 400, "malformed"},
		{"no such account", u.sign(path, payload, with("kid", w.url("/acme/account/"+strings.Repeat("0", 32)))), 400, "accountDoesNotExist"},
		{"account of another server", u.sign(path, payload, with("kid", strings.Replace(u.kid, "127.0.0.1", "evil.example", 1))), 400, "accountDoesNotExist"},
		{"kid is no URL", u.sign(path, payload, with("kid", "1")), 400, "accountDoesNotExist"},
		{"another account's key", otherKey(), 400, "malformed"},
		{"another account", u.sign(path, payload, with("kid", other.kid)), 400, "malformed"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			object := u.send(w.url(path), tt.body).refused(tt.status, tt.kind)
			if tt.kind == "badSignatureAlgorithm" && !strings.Contains(tt.name, "key") {
				require.Contains(t, object["algorithms"], "ES256", "Section 6.2 has the client told")
			}
		})
	}
	require.Empty(t, w.Audit("certificate.issue"))

	t.Run("kid where jwk belongs", func(t *testing.T) {
		u.post("/acme/new-account", map[string]any{}).refused(http.StatusBadRequest, "malformed")
	})
	t.Run("kid beside jwk", func(t *testing.T) {
		fresh := w.newUser()
		fresh.send(w.url("/acme/new-account"), fresh.sign("/acme/new-account", map[string]any{}, with("kid", u.kid))).refused(http.StatusBadRequest, "malformed")
	})
	t.Run("kid by another name of ours", func(t *testing.T) {
		renamed := *u
		renamed.kid = strings.Replace(u.kid, "127.0.0.1", "ca.hospital.example", 1)
		renamed.order("one.web.example").ok()
	})
	t.Run("media type", func(t *testing.T) {
		for _, media := range []string{"", "application/json", "application/jose+json; charset=utf-8x"} {
			req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, w.url(path), bytes.NewReader(u.sign(path, payload, nil)))
			require.NoError(t, err)
			req.Header.Set("Content-Type", media)
			resp, body := w.do(req)
			answer{resp, body, t}.refused(http.StatusUnsupportedMediaType, "malformed")
		}
	})
	t.Run("host", func(t *testing.T) {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, w.url("/acme/directory"), nil)
		require.NoError(t, err)
		req.Host = "evil.example"
		resp, body := w.do(req)
		answer{resp, body, t}.refused(http.StatusBadRequest, "malformed")
	})
}

// Keys that may sign for an account are strong, and an algorithm is that of its key.
func TestAccountKeys(t *testing.T) {
	w := newWorld(t, open)
	rsaKey := func(bits int) (key *rsa.PrivateKey) {
		var err error
		fips140.WithoutEnforcement(func() { key, err = rsa.GenerateKey(rand.Reader, bits) }) // clients are in no mode of ours
		require.NoError(t, err)
		return key
	}
	t.Setenv("GODEBUG", "rsa1024min=0")
	ec := func(c elliptic.Curve) *ecdsa.PrivateKey {
		key, err := ecdsa.GenerateKey(c, rand.Reader)
		require.NoError(t, err)
		return key
	}
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	p521, weak := ec(elliptic.P521()), rsaKey(1024)
	huge := &rsa.PublicKey{N: new(big.Int).SetBit(new(big.Int).SetBit(new(big.Int), 0, 1), 4096, 1), E: 65537}
	register := func(key, public any, alg string) answer {
		header := map[string]any{"alg": alg, "nonce": w.nonce(), "url": w.url("/acme/new-account"), "jwk": public}
		return w.newUser().send(w.url("/acme/new-account"), flat(t, key, header, map[string]any{}))
	}
	p256, strong := ec(elliptic.P256()), rsaKey(2048)
	even := new(big.Int).SetBit(strong.N, 0, 0)
	for _, tt := range []struct {
		name        string
		key, public any
		alg, kind   string // kind "": taken
	}{
		{"P-256", p256, jwk(p256.Public()), "ES256", ""},
		{"P-384", ec(elliptic.P384()), nil, "ES384", ""},
		{"P-521", p521, jwk(p521.Public()), "ES512", ""},
		{"Ed25519", ed, jwk(ed.Public()), "EdDSA", ""},
		{"RSA-2048", rsaKey(2048), nil, "RS256", ""},
		{"RSA-1024", weak, jwk(weak.Public()), "RS256", "badPublicKey"},
		{"RSA-4097", weak, jwk(huge), "RS256", "badPublicKey"},
		{"RSA with exponent 3", strong, jwk(&rsa.PublicKey{N: strong.N, E: 3}), "RS256", "badPublicKey"},
		{"RSA with an even exponent", strong, jwk(&rsa.PublicKey{N: strong.N, E: 65538}), "RS256", "badPublicKey"},
		{"RSA with an even modulus", strong, jwk(&rsa.PublicKey{N: even, E: 65537}), "RS256", "badPublicKey"},
		{"a secret", []byte("secret"), map[string]string{"kty": "oct", "k": "c2VjcmV0"}, "HS256", "badSignatureAlgorithm"},
		{"a secret by ES256", []byte("secret"), map[string]string{"kty": "oct", "k": "c2VjcmV0"}, "ES256", "badPublicKey"},
		{"a private key", p256, &jose.JSONWebKey{Key: p256}, "ES256", "badPublicKey"},
		{"not on the curve", p256, map[string]string{"kty": "EC", "crv": "P-256", "x": strings.Repeat("A", 43), "y": strings.Repeat("A", 43)}, "ES256", "badPublicKey"},
		{"no key", p256, map[string]string{"kty": "x"}, "ES256", "badPublicKey"},
		{"P-521 by ES256", p521, jwk(p521.Public()), "ES256", "badSignatureAlgorithm"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.public == nil {
				tt.public = jwk(tt.key.(crypto.Signer).Public())
			}
			a := register(tt.key, tt.public, tt.alg)
			if tt.kind == "" {
				a.ok()
				return
			}
			a.refused(http.StatusBadRequest, tt.kind)
		})
	}
}
