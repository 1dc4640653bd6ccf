package server

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/betonica/betonica/enroll/api"
	"github.com/betonica/betonica/store/audit/checkpoint"
)

// The root is found by its hash, and by no other.
func TestRoot(t *testing.T) {
	f := newServer(t, nil)
	sum := sha256.Sum256(f.Issuers.Root().Raw)
	name := hex.EncodeToString(sum[:])
	for _, name := range []string{name, strings.ToUpper(name)} {
		resp, body := f.get(f.urls.https + api.PathRoots + name)
		require.Equal(t, http.StatusOK, resp.StatusCode)
		block, rest := pem.Decode(body)
		require.Equal(t, f.Issuers.Root().Raw, block.Bytes)
		require.Empty(t, rest)
		resp, _ = f.do(f.client(), http.MethodGet, f.urls.https+api.PathRoots+name, http.Header{"If-None-Match": {resp.Header.Get("ETag")}}, nil)
		require.Equal(t, http.StatusNotModified, resp.StatusCode)
	}
	for _, name := range []string{strings.Repeat("0", 64), name[:62], name + "00"} {
		resp, body := f.get(f.urls.https + api.PathRoots + name)
		requireProblem(t, resp, body, http.StatusNotFound, api.ProblemNotFound)
	}
}

// The issuer's certificate is where every certificate says that it is, in DER.
func TestIssuerCertificate(t *testing.T) {
	f := newServer(t, nil)
	cert, err := f.Certificate.Current()
	require.NoError(t, err)
	said := cert.Leaf.IssuingCertificateURL[0]
	resp, body := f.get(f.urls.http + said[len("http://ca.hospital.example"):])
	require.Equal(t, "application/pkix-cert", resp.Header.Get("Content-Type"))
	issuer, err := x509.ParseCertificate(body)
	require.NoError(t, err)
	require.NoError(t, cert.Leaf.CheckSignatureFrom(issuer))

	resp, body = f.get(f.urls.http + "/ca/" + hex.EncodeToString(issuer.AuthorityKeyId) + ".cer")
	require.Equal(t, http.StatusOK, resp.StatusCode)
	require.Equal(t, f.Issuers.Root().Raw, body)
	for _, path := range []string{"/ca/00.cer", "/ca/" + f.Issuers.Current().IssuerID(), "/ca/.cer"} {
		resp, body = f.get(f.urls.http + path)
		requireProblem(t, resp, body, http.StatusNotFound, api.ProblemNotFound)
	}
}

// A monitor gets the newest checkpoint, and the proof that it goes on from the
// one that it knows.
func TestCheckpoint(t *testing.T) {
	f := newServer(t, nil)
	resp, body := f.get(f.urls.https + api.PathCheckpoint)
	requireProblem(t, resp, body, http.StatusNotFound, api.ProblemNotFound)

	fetch := func(query string) (checkpoint.Checkpoint, api.Checkpoint) {
		_, err := f.ca.Store.SignCheckpoint(t.Context())
		require.NoError(t, err)
		resp, body := f.get(f.urls.https + api.PathCheckpoint + query)
		require.Equal(t, http.StatusOK, resp.StatusCode, "%s", body)
		var c api.Checkpoint
		require.NoError(t, json.Unmarshal(body, &c))
		v, err := checkpoint.NewVerifier(c.Key)
		require.NoError(t, err)
		signed, err := checkpoint.Open(c.Note, v)
		require.NoError(t, err)
		return signed, c
	}
	old, c := fetch("")
	require.Empty(t, c.Proof)
	require.NoError(t, f.Certificate.Renew(t.Context())) // another entry
	newer, c := fetch("?since=" + strconv.FormatInt(old.Size, 10))
	require.Greater(t, newer.Size, old.Size)
	var proof []tlog.Hash
	for _, text := range c.Proof {
		hash, err := base64.StdEncoding.DecodeString(text)
		require.NoError(t, err)
		proof = append(proof, tlog.Hash(hash))
	}
	require.NoError(t, checkpoint.CheckConsistency(old, newer, proof))

	for _, since := range []string{"-1", "x", "9223372036854775808", "1.5"} {
		resp, body := f.get(f.urls.https + api.PathCheckpoint + "?since=" + since)
		requireProblem(t, resp, body, http.StatusBadRequest, api.ProblemMalformed)
	}
}
