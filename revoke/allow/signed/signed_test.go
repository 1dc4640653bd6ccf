package signed_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"math/big"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/revoke/allow"
	"github.com/betonica/betonica/revoke/allow/signed"
)

const rules = "[[allow]]\nname = \"a\"\npeers = [\"device\"]\ntcp = true\n"

var (
	begin = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	gw    = must(allow.ParseID("spiffe://hospital.example/gateway/gw-1"))
)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// authority is a root that certifies whom it is told to, for an hour from begin on.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pool *x509.CertPool
}

func newAuthority() *authority {
	key := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "root"}, NotBefore: begin.Add(-time.Hour), NotAfter: begin.Add(1000 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	cert := must(x509.ParseCertificate(must(x509.CreateCertificate(rand.Reader, template, template, key.Public(), key))))
	pool := x509.NewCertPool()
	pool.AddCert(cert)
	return &authority{cert, key, pool}
}

func (a *authority) certify(id string, curve elliptic.Curve, usage x509.ExtKeyUsage) *tls.Certificate {
	key := must(ecdsa.GenerateKey(curve, rand.Reader))
	template := &x509.Certificate{SerialNumber: big.NewInt(2), NotBefore: begin.Add(-time.Minute), NotAfter: begin.Add(time.Hour),
		URIs: []*url.URL{must(url.Parse(id))}, ExtKeyUsage: []x509.ExtKeyUsage{usage}}
	der := must(x509.CreateCertificate(rand.Reader, template, a.cert, key.Public(), a.key))
	return &tls.Certificate{Certificate: [][]byte{der, a.cert.Raw}, PrivateKey: key}
}

func (a *authority) server() *tls.Certificate {
	return a.certify("spiffe://hospital.example/ca/betonicad", elliptic.P256(), x509.ExtKeyUsageServerAuth)
}

func statement() signed.Statement {
	return signed.Statement{Guard: gw, Version: 7, Issued: begin, Expires: begin.Add(24 * time.Hour), Rules: rules}
}

// What the CA signed is taken by the guard that it is for, also long after the signer's
// certificate has ended.
func TestOpen(t *testing.T) {
	a := newAuthority()
	text, err := signed.Sign(statement(), a.server())
	require.NoError(t, err)
	for _, now := range []time.Time{begin.Add(-4 * time.Minute), begin, begin.Add(100 * time.Hour)} {
		got, err := signed.Open(text, gw, a.pool, now)
		require.NoError(t, err)
		require.Equal(t, statement(), got)
	}
	set, err := statement().Set()
	require.NoError(t, err)
	require.True(t, set.Admits(must(allow.ParseID("spiffe://hospital.example/device/a")), "x"))
	set, err = signed.Statement{Guard: gw}.Set()
	require.NoError(t, err)
	require.Empty(t, set.Rules())
	for _, bad := range []string{"observe = true\n" + rules, "[[allow]]\n", "x"} {
		_, err = signed.Statement{Guard: gw, Rules: bad}.Set()
		require.Error(t, err)
	}
}

// It is a JWS, as others read it.
func TestJWS(t *testing.T) {
	a := newAuthority()
	server := a.server()
	text, err := signed.Sign(statement(), server)
	require.NoError(t, err)
	jws, err := jose.ParseSignedCompact(string(text), []jose.SignatureAlgorithm{jose.ES256})
	require.NoError(t, err)
	chains, err := jws.Signatures[0].Protected.Certificates(x509.VerifyOptions{Roots: a.pool, CurrentTime: begin, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}})
	require.NoError(t, err)
	payload, err := jws.Verify(chains[0][0].PublicKey)
	require.NoError(t, err)
	var said map[string]any
	require.NoError(t, json.Unmarshal(payload, &said))
	require.Equal(t, gw.String(), said["aud"])
	require.Equal(t, rules, said["rules"])
}

// A statement of anybody else, for anybody else, of another kind or of tomorrow is
// refused.
func TestOpenRefuses(t *testing.T) {
	a := newAuthority()
	server := a.server()
	sign := func(s signed.Statement, by *tls.Certificate) []byte { return must(signed.Sign(s, by)) }
	ours := sign(statement(), server)
	parts := bytes.Split(ours, []byte("."))
	part := func(i int, text []byte) []byte {
		all := append([][]byte(nil), parts...)
		all[i] = []byte(base64.RawURLEncoding.EncodeToString(text))
		return bytes.Join(all, []byte("."))
	}
	payload := must(base64.RawURLEncoding.DecodeString(string(parts[1])))
	// byJOSE signs with the CA's own key, but under another header.
	byJOSE := func(alg jose.SignatureAlgorithm, key any, extra map[jose.HeaderKey]any) []byte {
		options := &jose.SignerOptions{ExtraHeaders: extra}
		signer := must(jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: key}, options))
		return []byte(must(must(signer.Sign(payload)).CompactSerialize()))
	}
	chain := []string{base64.StdEncoding.EncodeToString(server.Certificate[0])}
	late := statement()
	late.Issued, late.Expires = begin.Add(2*time.Hour), begin.Add(3*time.Hour)
	other := statement()
	other.Guard = must(allow.ParseID("spiffe://hospital.example/gateway/gw-2"))
	abroad := statement()
	abroad.Guard = must(allow.ParseID("spiffe://other.example/gateway/gw-1"))
	for name, tt := range map[string]struct {
		text  []byte
		notCA bool
	}{
		"payload changed":            {part(1, bytes.Replace(payload, []byte("device"), []byte("devixe"), 1)), true},
		"signature changed":          {part(2, make([]byte, 64)), true},
		"signature cut":              {part(2, make([]byte, 63)), true},
		"no signature":               {bytes.Join(parts[:2], []byte(".")), false},
		"empty":                      {nil, false},
		"four parts":                 {append(append([]byte(nil), ours...), ".e30"...), false},
		"another CA":                 {sign(statement(), newAuthority().server()), true},
		"a gateway":                  {sign(statement(), a.certify("spiffe://hospital.example/gateway/ca", elliptic.P256(), x509.ExtKeyUsageServerAuth)), true},
		"another trust domain's CA":  {sign(statement(), a.certify("spiffe://other.example/ca/betonicad", elliptic.P256(), x509.ExtKeyUsageServerAuth)), true},
		"no server":                  {sign(statement(), a.certify("spiffe://hospital.example/ca/x", elliptic.P256(), x509.ExtKeyUsageClientAuth)), true},
		"after the certificate":      {sign(late, server), true},
		"another guard":              {sign(other, server), false},
		"the guard's name elsewhere": {sign(abroad, server), false},
		"no type":                    {byJOSE(jose.ES256, server.PrivateKey, map[jose.HeaderKey]any{"x5c": chain}), true},
		"another type":               {byJOSE(jose.ES256, server.PrivateKey, map[jose.HeaderKey]any{"x5c": chain, "typ": "JWT"}), true},
		"a member more":              {byJOSE(jose.ES256, server.PrivateKey, map[jose.HeaderKey]any{"x5c": chain, "typ": "betonica-guard-rules+jws", "kid": "x"}), false},
		"HMAC":                       {byJOSE(jose.HS256, server.Certificate[0], map[jose.HeaderKey]any{"x5c": chain, "typ": "betonica-guard-rules+jws"}), true},
		"no chain":                   {byJOSE(jose.ES256, server.PrivateKey, map[jose.HeaderKey]any{"typ": "betonica-guard-rules+jws"}), true},
		"too long":                   {bytes.Repeat([]byte("a"), signed.MaxSize+1), false},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := signed.Open(tt.text, gw, a.pool, begin.Add(2*time.Hour))
			require.Error(t, err)
			if tt.notCA {
				require.ErrorIs(t, err, signed.ErrNotCA)
			}
		})
	}
	_, err := signed.Open(byJOSE(jose.ES256, server.PrivateKey, map[jose.HeaderKey]any{"x5c": chain, "typ": "betonica-guard-rules+jws"}), gw, a.pool, begin)
	require.NoError(t, err, "the one that is right")
	_, err = signed.Open(ours, gw, a.pool, begin.Add(-6*time.Minute))
	require.ErrorContains(t, err, "ahead of this machine's clock")
}

// What the CA cannot sign it does not.
func TestSignRefuses(t *testing.T) {
	a := newAuthority()
	_, err := signed.Sign(statement(), a.certify("spiffe://hospital.example/ca/x", elliptic.P384(), x509.ExtKeyUsageServerAuth))
	require.Error(t, err)
	large := statement()
	large.Rules = strings.Repeat("#", signed.MaxSize)
	_, err = signed.Sign(large, a.server())
	require.ErrorContains(t, err, "larger than")
}

// FuzzOpen: of any bytes only what the CA signed is taken.
func FuzzOpen(f *testing.F) {
	a := newAuthority()
	ours := must(signed.Sign(statement(), a.server()))
	f.Add(ours)
	f.Add(must(signed.Sign(statement(), newAuthority().server())))
	f.Add([]byte("e30.e30."))
	f.Fuzz(func(t *testing.T, text []byte) {
		s, err := signed.Open(text, gw, a.pool, begin)
		if err == nil {
			require.Equal(t, statement(), s)
		}
	})
}
