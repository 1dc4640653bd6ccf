package bundle_test

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/enroll/enrolltest"
	"github.com/betonica/betonica/revoke/crl"
	"github.com/betonica/betonica/revoke/revoketest"
)

// An intermediate is a CA that is not in the machine's own chain.
type intermediate struct {
	*x509.Certificate
	key crypto.Signer
}

func newIntermediate(t *testing.T, parent *x509.Certificate, by crypto.Signer, name string) intermediate {
	t.Helper()
	key := enrolltest.NewKey(t)
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: big.NewInt(77), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCRLSign | x509.KeyUsageCertSign, SubjectKeyId: []byte(name),
	}, parent, key.Public(), by)
	require.NoError(t, err)
	cert, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	return intermediate{cert, key}
}

func (i intermediate) list(t *testing.T, number int64) []byte {
	t.Helper()
	this := time.Now().UTC().Truncate(time.Second)
	var der bytes.Buffer
	require.NoError(t, crl.Encode(&der, i.Certificate, i.key, crl.Template{Number: number, ThisUpdate: this, NextUpdate: this.Add(time.Hour)}, crl.Set{}))
	return der.Bytes()
}

// While one intermediate takes over from another the file has the lists of both: the
// certificate of the one that the machine does not know is fetched, and taken if the
// roots vouch for it. One that has no certificate of theirs stays out.
func TestIssuers(t *testing.T) {
	w := revoketest.New(t, enrolltest.New(t))
	last := newIntermediate(t, w.Authority.Root(), w.RootKey, "the last one")
	forger, forged := enrolltest.NewKey(t), *w.Authority.Root()
	forged.PublicKey = forger.Public()
	odd := newIntermediate(t, &forged, forger, "an odd one") // the root never signed it
	served := append(fetch(t, w.URL+"/chain.crl.pem"), inPEM(last.list(t, 9), odd.list(t, 9))...)
	front := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/chain.crl.pem":
			rw.Write(served)
		case "/ca/" + hex.EncodeToString(last.SubjectKeyId) + ".cer":
			rw.Write(last.Raw)
		case "/ca/" + hex.EncodeToString(odd.SubjectKeyId) + ".cer":
			rw.Write(odd.Raw)
		default:
			w.Handler().ServeHTTP(rw, r)
		}
	}))
	t.Cleanup(func() { front.CloseClientConnections(); front.Close() })
	m := newMachine(t)
	m.keep(w, front.URL)
	eventually(t, func() bool { return m.changes.Load() == 1 }, "the file")
	text, err := os.ReadFile(m.path)
	require.NoError(t, err)
	var signers []string
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		list, err := x509.ParseRevocationList(block.Bytes)
		require.NoError(t, err)
		signers = append(signers, list.Issuer.CommonName)
	}
	issuing, root := w.Authority.Certificate().Subject.CommonName, w.Authority.Root().Subject.CommonName
	require.ElementsMatch(t, []string{issuing, "the last one", root}, signers)
	require.Equal(t, root, signers[2]) // for those that read the first one only
	eventually(t, func() bool { return bytes.Contains([]byte(m.log.String()), []byte("no CA that the machine trusts")) }, "the odd one is told of")
}
