package acme_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"math/big"
	"net/http"
	"net/netip"
	"testing"
	"time"

	"github.com/fxamacker/cbor/v2"
	"github.com/google/go-tpm/tpm2"
	"github.com/mholt/acmez/v3"
	client "github.com/mholt/acmez/v3/acme"
	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/ca"
	"github.com/betonica/betonica/enroll"
	"github.com/betonica/betonica/enroll/acme"
	"github.com/betonica/betonica/enroll/enrolltest"
	"github.com/betonica/betonica/store"
	"github.com/betonica/betonica/store/audit"
)

// A tpm attests keys as one does, by an attestation key in software that its maker
// has certified for a device.
type tpm struct {
	root *x509.Certificate
	ak   *ecdsa.PrivateKey
	cert []byte // of ak
}

func newTPM(t *testing.T, device string) *tpm {
	rootKey, ak := enrolltest.NewKey(t), enrolltest.NewKey(t)
	sign := func(template, parent *x509.Certificate, public crypto.PublicKey) *x509.Certificate {
		template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
		der, err := x509.CreateCertificate(rand.Reader, template, parent, public, rootKey)
		require.NoError(t, err)
		cert, err := x509.ParseCertificate(der)
		require.NoError(t, err)
		return cert
	}
	root := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Maker"}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	root = sign(root, root, rootKey.Public())
	template := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{SerialNumber: device}, KeyUsage: x509.KeyUsageDigitalSignature,
		UnknownExtKeyUsage: []asn1.ObjectIdentifier{{2, 23, 133, 8, 3}}, // tcg-kp-AIKCertificate
	}
	return &tpm{root: root, ak: ak, cert: sign(template, root, ak.Public()).Raw}
}

// attest returns the object that a client sends for a key (WebAuthn, Section 8.3).
func (p *tpm) attest(t *testing.T, key *ecdsa.PublicKey, keyAuthorization string) []byte {
	point, err := key.Bytes()
	require.NoError(t, err)
	public := tpm2.TPMTPublic{
		Type: tpm2.TPMAlgECC, NameAlg: tpm2.TPMAlgSHA256,
		ObjectAttributes: tpm2.TPMAObject{FixedTPM: true, FixedParent: true, SensitiveDataOrigin: true, UserWithAuth: true, SignEncrypt: true},
		Parameters:       tpm2.NewTPMUPublicParms(tpm2.TPMAlgECC, &tpm2.TPMSECCParms{CurveID: tpm2.TPMECCNistP256}),
		Unique: tpm2.NewTPMUPublicID(tpm2.TPMAlgECC, &tpm2.TPMSECCPoint{
			X: tpm2.TPM2BECCParameter{Buffer: point[1:33]}, Y: tpm2.TPM2BECCParameter{Buffer: point[33:]},
		}),
	}
	name, err := tpm2.ObjectName(&public)
	require.NoError(t, err)
	extra := sha256.Sum256([]byte(keyAuthorization))
	info := tpm2.Marshal(tpm2.TPMSAttest{
		Magic: tpm2.TPMGeneratedValue, Type: tpm2.TPMSTAttestCertify, ExtraData: tpm2.TPM2BData{Buffer: extra[:]},
		Attested: tpm2.NewTPMUAttest(tpm2.TPMSTAttestCertify, &tpm2.TPMSCertifyInfo{Name: *name}),
	})
	digest := sha256.Sum256(info)
	r, s, err := ecdsa.Sign(rand.Reader, p.ak, digest[:])
	require.NoError(t, err)
	signature := tpm2.TPMTSignature{SigAlg: tpm2.TPMAlgECDSA, Signature: tpm2.NewTPMUSignature(tpm2.TPMAlgECDSA, &tpm2.TPMSSignatureECC{
		Hash: tpm2.TPMAlgSHA256, SignatureR: tpm2.TPM2BECCParameter{Buffer: r.Bytes()}, SignatureS: tpm2.TPM2BECCParameter{Buffer: s.Bytes()},
	})}
	object, err := cbor.Marshal(map[string]any{"fmt": "tpm", "attStmt": map[string]any{
		"ver": "2.0", "alg": -7, "x5c": [][]byte{p.cert}, "sig": tpm2.Marshal(signature), "certInfo": info, "pubArea": tpm2.Marshal(public),
	}})
	require.NoError(t, err)
	return object
}

// trust has the TPM's maker vouch for devices.
func (w *world) trust(p *tpm) {
	roots := "attestation_roots = \"\"\"\n" + string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: p.root.Raw})) + "\"\"\"\n"
	_, err := w.Policies.Set(w.t.Context(), enrolltest.Root, "policy.toml", []byte("[role.device]\n"+roots), w.Policies.Current().Version())
	require.NoError(w.t, err)
}

// An attestor answers device-attest-01 with a TPM's word for a key.
type attestor struct {
	t   *testing.T
	tpm *tpm
	key *ecdsa.PublicKey
}

func (attestor) Present(context.Context, client.Challenge) error { return nil }
func (attestor) CleanUp(context.Context, client.Challenge) error { return nil }

func (a attestor) Payload(_ context.Context, c client.Challenge) (any, error) {
	object := a.tpm.attest(a.t, a.key, c.KeyAuthorization)
	return map[string]string{"attObj": base64.RawURLEncoding.EncodeToString(object)}, nil
}

// deviceCSR is a CSR that names a device (RFC 4043).
func deviceCSR(t *testing.T, key *ecdsa.PrivateKey, device string) []byte {
	type otherName struct {
		ID    asn1.ObjectIdentifier
		Value struct {
			Name string `asn1:"utf8"`
		} `asn1:"tag:0,explicit"`
	}
	name := otherName{ID: asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 8, 3}}
	name.Value.Name = device
	general, err := asn1.MarshalWithParams(name, "tag:0")
	require.NoError(t, err)
	san, err := asn1.Marshal([]asn1.RawValue{{FullBytes: general}})
	require.NoError(t, err)
	template := &x509.CertificateRequest{ExtraExtensions: []pkix.Extension{{Id: asn1.ObjectIdentifier{2, 5, 29, 17}, Value: san}}}
	der, err := x509.CreateCertificateRequest(rand.Reader, template, key)
	require.NoError(t, err)
	return der
}

// A device has a certificate for the key that its TPM vouches for, with acmez; and
// its names need no token of their own.
func TestDeviceAttest(t *testing.T) {
	w := newWorld(t, nil)
	maker := newTPM(t, "pump-1")
	w.trust(maker)
	kid, secret := w.eab("device", "pump-1")
	c, account := w.acmez(&client.EAB{KeyID: kid, MACKey: base64.RawURLEncoding.EncodeToString(secret)})
	key := enrolltest.NewKey(t)
	c.ChallengeSolvers = map[string]acmez.Solver{client.ChallengeTypeDeviceAttest01: attestor{t, maker, &key.PublicKey}}
	request, err := x509.ParseCertificateRequest(deviceCSR(t, key, "pump-1"))
	require.NoError(t, err)
	params, err := acmez.OrderParametersFromCSR(account, request)
	require.NoError(t, err)
	chains, err := c.ObtainCertificate(t.Context(), params)
	require.NoError(t, err)
	cert := leaf(t, chains[0].ChainPEM)
	require.Equal(t, "/device/pump-1", cert.URIs[0].Path)
	require.True(t, key.PublicKey.Equal(cert.PublicKey))
}

// An attestation is for one device, one account's key, and one key of its own.
func TestBadDeviceAttest(t *testing.T) {
	w := newWorld(t, nil)
	maker, stranger := newTPM(t, "pump-1"), newTPM(t, "pump-1")
	w.trust(maker)
	other := &tpm{root: maker.root, ak: stranger.ak, cert: stranger.cert}
	u := w.bound("device", "pump-1")
	key := enrolltest.NewKey(t)
	begin := func() (order map[string]any, challenge, token string) {
		order = u.post("/acme/new-order", map[string]any{"identifiers": []map[string]string{{"type": "permanent-identifier", "value": "pump-1"}}}).ok()
		require.Equal(t, "pending", order["status"], "what was attested before is for another key")
		object := u.post(order["authorizations"].([]any)[0].(string), nil).ok()["challenges"].([]any)[0].(map[string]any)
		require.Equal(t, "device-attest-01", object["type"])
		return order, object["url"].(string), object["token"].(string)
	}
	authorization := func(u *user, token string) string {
		sum, err := jwk(&u.key.PublicKey).Thumbprint(crypto.SHA256)
		require.NoError(t, err)
		return token + "." + base64.RawURLEncoding.EncodeToString(sum)
	}
	answer := func(challenge string, object []byte) map[string]any {
		return u.post(challenge, map[string]any{"attObj": base64.RawURLEncoding.EncodeToString(object)}).ok()
	}
	for name, object := range map[string]func(token string) []byte{
		"garbage":             func(string) []byte { return []byte("x") },
		"another maker":       func(token string) []byte { return other.attest(t, &key.PublicKey, authorization(u, token)) },
		"another account key": func(token string) []byte { return maker.attest(t, &key.PublicKey, authorization(w.newUser(), token)) },
		"another challenge":   func(string) []byte { return maker.attest(t, &key.PublicKey, authorization(u, "x")) },
	} {
		t.Run(name, func(t *testing.T) {
			order, challenge, token := begin()
			object := answer(challenge, object(token))
			require.Equal(t, "invalid", object["status"])
			require.Equal(t, "urn:ietf:params:acme:error:badAttestationStatement", object["error"].(map[string]any)["type"])
			u.finalize(order, deviceCSR(t, key, "pump-1")).refused(http.StatusForbidden, "orderNotReady")
		})
	}
	_, challenge, _ := begin()
	u.post(challenge, map[string]any{}).refused(http.StatusBadRequest, "malformed")

	order, challenge, token := begin()
	require.Equal(t, "valid", answer(challenge, maker.attest(t, &key.PublicKey, authorization(u, token)))["status"])
	u.finalize(order, deviceCSR(t, enrolltest.NewKey(t), "pump-1")).refused(http.StatusBadRequest, "badCSR")
	u.finalize(order, deviceCSR(t, key, "pump-1")).ok()
	begin()
}

// The makers that a role trusts vouch for its devices alone: an account without a
// token has none attested in another role than the default one.
func TestAttestationRole(t *testing.T) {
	order := map[string]any{"identifiers": []map[string]string{{"type": "permanent-identifier", "value": "pump-9"}}, "profile": "device"}
	newWorld(t, open).unbound().post("/acme/new-order", order).refused(http.StatusForbidden, "rejectedIdentifier")
	w := newWorld(t, func(c *acme.Config) { open(c); c.Settings.DefaultRole = "device" })
	w.unbound().post("/acme/new-order", order).ok()
}

// own gets the TPM's attestation key a certificate of the CA itself, for a device that
// is in the inventory.
func (w *world) own(p *tpm, device string) *x509.Certificate {
	ek := enrolltest.NewKey(w.t)
	spki, err := x509.MarshalPKIXPublicKey(ek.Public())
	require.NoError(w.t, err)
	hash := sha256.Sum256(spki)
	require.NoError(w.t, w.Store.Update(w.t.Context(), func(tx *store.Tx) audit.Event {
		tx.InsertDevice(store.Device{Role: "device", Serial: device, Identity: "device/" + device, EK: hash[:]})
		return audit.Event{Action: "test.write", Actor: "uid:0", Outcome: "ok"}
	}))
	from := netip.MustParseAddr("127.0.0.1")
	challenge, err := w.Registrar.Challenge(w.t.Context(), enroll.Endorsement{
		EK: ek.Public(), AK: p.ak.Public(), From: from, Vouched: func([]*x509.Certificate) (ca.TPM, error) { return ca.TPM{}, errors.New("no") },
	})
	require.NoError(w.t, err)
	cert, err := w.CertifyAttestationKey(w.t.Context(), challenge.ID, challenge.Secret[:], from)
	require.NoError(w.t, err)
	p.cert = cert.Raw
	return cert
}

// An attestation key that the CA itself has certified needs no maker's root. It speaks
// for its own device alone, and as long as its certificate and its identity are good.
func TestOwnAttestationKey(t *testing.T) {
	w := newWorld(t, nil)
	_, err := w.Policies.Set(t.Context(), enrolltest.Root, "policy.toml", []byte("[role.device]\nmethods = ['token', 'acme', 'renew', 'tpm']\n"), w.Policies.Current().Version())
	require.NoError(t, err)
	one, two := newTPM(t, "pump-1"), newTPM(t, "pump-2")
	u, v := w.bound("device", "pump-1"), w.bound("device", "pump-2")
	cert := w.own(one, "pump-1")
	w.own(two, "pump-2")
	attempt := func(u *user, device string, p *tpm) map[string]any {
		order := u.post("/acme/new-order", map[string]any{"identifiers": []map[string]string{{"type": "permanent-identifier", "value": device}}}).ok()
		object := u.post(order["authorizations"].([]any)[0].(string), nil).ok()["challenges"].([]any)[0].(map[string]any)
		sum, err := jwk(&u.key.PublicKey).Thumbprint(crypto.SHA256)
		require.NoError(t, err)
		key := enrolltest.NewKey(t)
		text := object["token"].(string) + "." + base64.RawURLEncoding.EncodeToString(sum)
		said := p.attest(t, &key.PublicKey, text)
		return u.post(object["url"].(string), map[string]string{"attObj": base64.RawURLEncoding.EncodeToString(said)}).ok()
	}
	require.Equal(t, "valid", attempt(u, "pump-1", one)["status"])
	require.Equal(t, "valid", attempt(v, "pump-2", two)["status"])
	require.Equal(t, "invalid", attempt(u, "pump-1", two)["status"], "another device's")

	forged := *two // with a certificate that is not on record
	forged.cert = newTPM(t, "pump-2").cert
	require.Equal(t, "invalid", attempt(v, "pump-2", &forged)["status"])
	swapped := *one // with another TPM's key
	swapped.ak = two.ak
	require.Equal(t, "invalid", attempt(u, "pump-1", &swapped)["status"])

	w.Advance(time.Until(cert.NotAfter) + time.Hour)
	require.Equal(t, "invalid", attempt(u, "pump-1", one)["status"], "out of time")
}
