package attest_test

import (
	"bytes"
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/fips140"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-tpm/tpm2"
	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/enroll"
	"github.com/betonica/betonica/enroll/api"
	"github.com/betonica/betonica/enroll/attest"
	"github.com/betonica/betonica/enroll/enrolltest"
	"github.com/betonica/betonica/store"
	"github.com/betonica/betonica/store/audit"
)

// A chip is a TPM as the CA sees one: an endorsement key and an attestation key, in
// software, that answer as a TPM does. What it shows can be bent.
type chip struct {
	t  testing.TB
	ek *rsa.PrivateKey
	ak *ecdsa.PrivateKey

	akArea tpm2.TPMTPublic
	cert   [][]byte // of the endorsement key; nil: none
}

func newChip(t testing.TB) *chip {
	ek, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	c := &chip{t: t, ek: ek, ak: newKey(t)}
	c.akArea = eccArea(c.ak, tpm2.TPMAObject{FixedTPM: true, FixedParent: true, SensitiveDataOrigin: true, UserWithAuth: true, Restricted: true, SignEncrypt: true})
	return c
}

func newKey(t testing.TB) *ecdsa.PrivateKey {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	return key
}

// eccArea is the TPMT_PUBLIC of a P-256 key that signs with SHA-256.
func eccArea(key *ecdsa.PrivateKey, attributes tpm2.TPMAObject) tpm2.TPMTPublic {
	x, y := make([]byte, 32), make([]byte, 32)
	return tpm2.TPMTPublic{
		Type: tpm2.TPMAlgECC, NameAlg: tpm2.TPMAlgSHA256, ObjectAttributes: attributes,
		Parameters: tpm2.NewTPMUPublicParms(tpm2.TPMAlgECC, &tpm2.TPMSECCParms{
			CurveID: tpm2.TPMECCNistP256,
			Scheme: tpm2.TPMTECCScheme{
				Scheme:  tpm2.TPMAlgECDSA,
				Details: tpm2.NewTPMUAsymScheme(tpm2.TPMAlgECDSA, &tpm2.TPMSSigSchemeECDSA{HashAlg: tpm2.TPMAlgSHA256}),
			},
		}),
		Unique: tpm2.NewTPMUPublicID(tpm2.TPMAlgECC, &tpm2.TPMSECCPoint{
			X: tpm2.TPM2BECCParameter{Buffer: key.X.FillBytes(x)}, Y: tpm2.TPM2BECCParameter{Buffer: key.Y.FillBytes(y)},
		}),
	}
}

// ekArea is its endorsement key's, by the TCG's template.
func (c *chip) ekArea() []byte {
	area := tpm2.RSAEKTemplate
	area.Unique = tpm2.NewTPMUPublicID(tpm2.TPMAlgRSA, &tpm2.TPM2BPublicKeyRSA{Buffer: c.ek.N.Bytes()})
	return tpm2.Marshal(area)
}

func (c *chip) ekHash() []byte {
	spki, err := x509.MarshalPKIXPublicKey(&c.ek.PublicKey)
	require.NoError(c.t, err)
	sum := sha256.Sum256(spki)
	return sum[:]
}

func (c *chip) begin() api.AttestBegin {
	begin := api.AttestBegin{AKPublic: tpm2.Marshal(c.akArea), EKCertificate: c.cert}
	if c.cert == nil {
		begin.EKPublic = c.ekArea()
	}
	return begin
}

// activate is TPM2_ActivateCredential for the chip's attestation key: nil if the
// credential is for another chip, or another object.
func (c *chip) activate(challenge api.AttestChallenge) []byte {
	object, err := tpm2.Unmarshal[tpm2.TPM2BIDObject](challenge.Credential)
	require.NoError(c.t, err)
	encrypted, err := tpm2.Unmarshal[tpm2.TPM2BEncryptedSecret](challenge.Secret)
	require.NoError(c.t, err)
	seed, err := rsa.DecryptOAEP(sha256.New(), nil, c.ek, encrypted.Buffer, []byte("IDENTITY\x00"))
	if err != nil {
		return nil
	}
	name, err := tpm2.ObjectName(&c.akArea)
	require.NoError(c.t, err)
	mac, body := object.Buffer[2:34], object.Buffer[34:]
	h := hmac.New(sha256.New, tpm2.KDFa(crypto.SHA256, seed, "INTEGRITY", nil, nil, 256))
	h.Write(body)
	h.Write(name.Buffer)
	if !hmac.Equal(mac, h.Sum(nil)) {
		return nil
	}
	block, err := aes.NewCipher(tpm2.KDFa(crypto.SHA256, seed, "STORAGE", name.Buffer, nil, 128))
	require.NoError(c.t, err)
	plain := make([]byte, len(body))
	fips140.WithoutEnforcement(func() {
		//lint:ignore SA1019 it is what a TPM does
		cipher.NewCFBDecrypter(block, make([]byte, aes.BlockSize)).XORKeyStream(plain, body)
	})
	return plain[2:]
}

// A world is a CA with machines at its pages.
type world struct {
	t  testing.TB
	ca *enrolltest.CA
	h  *attest.Handler
}

const tpmPolicy = "[role.pump]\nmethods = ['token', 'tpm', 'renew']\n"

func newWorld(t testing.TB, policy string) *world {
	c := enrolltest.New(t)
	_, err := c.Policies.Set(t.Context(), enrolltest.Root, "policy.toml", []byte(policy), 1)
	require.NoError(t, err)
	return &world{t, c, &attest.Handler{Registrar: c.Registrar, Now: c.Now}}
}

// know puts a chip into the inventory as that device.
func (w *world) know(c *chip, name string) {
	require.NoError(w.t, w.ca.Store.Update(w.t.Context(), func(tx *store.Tx) audit.Event {
		tx.CreateIdentity(store.Identity{Path: "pump/" + name, Role: "pump", Name: name, State: store.Pending})
		tx.InsertDevice(store.Device{Role: "pump", Serial: name, Identity: "pump/" + name, EK: c.ekHash()})
		return audit.Event{Action: "test.write", Actor: "uid:0", Outcome: "ok"}
	}))
}

// post calls a page from an address of its own.
func (w *world) post(page func(http.ResponseWriter, *http.Request) error, token string, in, out any) error {
	text, err := json.Marshal(in)
	require.NoError(w.t, err)
	r := httptest.NewRequestWithContext(w.t.Context(), http.MethodPost, "/", bytes.NewReader(text))
	r.RemoteAddr = "192.0.2.1:5000"
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	rec := httptest.NewRecorder()
	if err := page(rec, r); err != nil {
		return err
	}
	require.NoError(w.t, json.Unmarshal(rec.Body.Bytes(), out))
	return nil
}

func (w *world) begin(b api.AttestBegin, token string) (c api.AttestChallenge, err error) {
	fips140.WithoutEnforcement(func() { err = w.post(w.h.Begin, token, b, &c) }) // TestEnforced has it on
	return c, err
}

func (w *world) finish(id string, secret []byte) (c api.AttestCertificate, err error) {
	return c, w.post(w.h.Finish, "", api.AttestFinish{ID: id, Secret: secret}, &c)
}

// introduce gets a chip's attestation key its certificate.
func (w *world) introduce(c *chip, token ...string) (*x509.Certificate, string) {
	challenge, err := w.begin(c.begin(), strings.Join(token, ""))
	require.NoError(w.t, err)
	issued, err := w.finish(challenge.ID, c.activate(challenge))
	require.NoError(w.t, err)
	block, _ := pem.Decode([]byte(issued.Certificate))
	cert, err := x509.ParseCertificate(block.Bytes)
	require.NoError(w.t, err)
	return cert, issued.Nonce
}

// attest has the attestation key say of key what a TPM says of one of its own.
func (c *chip) attest(cert *x509.Certificate, nonce string, csr []byte, key *ecdsa.PrivateKey) api.Attestation {
	area := eccArea(key, tpm2.TPMAObject{FixedTPM: true, FixedParent: true, SensitiveDataOrigin: true, UserWithAuth: true, SignEncrypt: true})
	name, err := tpm2.ObjectName(&area)
	require.NoError(c.t, err)
	extra := sha256.Sum256([]byte(api.AttestationText(nonce, csr)))
	info := tpm2.Marshal(tpm2.TPMSAttest{
		Magic: tpm2.TPMGeneratedValue, Type: tpm2.TPMSTAttestCertify, ExtraData: tpm2.TPM2BData{Buffer: extra[:]},
		Attested: tpm2.NewTPMUAttest(tpm2.TPMSTAttestCertify, &tpm2.TPMSCertifyInfo{Name: tpm2.TPM2BName{Buffer: name.Buffer}}),
	})
	digest := sha256.Sum256(info)
	r, s, err := ecdsa.Sign(rand.Reader, c.ak, digest[:])
	require.NoError(c.t, err)
	signature := tpm2.TPMTSignature{SigAlg: tpm2.TPMAlgECDSA, Signature: tpm2.NewTPMUSignature(tpm2.TPMAlgECDSA, &tpm2.TPMSSignatureECC{
		Hash: tpm2.TPMAlgSHA256, SignatureR: tpm2.TPM2BECCParameter{Buffer: r.Bytes()}, SignatureS: tpm2.TPM2BECCParameter{Buffer: s.Bytes()},
	})}
	return api.Attestation{Nonce: nonce, X5C: [][]byte{cert.Raw}, Algorithm: -7, Signature: tpm2.Marshal(signature), CertInfo: info, PubArea: tpm2.Marshal(area)}
}

// admit enrols with an attestation, and perhaps a token.
func (w *world) admit(at api.Attestation, csr []byte, token ...string) (*x509.Certificate, error) {
	attested, err := w.ca.Attested(w.t.Context(), at, csr, home)
	if err != nil {
		return nil, err
	}
	return w.ca.Admit(w.t.Context(), enroll.Claim{CSR: csr, From: home, TPM: attested, Token: strings.Join(token, "")})
}
