package scep_test

import (
	"bytes"
	"cmp"
	"context"
	"crypto"
	"crypto/fips140"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/base64"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/smallstep/pkcs7"
	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/enroll"
	"github.com/betonica/betonica/enroll/enrolltest"
	"github.com/betonica/betonica/enroll/scep"
	"github.com/betonica/betonica/store"
)

// A world is an authority that speaks SCEP to the role device.
type world struct {
	*enrolltest.CA
	t      testing.TB
	server *httptest.Server
	ra     *x509.Certificate
	list   []byte                 // of the CA that issues
	lists  []pkix.CertificateList // of the last answer
	sealed []byte                 // and what it was in
}

var keys = sync.OnceValue(func() []*rsa.PrivateKey {
	var all []*rsa.PrivateKey
	for range 4 {
		key, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			panic(err)
		}
		all = append(all, key)
	}
	return all
})

func newWorld(t testing.TB) *world {
	w := &world{CA: enrolltest.New(t), t: t}
	h, err := scep.New(scep.Config{Registrar: w.Registrar, Issuers: w.Issuers, Now: w.Now, CRL: func(*x509.Certificate) []byte { return w.list }, Authorities: map[string]*scep.Authority{
		"device": {Key: keys()[0], Issue: func(ctx context.Context) (*x509.Certificate, error) {
			return w.SelfFor(ctx, "scep-device", keys()[0])
		}},
	}})
	require.NoError(t, err)
	w.server = httptest.NewServer(h)
	t.Cleanup(w.server.Close)
	certs, err := pkcs7.Parse(w.get("GetCACert"))
	require.NoError(t, err)
	require.Len(t, certs.Certificates, 3)
	w.ra = certs.Certificates[0]
	return w
}

func (w *world) get(operation string) []byte {
	w.t.Helper()
	resp, err := http.Get(w.server.URL + scep.Prefix + "device?operation=" + operation)
	require.NoError(w.t, err)
	return w.body(resp, http.StatusOK)
}

func (w *world) body(resp *http.Response, want int) []byte {
	w.t.Helper()
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(w.t, err)
	require.Equal(w.t, want, resp.StatusCode, string(body))
	return body
}

var (
	oidMessageType    = asn1.ObjectIdentifier{2, 16, 840, 1, 113733, 1, 9, 2}
	oidStatus         = asn1.ObjectIdentifier{2, 16, 840, 1, 113733, 1, 9, 3}
	oidFailInfo       = asn1.ObjectIdentifier{2, 16, 840, 1, 113733, 1, 9, 4}
	oidSenderNonce    = asn1.ObjectIdentifier{2, 16, 840, 1, 113733, 1, 9, 5}
	oidRecipientNonce = asn1.ObjectIdentifier{2, 16, 840, 1, 113733, 1, 9, 6}
	oidTransactionID  = asn1.ObjectIdentifier{2, 16, 840, 1, 113733, 1, 9, 7}
)

// A request is what a client sends; what is empty is as it should be.
type request struct {
	kind   string
	csr    []byte
	signer *x509.Certificate // nil: signed by the key itself
	key    *rsa.PrivateKey
	cipher int
	digest asn1.ObjectIdentifier
	spoil  func([]byte) []byte // what is encrypted

	transport   asn1.ObjectIdentifier // nil: the first of transports
	transaction string                // "": transaction-1
	recipients  int                   // all of them the authority; 0: 1
}

// transports are the ways to hand over a key that are taken, in the mode that the test is in.
func transports() []asn1.ObjectIdentifier {
	if fips140.Enabled() {
		return []asn1.ObjectIdentifier{pkcs7.OIDEncryptionAlgorithmRSAESOAEP}
	}
	return []asn1.ObjectIdentifier{pkcs7.OIDEncryptionAlgorithmRSA, pkcs7.OIDEncryptionAlgorithmRSAESOAEP}
}

// libraries has one setting for all of a process.
var encrypting sync.Mutex

func (w *world) message(q request) []byte {
	w.t.Helper()
	if q.signer == nil {
		template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "device"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(100 * time.Hour)}
		var der []byte
		var err error
		fips140.WithoutEnforcement(func() { der, err = x509.CreateCertificate(rand.Reader, template, template, q.key.Public(), q.key) })
		require.NoError(w.t, err)
		q.signer, err = x509.ParseCertificate(der)
		require.NoError(w.t, err)
	}
	encrypting.Lock()
	pkcs7.ContentEncryptionAlgorithm = q.cipher
	pkcs7.KeyEncryptionAlgorithm = q.transport
	if q.transport == nil {
		pkcs7.KeyEncryptionAlgorithm = transports()[0]
	}
	var sealed []byte
	var err error
	fips140.WithoutEnforcement(func() { // no client is in our mode
		sealed, err = pkcs7.Encrypt(q.csr, slices.Repeat([]*x509.Certificate{w.ra}, max(1, q.recipients)))
	})
	encrypting.Unlock()
	require.NoError(w.t, err)
	if q.spoil != nil {
		sealed = q.spoil(sealed)
	}
	signed, err := pkcs7.NewSignedData(sealed)
	require.NoError(w.t, err)
	signed.SetDigestAlgorithm(q.digest)
	fips140.WithoutEnforcement(func() {
		err = signed.AddSigner(q.signer, q.key, pkcs7.SignerInfoConfig{ExtraSignedAttributes: []pkcs7.Attribute{
			{Type: oidMessageType, Value: q.kind}, {Type: oidTransactionID, Value: cmp.Or(q.transaction, "transaction-1")}, {Type: oidSenderNonce, Value: []byte("0123456789abcdef")},
		}})
	})
	require.NoError(w.t, err)
	der, err := signed.Finish()
	require.NoError(w.t, err)
	return der
}

// ask sends a message, and returns status and reason of the answer, and what it holds.
func (w *world) ask(q request, get bool) (status, reason string, certs []*x509.Certificate) {
	w.t.Helper()
	der := w.message(q)
	var resp *http.Response
	var err error
	at := w.server.URL + scep.Prefix + "device?operation=PKIOperation"
	if get {
		resp, err = http.Get(at + "&message=" + url.QueryEscape(base64.StdEncoding.EncodeToString(der)))
	} else {
		resp, err = http.Post(at, "application/x-pki-message", bytes.NewReader(der))
	}
	require.NoError(w.t, err)
	answer, err := pkcs7.Parse(w.body(resp, http.StatusOK))
	require.NoError(w.t, err)
	ra := answer.GetOnlySigner() // another certificate, perhaps, by the clock that was advanced
	require.Equal(w.t, w.ra.PublicKey, ra.PublicKey)
	ra.NotBefore, ra.NotAfter = time.Time{}, time.Now().AddDate(1, 0, 0)
	require.NoError(w.t, answer.Verify())
	require.True(w.t, answer.Signers[0].DigestEncryptionAlgorithm.Algorithm.Equal(pkcs7.OIDEncryptionAlgorithmRSA))
	var kind, transaction string
	var nonce, own []byte
	require.NoError(w.t, answer.UnmarshalSignedAttribute(oidMessageType, &kind))
	require.NoError(w.t, answer.UnmarshalSignedAttribute(oidTransactionID, &transaction))
	require.NoError(w.t, answer.UnmarshalSignedAttribute(oidRecipientNonce, &nonce))
	require.NoError(w.t, answer.UnmarshalSignedAttribute(oidSenderNonce, &own))
	require.NoError(w.t, answer.UnmarshalSignedAttribute(oidStatus, &status))
	require.Equal(w.t, "3 transaction-1 0123456789abcdef", kind+" "+transaction+" "+string(nonce))
	require.Len(w.t, own, 16)
	if status != "0" {
		answer.UnmarshalSignedAttribute(oidFailInfo, &reason)
		return status, reason, nil
	}
	sealed, err := pkcs7.Parse(answer.Content)
	require.NoError(w.t, err)
	signer := q.signer
	if signer == nil {
		signer = &x509.Certificate{SerialNumber: big.NewInt(1), RawIssuer: mustRaw(pkix.Name{CommonName: "device"})}
	}
	w.sealed = answer.Content
	plain, err := sealed.Decrypt(signer, q.key)
	require.NoError(w.t, err)
	bundle, err := pkcs7.Parse(plain)
	require.NoError(w.t, err)
	w.lists = bundle.CRLs
	return status, "", bundle.Certificates
}

func mustRaw(n pkix.Name) []byte {
	der, err := asn1.Marshal(n.ToRDNSequence())
	if err != nil {
		panic(err)
	}
	return der
}

// csrOf returns a request for key with a challenge password.
func csrOf(t testing.TB, key crypto.Signer, challenge string) []byte {
	t.Helper()
	var outer struct {
		Info struct {
			Version    int
			Subject    asn1.RawValue
			Key        asn1.RawValue
			Attributes []attribute `asn1:"tag:0,set"`
		}
		Algorithm pkix.AlgorithmIdentifier
		Signature asn1.BitString
	}
	var plain []byte
	fips140.WithoutEnforcement(func() { plain = enrolltest.CSR(t, key) })
	_, err := asn1.Unmarshal(plain, &outer)
	require.NoError(t, err)
	if challenge != "" {
		outer.Info.Attributes = []attribute{{asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 7}, []string{challenge}}}
	}
	info, err := asn1.Marshal(outer.Info)
	require.NoError(t, err)
	digest := sha256.Sum256(info)
	var signature []byte
	fips140.WithoutEnforcement(func() { signature, err = key.Sign(rand.Reader, digest[:], crypto.SHA256) })
	require.NoError(t, err)
	outer.Signature = asn1.BitString{Bytes: signature, BitLength: 8 * len(signature)}
	csr, err := asn1.Marshal(outer)
	require.NoError(t, err)
	return csr
}

var netipHome = netip.MustParseAddr("127.0.0.1")

// challengeOf returns the token in a request of csrOf.
func challengeOf(t testing.TB, csr []byte) string {
	t.Helper()
	i := bytes.Index(csr, []byte("bt1."))
	require.Positive(t, i)
	return string(csr[i : i+int(csr[i-1])])
}

type attribute struct {
	Type   asn1.ObjectIdentifier
	Values []string `asn1:"set"`
}

// enrolment is a good request.
func (w *world) enrolment(token string) request {
	return request{kind: "19", csr: csrOf(w.t, keys()[1], token), key: keys()[1], cipher: pkcs7.EncryptionAlgorithmAES256CBC, digest: pkcs7.OIDDigestAlgorithmSHA256}
}

// A device enrols by a token in its challenge password, by POST and by GET, and follows
// on its certificate with a message that is signed by it.
func TestLife(t *testing.T) {
	w := newWorld(t)
	require.Equal(t, "AES\nPOSTPKIOperation\nRenewal\nSHA-256\nSHA-512\nSCEPStandard\n\n", string(w.get("GetCACaps")))
	q := w.enrolment(w.Token(enroll.TokenRequest{Role: "device", Name: "pump-1"}))
	status, reason, certs := w.ask(q, false)
	require.Equal(t, "0", status, reason)
	require.Len(t, certs, 2)
	require.Equal(t, "/device/pump-1", certs[0].URIs[0].Path)
	q.cipher, q.digest = pkcs7.EncryptionAlgorithmAES128CBC, pkcs7.OIDDigestAlgorithmSHA512
	_, _, again := w.ask(q, true)
	require.Equal(t, certs[0].Raw, again[0].Raw, "a lost reply")

	renewal := request{kind: "17", csr: csrOf(t, keys()[2], ""), signer: certs[0], key: keys()[1], cipher: q.cipher, digest: q.digest}
	status, reason, next := w.ask(renewal, false)
	require.Equal(t, "0", status, reason)
	require.Equal(t, certs[0].URIs, next[0].URIs)
	require.Equal(t, keys()[2].Public(), next[0].PublicKey)
	require.Empty(t, w.Audit("certificate.fork"))
}

// What is wrong with a message is one of few answers; all that concerns what was
// encrypted is one.
func TestRefused(t *testing.T) {
	w := newWorld(t)
	token := w.Token(enroll.TokenRequest{Role: "device", Name: "pump-1"})
	flip := func(at int) func([]byte) []byte {
		return func(b []byte) []byte { b = bytes.Clone(b); b[len(b)-at] ^= 1; return b }
	}
	// unpad has the padding say that it is longer than one can be.
	unpad := func(b []byte) []byte { b = bytes.Clone(b); b[len(b)-17] ^= 0x80; return b }
	for name, tt := range map[string]struct {
		change func(*request)
		want   string
	}{
		"DES":                   {func(q *request) { q.cipher = pkcs7.EncryptionAlgorithmDESCBC }, "0"},
		"GCM":                   {func(q *request) { q.cipher = pkcs7.EncryptionAlgorithmAES256GCM }, "0"},
		"SHA-1":                 {func(q *request) { q.digest = pkcs7.OIDDigestAlgorithmSHA1 }, "0"},
		"padding":               {func(q *request) { q.spoil = unpad }, "1"},
		"last block":            {func(q *request) { q.spoil = flip(1) }, "1"},
		"garbage":               {func(q *request) { q.spoil = func([]byte) []byte { return []byte("hello") } }, "1"},
		"no request":            {func(q *request) { q.csr = []byte("hello") }, "1"},
		"of another key":        {func(q *request) { q.csr = csrOf(t, keys()[2], token) }, "1"},
		"no token":              {func(q *request) { q.csr = csrOf(t, keys()[1], "") }, "2"},
		"a password":            {func(q *request) { q.csr = csrOf(t, keys()[1], "secret") }, "2"},
		"GetCRL":                {func(q *request) { q.kind = "22" }, "2"},
		"polled for nothing":    {func(q *request) { q.kind = "20" }, "4"},
		"polled, padding":       {func(q *request) { q.kind, q.spoil = "20", unpad }, "4"}, // no matter what is sealed
		"GetCert":               {func(q *request) { q.kind = "21" }, "4"},
		"GetCert, padding":      {func(q *request) { q.kind, q.spoil = "21", unpad }, "4"}, // not told apart
		"renewed by no one":     {func(q *request) { q.kind = "17" }, "2"},
		"no type of RFC 8894's": {func(q *request) { q.kind = "3" }, "2"},
	} {
		t.Run(name, func(t *testing.T) {
			w.Advance(2 * time.Minute) // so many bad tokens and messages a minute
			q := w.enrolment(token)
			tt.change(&q)
			status, reason, _ := w.ask(q, false)
			require.Equal(t, "2 "+tt.want, status+" "+reason)
		})
	}
	status, _, _ := w.ask(w.enrolment(token), false)
	require.Equal(t, "0", status, "it is unspent")
}

// A device that waits for approval is told so, asks after its transaction, and gets its
// certificate once somebody has approved it.
func TestApproval(t *testing.T) {
	w := newWorld(t)
	_, err := w.Policies.Set(t.Context(), enrolltest.Root, "policy.toml", []byte("[role.device]\nmethods = ['approval', 'renew']\n"), enroll.AnyVersion)
	require.NoError(t, err)
	q := w.enrolment("")
	status, _, _ := w.ask(q, false)
	require.Equal(t, "3", status)
	q.kind = "20"
	status, _, _ = w.ask(q, false)
	require.Equal(t, "3", status)
	waiting, _, err := w.Store.Requests(t.Context(), store.RequestFilter{}, store.Page{Limit: 2})
	require.NoError(t, err)
	require.Len(t, waiting, 1)
	_, err = w.Approve(t.Context(), enrolltest.Root, enroll.Approval{Request: waiting[0].ID, SPKI: waiting[0].SPKI, Role: "device", Name: "pump-1"})
	require.NoError(t, err)
	for range 2 {
		status, reason, certs := w.ask(q, false)
		require.Equal(t, "0", status, reason)
		require.Equal(t, "/device/pump-1", certs[0].URIs[0].Path)
		require.Equal(t, q.key.Public(), certs[0].PublicKey)
	}
	q = w.enrolment("")
	q.kind, q.key = "20", keys()[2]
	_, reason, _ := w.ask(q, false)
	require.Equal(t, "4", reason, "nobody asks after another one's request")
}

// What is no message is said so over HTTP; and whoever sends too many that nobody can
// read has to wait.
func TestNoMessage(t *testing.T) {
	w := newWorld(t)
	at := w.server.URL + scep.Prefix
	for path, want := range map[string]int{
		"device?operation=PKIOperation": 400, "device?operation=PKIOperation&message=%2b%2b": 400, "device?operation=PKIOperation&message=MAA=": 400,
		"device": 400, "device?operation=GetCRL": 400, "gateway?operation=GetCACert": 404, "?operation=GetCACert": 404, "device/x?operation=GetCACert": 404,
		"device/pkiclient.exe?operation=GetCACaps": 200,
	} {
		resp, err := http.Get(at + path)
		require.NoError(t, err)
		w.body(resp, want)
	}
	w.Advance(2 * time.Minute)
	for range 20 {
		resp, err := http.Post(at+"device?operation=PKIOperation", "", bytes.NewReader([]byte("x")))
		require.NoError(t, err)
		w.body(resp, http.StatusBadRequest)
	}
	resp, err := http.Post(at+"device?operation=PKIOperation", "", bytes.NewReader([]byte("x")))
	require.NoError(t, err)
	w.body(resp, http.StatusTooManyRequests)
	resp, err = http.Post(at+"device?operation=PKIOperation", "", bytes.NewReader(make([]byte, 200<<10)))
	require.NoError(t, err)
	w.body(resp, http.StatusTooManyRequests)
}
