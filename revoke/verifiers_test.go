package revoke_test

import (
	"bytes"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/enroll/enrolltest"
	"github.com/betonica/betonica/revoke"
	"github.com/betonica/betonica/revoke/crl"
	"github.com/betonica/betonica/revoke/ocsp"
	"github.com/betonica/betonica/store/storetest"
)

// What a verifier says of a certificate.
const (
	good    = "good"
	revoked = "revoked"
	refused = "refused" // for want of an answer that it can rely on
)

// A verifier is a program of strangers that judges certificates.
type verifier struct {
	name  string
	needs []string // programs
	ocsp  func(fixture, string) string
	crl   func(fixture, string) string
}

var verifiers = []verifier{
	{"OpenSSL", []string{"openssl"}, opensslOCSP, opensslCRL},
	{"GnuTLS", []string{"ocsptool", "certtool"}, gnutlsOCSP, gnutlsCRL},
	{"NSS", []string{"vfychain", "certutil"}, nssOCSP, nssCRL},
	{"Java", []string{"java", "javac"}, javaOCSP, javaCRL},
	{"cryptography", []string{"/usr/bin/python3"}, pythonOCSP, pythonCRL},
}

// Five verifiers judge the same certificates by the same answers and lists, and agree
// with each other and with us. A verifier that departs from them has in its cell what it
// does, and why: what is relied on is then the others' strictness, not its own.
func TestVerifiers(t *testing.T) {
	f := newFixture(t)
	nss := map[string]departure{"NSS": {refused, "it says SEC_ERROR_REVOKED_CERTIFICATE of whatever it cannot find out, too"}}
	for _, row := range []struct {
		by, what string
		file     string // certificate
		say      saying // what the CA's server says
		want     string
		but      map[string]departure // by verifier
	}{
		{"OCSP", "good", "good.pem", honest, good, nil},
		{"OCSP", "revoked", "revoked.pem", honest, revoked, nss},
		{"OCSP", "never issued", "never.pem", honest, revoked, nss},
		{"OCSP", "answer past its nextUpdate", "good.pem", expired, refused, nil},
		{"OCSP", "answer of another CA", "good.pem", foreigner, refused, nil},
		{"CRL", "good", "good.pem", honest, good, nil},
		{"CRL", "revoked", "revoked.pem", honest, revoked, nss},
		{"CRL", "never issued: a list names what was revoked, and no more", "never.pem", honest, good, nil},
		{"CRL", "list past its nextUpdate", "good.pem", expired, refused, map[string]departure{
			"GnuTLS": {good, "it does not look at a list's nextUpdate"},
			"NSS":    {good, "it takes a list that is over, even with requireFreshInfo"},
		}},
		{"CRL", "list of another CA", "good.pem", foreigner, refused, map[string]departure{
			"GnuTLS": {good, "it asks for no list: without one of the issuer's everybody is good"},
		}},
	} {
		for _, v := range verifiers {
			t.Run(row.by+" "+row.what+"/"+v.name, func(t *testing.T) {
				for _, name := range v.needs {
					witnessProgram(t, name)
				}
				f := f
				f.t = t
				f.server.say.Store(int32(row.say))
				judge, want := v.ocsp, row.want
				if row.by == "CRL" {
					judge = v.crl
					f.fetchLists()
				}
				if d, departs := row.but[v.name]; departs {
					t.Logf("%s says %s: %s", v.name, d.says, d.why)
					want = d.says
				}
				require.Equal(t, want, judge(f, f.path(row.file)))
			})
		}
	}
}

// A departure is what one verifier does otherwise than the others.
type departure struct{ says, why string }

// saying is how truthful the CA's server is.
type saying int

const (
	honest    saying = iota
	expired          // all that it says was right yesterday
	foreigner        // another CA has signed it
)

// A fixture is a CA, a chain, and a server that says what it is told to.
type fixture struct {
	t      *testing.T
	server *sayer
	dir    string
}

type sayer struct {
	world, other *world
	say          atomic.Int32 // a saying
}

func newFixture(t *testing.T) fixture {
	s := new(sayer)
	front := httptest.NewServer(s)
	t.Cleanup(front.Close)
	s.world, s.other = newWorld(t, enrolltest.NewAt(t, front.URL)), newWorld(t, enrolltest.New(t))
	s.world.URL = front.URL
	f := fixture{t, s, t.TempDir()}
	fine, _ := s.world.enrol("good")
	gone, key := s.world.enrol("revoked")
	fell, err := s.world.Revoker.Identity(t.Context(), root, "device/revoked", orders)
	require.NoError(t, err)
	eventually(t, func() bool { return s.world.Publisher.Full().Number >= fell.Number }, "a full list")
	// Who stole the issuing key can make it; it is on no record.
	never := &x509.Certificate{
		SerialNumber: new(big.Int).SetBytes(bytes.Repeat([]byte{0x7e}, 16)), Subject: pkix.Name{CommonName: "never"},
		NotBefore: fine.NotBefore, NotAfter: fine.NotAfter, KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: fine.ExtKeyUsage,
		OCSPServer: fine.OCSPServer, CRLDistributionPoints: fine.CRLDistributionPoints, URIs: []*url.URL{{Scheme: "spiffe", Host: enrolltest.TrustDomain, Path: "/device/never"}},
	}
	der, err := x509.CreateCertificate(rand.Reader, never, s.world.issuing, key.Public(), s.world.IssuingKey)
	require.NoError(t, err)
	f.put("root.pem", "CERTIFICATE", s.world.root.Raw)
	f.put("issuing.pem", "CERTIFICATE", s.world.issuing.Raw)
	f.put("chain.pem", "CERTIFICATE", s.world.issuing.Raw, s.world.root.Raw)
	f.put("good.pem", "CERTIFICATE", fine.Raw)
	f.put("revoked.pem", "CERTIFICATE", gone.Raw)
	f.put("never.pem", "CERTIFICATE", der)
	return f
}

func (f fixture) path(name string) string { return filepath.Join(f.dir, name) }

func (f fixture) put(name, kind string, contents ...[]byte) {
	f.t.Helper()
	var text []byte
	for _, der := range contents {
		text = append(text, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})...)
	}
	require.NoError(f.t, os.WriteFile(f.path(name), text, 0o600))
}

// fetchLists puts what the server says now into lists.pem, with the root's list, which
// is always an honest one.
func (f fixture) fetchLists() {
	f.t.Helper()
	w := f.server.world
	f.put("lists.pem", "X509 CRL", w.get("/crl/"+w.Authority.IssuerID()+"/full.crl"), w.get("/crl/"+w.Authority.RootID()+"/full.crl"))
}

// ServeHTTP is the world's, unless it is to lie.
func (s *sayer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	issuing, say := s.world.Authority.IssuerID(), saying(s.say.Load())
	switch {
	case say != honest && strings.HasPrefix(r.URL.Path, "/ocsp"):
		s.answer(w, r)
	case say == expired && strings.HasPrefix(r.URL.Path, "/crl/"+issuing):
		w.Write(s.yesterday())
	case say == foreigner && strings.HasPrefix(r.URL.Path, "/crl/"+issuing):
		w.Write(s.other.Publisher.Full().DER)
	default:
		s.world.Handler().ServeHTTP(w, r)
	}
}

// answer says good of all that it is asked about, as of yesterday or in the name of
// another CA.
func (s *sayer) answer(w http.ResponseWriter, r *http.Request) {
	req, err := revoke.ReadOCSP(r)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	cert, key, this := s.world.issuing, s.world.IssuingKey, time.Now().Add(-26*time.Hour)
	if saying(s.say.Load()) == foreigner {
		cert, key, this = s.other.issuing, s.other.IssuingKey, time.Now()
	}
	signer, err := ocsp.NewResponder(cert, key)
	if err != nil {
		panic(err)
	}
	out := ocsp.Response{ProducedAt: this, Nonce: req.Nonce}
	for _, id := range req.IDs {
		out.Responses = append(out.Responses, ocsp.SingleResponse{ID: id, Status: ocsp.Good, ThisUpdate: this, NextUpdate: this.Add(time.Hour)})
	}
	der, err := signer.Sign(out)
	if err != nil {
		panic(err)
	}
	w.Header().Set("Content-Type", ocsp.ResponseType)
	w.Write(der)
}

// yesterday is a list that was good until an hour ago.
func (s *sayer) yesterday() []byte {
	this := time.Now().UTC().Truncate(time.Second).Add(-25 * time.Hour)
	var der bytes.Buffer
	err := crl.Encode(&der, s.world.issuing, s.world.IssuingKey, crl.Template{Number: 1, ThisUpdate: this, NextUpdate: this.Add(24 * time.Hour)}, crl.Set{})
	if err != nil {
		panic(err)
	}
	return der.Bytes()
}

// witnessProgram leaves a verifier out, aloud, where it is not installed.
func witnessProgram(t *testing.T, name string) {
	t.Helper()
	if _, err := exec.LookPath(name); err != nil {
		storetest.LeaveOut(t, name+" is not installed")
	}
}
