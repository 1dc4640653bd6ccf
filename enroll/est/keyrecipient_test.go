package est_test

import (
	"bytes"
	"crypto"
	"crypto/fips140"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/base64"
	"encoding/pem"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/enroll"
	"github.com/betonica/betonica/enroll/enrolltest"
)

var (
	oidDecryptKeyID      = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 16, 2, 37}
	oidAsymmetricKeyID   = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 16, 2, 54}
	oidCapabilities      = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 15}
	oidRSA               = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 1}
	oidOAEP              = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 7}
	oidSHA1, oidSHA256   = asn1.ObjectIdentifier{1, 3, 14, 3, 2, 26}, asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 1}
	oidMGF1              = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 8}
	oidECDH              = asn1.ObjectIdentifier{1, 3, 132, 1, 11, 1}
	oidAES128, oidAES256 = asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 1, 2}, asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 1, 42}
	oid3DES              = asn1.ObjectIdentifier{1, 2, 840, 113549, 3, 7}
)

type capability struct {
	Algorithm  asn1.ObjectIdentifier
	Parameters asn1.RawValue `asn1:"optional"`
}

// wants is an attribute with one value.
func wants(t *testing.T, oid asn1.ObjectIdentifier, value any) rawAttribute {
	t.Helper()
	der, err := asn1.Marshal(value)
	require.NoError(t, err)
	return rawAttribute{oid, []asn1.RawValue{{FullBytes: der}}}
}

func capabilities(t *testing.T, oids ...asn1.ObjectIdentifier) rawAttribute {
	t.Helper()
	var list []capability
	for _, oid := range oids {
		c := capability{Algorithm: oid}
		if oid.Equal(oidOAEP) {
			c.Parameters.FullBytes = oaep(t, oidSHA256)
		}
		list = append(list, c)
	}
	return wants(t, oidCapabilities, list)
}

// oaep returns the parameters of OAEP with that hash for everything.
func oaep(t *testing.T, hash asn1.ObjectIdentifier) []byte {
	t.Helper()
	id := pkix.AlgorithmIdentifier{Algorithm: hash, Parameters: asn1.NullRawValue}
	inner, err := asn1.Marshal(id)
	require.NoError(t, err)
	der, err := asn1.Marshal(struct {
		Hash pkix.AlgorithmIdentifier `asn1:"explicit,tag:0"`
		Mask pkix.AlgorithmIdentifier `asn1:"explicit,tag:1"`
	}{id, pkix.AlgorithmIdentifier{Algorithm: oidMGF1, Parameters: asn1.RawValue{FullBytes: inner}}})
	require.NoError(t, err)
	return der
}

// born returns a device that was made with a key, and how it presents its certificate.
func born(t *testing.T, m *enrolltest.Manufacturer, key crypto.Signer, usage x509.KeyUsage) ([]*x509.Certificate, *tls.Certificate) {
	t.Helper()
	chain := m.Birth(key, "SN-1", func(c *x509.Certificate) {
		c.KeyUsage, c.SubjectKeyId = x509.KeyUsageDigitalSignature|usage, []byte("the key of its birth")
	})
	return chain, chained(key, chain)
}

// A client whose certificate has a key that may be encrypted to has its new key encrypted
// to that, by what it can decrypt, and signed by the server. openssl reads it.
func TestSealedKey(t *testing.T) {
	if _, err := exec.LookPath("openssl"); err != nil {
		require.Empty(t, os.Getenv("CI"), "openssl is missing")
		t.Skip("left out: no openssl")
	}
	w := newWorld(t, serverKeys)
	m := enrolltest.NewManufacturer(t, "Pumps")
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	type client struct {
		key   crypto.Signer
		usage x509.KeyUsage
		lists []asn1.ObjectIdentifier
		by    []string
	}
	clients := map[string]client{
		"oaep":  {rsaKey, x509.KeyUsageKeyEncipherment, []asn1.ObjectIdentifier{oidAES256, oidOAEP}, []string{"aes-256-cbc", "rsaesOaep", "sha256"}},
		"both":  {rsaKey, x509.KeyUsageKeyEncipherment, []asn1.ObjectIdentifier{oidRSA, oidOAEP, oid3DES, oidAES128, oidAES256}, []string{"aes-256-cbc", "rsaesOaep"}},
		"small": {rsaKey, x509.KeyUsageKeyEncipherment, []asn1.ObjectIdentifier{oidAES128, oidRSA, oidOAEP}, []string{"aes-128-cbc", "rsaesOaep"}},
		"ec":    {enrolltest.NewKey(t), x509.KeyUsageKeyAgreement, []asn1.ObjectIdentifier{oidECDH}, []string{"aes-256-cbc", "dhSinglePass-stdDH-sha256kdf-scheme"}},
	}
	if !fips140.Enabled() { // what the mode refuses is in TestSealedKeyRefused
		clients["rsa"] = client{rsaKey, x509.KeyUsageKeyEncipherment, []asn1.ObjectIdentifier{oidRSA, oid3DES, oidAES128, oidAES256}, []string{"aes-256-cbc", "rsaEncryption"}}
	}
	for name, tt := range clients {
		t.Run(name, func(t *testing.T) {
			chain, presents := born(t, m, tt.key, tt.usage)
			csr := withAttributes(t, enrolltest.NewKey(t), wants(t, oidAsymmetricKeyID, chain[0].SubjectKeyId), capabilities(t, tt.lists...))
			got := w.post(w.client(0, presents), "serverkeygen", w.Token(enroll.TokenRequest{Role: "infusion", Name: "pump-" + name}), csr)
			media, sealed, cert := parts(t, got)
			require.Equal(t, "application/pkcs7-mime; smime-type=server-generated-key", media)

			d := folder{t, t.TempDir()}
			secret, err := x509.MarshalPKCS8PrivateKey(tt.key)
			require.NoError(t, err)
			d.write("key", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}))
			d.write("cert", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: chain[0].Raw}))
			d.write("root", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: w.Authority.Root().Raw}))
			d.write("sealed", sealed)
			shown := string(d.openssl("cms", "-cmsout", "-print", "-inform", "DER", "-in", "sealed"))
			for _, by := range tt.by {
				require.Contains(t, shown, by)
			}
			signed, err := asn1.Marshal(struct {
				Type    asn1.ObjectIdentifier
				Content asn1.RawValue
			}{asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 2}, asn1.RawValue{Class: 2, IsCompound: true, Bytes: d.openssl("cms", "-decrypt", "-binary", "-inform", "DER", "-in", "sealed", "-recip", "cert", "-inkey", "key")}})
			require.NoError(t, err)
			d.write("signed", signed)
			var keys []asn1.RawValue
			rest, err := asn1.Unmarshal(d.openssl("cms", "-verify", "-binary", "-inform", "DER", "-in", "signed", "-CAfile", "root", "-purpose", "any"), &keys)
			require.NoError(t, err)
			require.Empty(t, rest)
			require.Len(t, keys, 1)
			key, err := x509.ParsePKCS8PrivateKey(keys[0].FullBytes)
			require.NoError(t, err)
			require.Equal(t, cert.PublicKey, key.(crypto.Signer).Public())
		})
	}
}

// A key that is to be encrypted is never sent as it is: whatever cannot be done, or is not
// said, is refused, and the token is good still.
func TestSealedKeyRefused(t *testing.T) {
	w := newWorld(t, serverKeys)
	m := enrolltest.NewManufacturer(t, "Pumps")
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	chain, presents := born(t, m, key, x509.KeyUsageKeyEncipherment)
	_, signs := born(t, m, key, 0)
	curve := enrolltest.NewKey(t)
	_, agrees := born(t, m, curve, x509.KeyUsageKeyEncipherment) // the wrong one for its key
	id := chain[0].SubjectKeyId
	good := capabilities(t, oidRSA, oidOAEP, oidECDH, oidAES256)
	weak := wants(t, oidCapabilities, []capability{{oidAES256, asn1.RawValue{}}, {oidOAEP, asn1.RawValue{FullBytes: oaep(t, oidSHA1)}}})
	token := w.Token(enroll.TokenRequest{Role: "infusion", Name: "pump-1"})
	refused := map[string]struct {
		presents *tls.Certificate
		all      []rawAttribute
	}{
		"OAEP by SHA-1":          {presents, []rawAttribute{wants(t, oidAsymmetricKeyID, id), weak}},
		"a shared key":           {presents, []rawAttribute{wants(t, oidDecryptKeyID, id), good}},
		"both":                   {presents, []rawAttribute{wants(t, oidAsymmetricKeyID, id), wants(t, oidDecryptKeyID, id), good}},
		"nothing presented":      {nil, []rawAttribute{wants(t, oidAsymmetricKeyID, id), good}},
		"another key":            {presents, []rawAttribute{wants(t, oidAsymmetricKeyID, []byte("another")), good}},
		"no key":                 {presents, []rawAttribute{wants(t, oidAsymmetricKeyID, []byte{}), good}},
		"text":                   {presents, []rawAttribute{wants(t, oidAsymmetricKeyID, string(id)), good}},
		"twice":                  {presents, []rawAttribute{wants(t, oidAsymmetricKeyID, id), wants(t, oidAsymmetricKeyID, []byte("another")), good}},
		"two values":             {presents, []rawAttribute{{oidAsymmetricKeyID, []asn1.RawValue{{Tag: 4, Bytes: id}, {Tag: 4, Bytes: id}}}, good}},
		"for signing":            {signs, []rawAttribute{wants(t, oidAsymmetricKeyID, id), good}},
		"usage of another kind":  {agrees, []rawAttribute{wants(t, oidAsymmetricKeyID, id), good}},
		"no capabilities":        {presents, []rawAttribute{wants(t, oidAsymmetricKeyID, id)}},
		"capabilities twice":     {presents, []rawAttribute{wants(t, oidAsymmetricKeyID, id), good, good}},
		"empty capabilities":     {presents, []rawAttribute{wants(t, oidAsymmetricKeyID, id), capabilities(t)}},
		"malformed capabilities": {presents, []rawAttribute{wants(t, oidAsymmetricKeyID, id), wants(t, oidCapabilities, []int{1})}},
		"no AES":                 {presents, []rawAttribute{wants(t, oidAsymmetricKeyID, id), capabilities(t, oidRSA, oidOAEP, oid3DES)}},
		"no RSA":                 {presents, []rawAttribute{wants(t, oidAsymmetricKeyID, id), capabilities(t, oidECDH, oidAES256)}},
	}
	for name, tt := range refused {
		t.Run(name, func(t *testing.T) {
			client := w.client(0)
			if tt.presents != nil {
				client = w.client(0, tt.presents)
			}
			got := w.post(client, "serverkeygen", token, withAttributes(t, enrolltest.NewKey(t), tt.all...))
			require.Equal(t, http.StatusBadRequest, got.StatusCode, string(got.body))
		})
	}
	got := w.post(w.client(0, presents), "serverkeygen", w.Token(enroll.TokenRequest{Role: "infusion", Name: "pump-2"}),
		withAttributes(t, enrolltest.NewKey(t), wants(t, oidAsymmetricKeyID, id), capabilities(t, oidRSA, oidAES256)))
	if fips140.Enabled() {
		require.Equal(t, http.StatusBadRequest, got.StatusCode, string(got.body))
		require.Contains(t, string(got.body), "FIPS 140-3 mode, which forbids rsaEncryption")
	} else {
		require.Equal(t, http.StatusOK, got.StatusCode, string(got.body))
	}
	media, _, _ := parts(t, w.post(w.client(0), "serverkeygen", token, withAttributes(t, enrolltest.NewKey(t), good)))
	require.Equal(t, "application/pkcs8", media, "who names no key wants no more than TLS")
}

// parts reads the answer of serverkeygen: the key's type and bytes, and the certificate.
func parts(t *testing.T, got exchange) (media string, key []byte, cert *x509.Certificate) {
	t.Helper()
	require.Equal(t, http.StatusOK, got.StatusCode, string(got.body))
	_, params, err := mime.ParseMediaType(got.Header.Get("Content-Type"))
	require.NoError(t, err)
	reader := multipart.NewReader(bytes.NewReader(got.body), params["boundary"])
	part, err := reader.NextPart()
	require.NoError(t, err)
	text, err := io.ReadAll(part)
	require.NoError(t, err)
	key, err = base64.StdEncoding.DecodeString(string(text))
	require.NoError(t, err)
	second, err := reader.NextPart()
	require.NoError(t, err)
	text, err = io.ReadAll(second)
	require.NoError(t, err)
	return part.Header.Get("Content-Type"), key, exchange{&http.Response{StatusCode: http.StatusOK}, text}.leaf(t)
}

// A folder is where openssl works.
type folder struct {
	t    *testing.T
	path string
}

func (d folder) write(name string, content []byte) {
	d.t.Helper()
	require.NoError(d.t, os.WriteFile(filepath.Join(d.path, name), content, 0o600))
}

func (d folder) openssl(args ...string) []byte {
	d.t.Helper()
	cmd := exec.CommandContext(d.t.Context(), "openssl", args...)
	cmd.Dir = d.path
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	require.NoError(d.t, err, errs.String())
	return out
}

type rawAttribute struct {
	Type   asn1.ObjectIdentifier
	Values []asn1.RawValue `asn1:"set"`
}

// withAttributes returns a request for key with those attributes.
func withAttributes(t *testing.T, key crypto.Signer, all ...rawAttribute) []byte {
	t.Helper()
	var request struct {
		Info struct {
			Version    int
			Subject    asn1.RawValue
			Key        asn1.RawValue
			Attributes []rawAttribute `asn1:"tag:0,set"`
		}
		Algorithm pkix.AlgorithmIdentifier
		Signature asn1.BitString
	}
	_, err := asn1.Unmarshal(enrolltest.CSR(t, key), &request)
	require.NoError(t, err)
	request.Info.Attributes = all
	info, err := asn1.Marshal(request.Info)
	require.NoError(t, err)
	digest := crypto.SHA256.New()
	digest.Write(info)
	signature, err := key.Sign(rand.Reader, digest.Sum(nil), crypto.SHA256)
	require.NoError(t, err)
	request.Signature = asn1.BitString{Bytes: signature, BitLength: 8 * len(signature)}
	csr, err := asn1.Marshal(request)
	require.NoError(t, err)
	return csr
}
