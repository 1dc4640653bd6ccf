package sign

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var now = time.Unix(1_790_000_000, 0)

func message() Message {
	return Message{Method: "POST", Authority: "Records.Example:443", Path: "/fhir/Observation", Query: "a=b", Header: http.Header{
		"Content-Digest": {Digest([]byte("payload"))}, "Betonica-Record": {"AAAA"},
	}}
}

var covered = []string{"@method", "@authority", "@path", "@query", "content-digest", "betonica-record"}

func keys(t testing.TB) []crypto.Signer {
	p256, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	require.NoError(t, err)
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	r, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	return []crypto.Signer{p256, p384, ed, r}
}

// What one machine signs another verifies, with each kind of key; whatever of it changes,
// it verifies no more.
func TestSign(t *testing.T) {
	all := keys(t)
	for i, key := range all {
		m := message()
		_, err := Sign(m, Input{Components: covered, Nonce: "n-1", KeyID: "ab01"}, key, now)
		require.NoError(t, err)
		in, err := Verify(m, key.Public(), covered, now.Add(time.Minute))
		require.NoError(t, err)
		require.Equal(t, []string{"n-1", "ab01"}, []string{in.Nonce, in.KeyID})
		m.Authority = "records.example" // the same
		_, err = Verify(m, key.Public(), covered, now)
		require.NoError(t, err)

		_, err = Verify(m, all[(i+1)%len(all)].Public(), covered, now)
		require.ErrorIs(t, err, ErrInvalid, "another's key")
		for name, change := range map[string]func(m *Message){
			"method":    func(m *Message) { m.Method = "PUT" },
			"authority": func(m *Message) { m.Authority = "other.example" },
			"path":      func(m *Message) { m.Path = "/fhir/Patient" },
			"query":     func(m *Message) { m.Query = "" },
			"digest":    func(m *Message) { m.Header.Set("Content-Digest", Digest([]byte("other"))) },
			"a second":  func(m *Message) { m.Header.Add("Betonica-Record", "BBBB") },
			"no header": func(m *Message) { m.Header.Del("Betonica-Record") },
			"input":     func(m *Message) { replace(m, "Signature-Input", "n-1", "n-2") },
			"expires":   func(m *Message) { replace(m, "Signature-Input", ";expires=1790000300", ";expires=1790000299") },
			"algorithm": func(m *Message) { replace(m, "Signature-Input", "alg=\"", "alg=\"x") },
			"label":     func(m *Message) { replace(m, "Signature", "betonica=", "sig1=") },
			"none":      func(m *Message) { m.Header.Del("Signature") },
			"no input":  func(m *Message) { m.Header.Del("Signature-Input") },
			"signature": func(m *Message) { m.Header.Set("Signature", "betonica=:"+strings.Repeat("AAAA", 20)+":") },
			"two inputs": func(m *Message) {
				m.Header["Signature-Input"] = []string{Label + "=()", m.Header.Get("Signature-Input")}
			},
			"twice": func(m *Message) { m.Header.Add("Signature", m.Header.Get("Signature")) },
		} {
			changed := m
			changed.Header = m.Header.Clone()
			change(&changed)
			_, err := Verify(changed, key.Public(), covered, now)
			require.ErrorIs(t, err, ErrInvalid, name)
		}
	}
}

func replace(m *Message, header, old, with string) {
	m.Header.Set(header, strings.ReplaceAll(m.Header.Get(header), old, with))
}

// An algorithm that is not the key's is none, whoever has signed that it is; and without
// times a signature is of no time.
func TestVerifyForged(t *testing.T) {
	key := keys(t)[0]
	for _, in := range []Input{
		{Created: now, Expires: now.Add(Window), Algorithm: "ed25519"},
		{Created: now},
		{Expires: now.Add(Window)},
		{Created: now, Expires: now.Add(Window + time.Second)},
		{Created: now.Add(-Window), Expires: now.Add(Window)},
	} {
		m := message()
		in.Components, in.Nonce = covered, "n"
		in.format()
		base, err := m.base(in)
		require.NoError(t, err)
		a, err := algorithmOf(key.Public())
		require.NoError(t, err)
		signature, err := a.sign(key, base)
		require.NoError(t, err)
		m.Header.Set("Signature-Input", "betonica="+in.text)
		m.Header.Set("Signature", "betonica=:"+base64.StdEncoding.EncodeToString(signature)+":")
		_, err = Verify(m, key.Public(), covered, now)
		require.ErrorIs(t, err, ErrInvalid, in.text)
	}
}

// A signature is good for five minutes, covers what it must, and has a nonce.
func TestVerifyTimes(t *testing.T) {
	key := keys(t)[0]
	sign := func(in Input, at time.Time) Message {
		m := message()
		_, err := Sign(m, in, key, at)
		require.NoError(t, err)
		return m
	}
	m := sign(Input{Components: covered, Nonce: "n"}, now)
	for d, good := range map[time.Duration]bool{0: true, -time.Minute: true, -61 * time.Second: false, Window - time.Second: true, Window: false} {
		_, err := Verify(m, key.Public(), covered, now.Add(d))
		require.Equal(t, good, err == nil, d)
	}
	_, err := Verify(sign(Input{Components: covered[1:], Nonce: "n"}, now), key.Public(), covered, now)
	require.ErrorIs(t, err, ErrInvalid, "the method is not covered")
	_, err = Verify(sign(Input{Components: covered}, now), key.Public(), covered, now)
	require.ErrorIs(t, err, ErrInvalid, "no nonce")
}

// The RFC's own examples verify (RFC 9421, Appendix B.2.1 and B.2.6), and where the
// algorithm is deterministic we sign as it does.
func TestAppendixB(t *testing.T) {
	m := Message{Method: "POST", Authority: "example.com", Path: "/foo", Query: "param=Value&Pet=dog", Header: http.Header{
		"Date": {"Tue, 20 Apr 2021 02:07:55 GMT"}, "Content-Type": {"application/json"}, "Content-Length": {"18"},
	}}
	public := func(text string) crypto.PublicKey {
		der, err := base64.StdEncoding.DecodeString(text)
		require.NoError(t, err)
		key, err := x509.ParsePKIXPublicKey(der)
		require.NoError(t, err)
		return key
	}
	const input26 = `sig-b26=("date" "@method" "@path" "@authority" "content-type" "content-length");created=1618884473;keyid="test-key-ed25519"`
	const signature26 = "wqcAqbmYJ2ji2glfAMaRy4gruYYnx2nEFN2HN6jrnDnQCK1u02Gb04v9EDgwUPiu4A0w6vuQv5lIp5WPpBKRCw=="
	m.Header.Set("Signature-Input", input26)
	m.Header.Set("Signature", "sig-b26=:"+signature26+":")
	_, err := verify(m, "sig-b26", public("MCowBQYDK2VwAyEAJrQLj5P/89iXES9+vFgrIy29clF9CC/oPPsw3c5D0bs="))
	require.NoError(t, err)

	der, err := base64.StdEncoding.DecodeString("MC4CAQAwBQYDK2VwBCIEIJ+DYvh6SEqVTm50DFtMDoQikTmiCqirVv9mWG9qfSnF")
	require.NoError(t, err)
	private, err := x509.ParsePKCS8PrivateKey(der)
	require.NoError(t, err)
	in := Input{Components: []string{"date", "@method", "@path", "@authority", "content-type", "content-length"}, Created: time.Unix(1618884473, 0), KeyID: "test-key-ed25519"}
	in.format()
	require.Equal(t, input26, "sig-b26="+in.text)
	base, err := m.base(in)
	require.NoError(t, err)
	signed, err := algorithm{name: "ed25519"}.sign(private.(crypto.Signer), base)
	require.NoError(t, err)
	require.Equal(t, signature26, base64.StdEncoding.EncodeToString(signed))

	m.Header.Set("Signature-Input", `sig-b21=();created=1618884473;keyid="test-key-rsa-pss";nonce="b3k2pp5k7z-50gnwp.yemd"`)
	m.Header.Set("Signature", "sig-b21=:d2pmTvmbncD3xQm8E9ZV2828BjQWGgiwAaw5bAkgibUopemLJcWDy/lkbbHAve4cRAtx31Iq786U7it++wgGxbtRxf8Udx7zFZsckzXaJMkA7ChG52eSkFxykJeNqsrWH5S+oxNFlD4dzVuwe8DhTSja8xxbR/Z2cOGdCbzR72rgFWhzx2VjBqJzsPLMIQKhO4DGezXehhWwE56YCE+O6c0mKZsfxVrogUvA4HELjVKWmAvtl6UnCh8jYzuVG5WSb/QEVPnP5TmcAnLH1g+s++v6d4s8m0gCw1fV5/SITLq9mhho8K3+7EPYTU8IU1bLhdxO5Nyt8C8ssinQ98Xw9Q==:")
	in, err = verify(m, "sig-b21", public("MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAr4tmm3r20Wd/PbqvP1s2+QEtvpuRaV8Yq40gjUR8y2Rjxa6dpG2GXHbPfvMs8ct+Lh1GH45x28Rw3Ry53mm+oAXjyQ86OnDkZ5N8lYbggD4O3w6M6pAvLkhk95AndTrifbIFPNU8PPMO7OyrFAHqgDsznjPFmTOtCEcN2Z1FpWgchwuYLPL+Wokqltd11nqqzi+bJ9cvSKADYdUAAN5WUtzdpiy6LbTgSxP7ociU4Tn0g5I6aDZJ7A8Lzo0KSyZYoA485mqcO0GVAdVw9lq4aOT9v6d+nb4bnNkQVklLQ3fVAvJm+xdDOp9LCNCN48V2pnDOkFV6+U9nV5oyc6XI2wIDAQAB"))
	require.NoError(t, err)
	require.Equal(t, "b3k2pp5k7z-50gnwp.yemd", in.Nonce)
}

// The digest is RFC 9530's (RFC 9421, Section 2.1 has the same body), and what passes is
// compared with it.
func TestDigest(t *testing.T) {
	const body = `{"hello": "world"}`
	require.Equal(t, "sha-256=:X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE=:", Digest([]byte(body)))
	h := http.Header{"Content-Digest": {"sha-512=:AAAA:", Digest([]byte(body))}}
	b, err := NewBody(h)
	require.NoError(t, err)
	b.Write([]byte(body[:5]))
	require.False(t, b.Matches())
	b.Write([]byte(body[5:]))
	require.True(t, b.Matches())
	for _, text := range []string{"", "sha-512=:AAAA:", "sha-256=:AAAA:", "sha-256=AAAA", "sha-256=:X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE=", "sha-256=:!!!!:"} {
		_, err := NewBody(http.Header{"Content-Digest": {text}})
		require.ErrorIs(t, err, ErrInvalid, text)
	}
}

// A nonce is used once within the window, by each key; there are only so many.
func TestNonces(t *testing.T) {
	n := NewNonces(4)
	require.True(t, n.Use("a", "1", now))
	require.False(t, n.Use("a", "1", now.Add(Window)))
	require.True(t, n.Use("b", "1", now))
	require.True(t, n.Use("a", "2", now.Add(Window)))
	require.False(t, n.Use("a", "3", now.Add(Window)), "too many")
	require.True(t, n.Use("a", "3", now.Add(Window+2*time.Minute)))
	require.False(t, n.Use("a", "2", now.Add(2*Window)), "of the generation before")
	require.True(t, n.Use("a", "1", now.Add(time.Hour)))
}

// However many nonces some keys use, there is room for another one's; and not without
// end.
func TestNoncesFair(t *testing.T) {
	n := NewNonces(100)
	use := func(key string) (used int) {
		for i := 0; n.Use(key, strconv.Itoa(i), now); i++ {
			used++
		}
		return used
	}
	require.Equal(t, 50, use("greedy"))
	require.Equal(t, 25, use("other"))
	require.Equal(t, 13, use("third"))
	require.Zero(t, use("greedy"))
	all := 88
	for i := range 100 {
		all += use("late-" + strconv.Itoa(i))
	}
	require.Equal(t, 100, all)
}

// FuzzInput: whatever comes, what is read is bounded and is exactly what is signed again.
func FuzzInput(f *testing.F) {
	f.Add(`betonica=("@method" "content-digest");created=1;expires=2;nonce="n";keyid="k";alg="a";tag="t"`, `betonica=:AAAA:`)
	f.Add(`a=(), betonica=("x");nonce="";created=0`, `a=:AA==:,betonica=:AAAA:`)
	f.Add(`betonica=("a"b" "c\");x=1`, `betonica=::`)
	f.Fuzz(func(t *testing.T, field, signature string) {
		parseBytes(signature, Label)
		in, err := parseInput(field, Label)
		if err != nil {
			require.ErrorIs(t, err, ErrInvalid)
			return
		}
		require.LessOrEqual(t, len(in.Components), maxComponents)
		require.Contains(t, field, Label+"="+in.text)
		again, err := parseInput(Label+"="+in.text, Label)
		require.NoError(t, err)
		require.Equal(t, in, again)
		for _, name := range in.Components {
			require.NotContains(t, name, "\"")
			require.NotContains(t, name, "\n")
		}
	})
}
