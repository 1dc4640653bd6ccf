package ocsp_test

import (
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/revoke/ocsp"
)

// files writes the issuer's and the leaf's certificate where other programs read
// them, and returns a function that names a file beside them, with contents if given.
func (p pki) files(t *testing.T) (file func(name string, contents ...[]byte) string) {
	dir := t.TempDir()
	file = func(name string, contents ...[]byte) string {
		path := filepath.Join(dir, name)
		for _, c := range contents {
			require.NoError(t, os.WriteFile(path, c, 0o600))
		}
		return path
	}
	for name, c := range map[string]party{"issuer.pem": p.issuer, "leaf.pem": p.leaf, "responder.pem": p.responder} {
		file(name, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw}))
	}
	return file
}

// today is good, as of the clock that foreign programs read.
func today(id ocsp.CertID) ocsp.SingleResponse {
	at := time.Now().UTC().Truncate(time.Second)
	return ocsp.SingleResponse{ID: id, Status: ocsp.Good, ThisUpdate: at.Add(-time.Minute), NextUpdate: at.Add(time.Hour)}
}

// statuses are the answers that the witnesses are asked about.
func statuses(id ocsp.CertID) map[string]ocsp.SingleResponse {
	good, revoked, never := today(id), today(id), today(id)
	revoked.Status, revoked.RevokedAt, revoked.Reason = ocsp.Revoked, good.ThisUpdate.Add(-time.Hour), 1
	never.Status = ocsp.NeverIssued
	return map[string]ocsp.SingleResponse{"good": good, "revoked": revoked, "never": never}
}

// openssl verifies our answers to its own question, for each kind of key, and reads
// in them what we said.
func TestOpenSSLVerifies(t *testing.T) {
	p := newPKI(t)
	file := p.files(t)
	witness(t, "openssl", "ocsp", "-issuer", file("issuer.pem"), "-cert", file("leaf.pem"), "-reqout", file("request"))
	der, err := os.ReadFile(file("request"))
	require.NoError(t, err)
	q, err := ocsp.ParseRequest(der, 1)
	require.NoError(t, err)
	require.True(t, p.names.Issued(q.IDs[0]))

	says := map[string]string{
		"good": ": good", "revoked": "Reason: keyCompromise", "never": "Reason: certificateHold",
	}
	for kind, signer := range signers(t) {
		by := issue(t, &p.issuer, signer, 2, aResponder)
		for name, answer := range statuses(q.IDs[0]) {
			t.Run(kind+" "+name, func(t *testing.T) {
				der := sign(t, by, ocsp.Response{ProducedAt: answer.ThisUpdate, Responses: []ocsp.SingleResponse{answer}, Nonce: q.Nonce})
				verify := []string{"ocsp", "-issuer", file("issuer.pem"), "-CAfile", file("issuer.pem"), "-respin", file("response", der)}
				said := witness(t, "openssl", append(verify, "-reqin", file("request"))...) // compares the nonces
				require.Contains(t, said, "Response verify OK")
				require.NotContains(t, strings.ToLower(said), "nonce")
				said = witness(t, "openssl", append(verify, "-no_nonce", "-cert", file("leaf.pem"))...)
				require.Contains(t, said, "Response verify OK")
				require.Contains(t, said, says[name])
				witness(t, "openssl", "asn1parse", "-inform", "DER", "-in", file("response"))
			})
		}
	}
}

// openssl refuses the forgery that a naive reader takes: a good signed by the leaf.
// That shows that the witness looks.
func TestOpenSSLRefuses(t *testing.T) {
	p := newPKI(t)
	file := p.files(t)
	id := p.ask(t, nil).IDs[0]
	der := forgery{by: p.leaf, responses: [][]byte{single(id)}}.der(t)
	said := witness(t, "sh", "-c", "openssl ocsp -sha256 -issuer $0 -cert $1 -CAfile $0 -respin $2 -no_nonce || true",
		file("issuer.pem"), file("leaf.pem"), file("response", der))
	require.Contains(t, said, "Response Verify Failure")
}

// openssl and GnuTLS read our questions.
func TestWitnessesReadRequest(t *testing.T) {
	p := newPKI(t)
	file := p.files(t)
	path := file("request", p.ask(t, make([]byte, 32)).Marshal())

	said := witness(t, "openssl", "ocsp", "-reqin", path, "-req_text")
	require.Contains(t, said, "Hash Algorithm: sha256")
	require.Contains(t, said, "Serial Number: 03")
	require.Contains(t, said, "OCSP Nonce")

	said = witness(t, "ocsptool", "--request-info", "--inder", "--load-request", path)
	require.Contains(t, said, "Serial Number: 03")
	require.Contains(t, said, "Nonce: 00000000")
}

// GnuTLS verifies our answers and reads in them what we said.
func TestGnuTLSVerifies(t *testing.T) {
	p := newPKI(t)
	file := p.files(t)
	says := map[string]string{
		"good": "Certificate Status: good", "revoked": "Certificate Status: revoked", "never": "Certificate Status: revoked",
	}
	for kind, signer := range signers(t) {
		by := issue(t, &p.issuer, signer, 2, aResponder)
		for name, answer := range statuses(p.ask(t, nil).IDs[0]) {
			t.Run(kind+" "+name, func(t *testing.T) {
				der := sign(t, by, ocsp.Response{ProducedAt: answer.ThisUpdate, Responses: []ocsp.SingleResponse{answer}})
				path := file("response", der)
				said := witness(t, "ocsptool", "--verify-response", "--inder", "--load-response", path, "--load-trust", file("issuer.pem"))
				require.Contains(t, said, "Success")
				said = witness(t, "ocsptool", "--response-info", "--inder", "--load-response", path)
				require.Contains(t, said, says[name])
			})
		}
	}
}
