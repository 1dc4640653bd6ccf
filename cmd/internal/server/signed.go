package server

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/pem"
	"net/http"
	"strings"
	"time"

	"github.com/betonica/betonica/enroll/api"
)

// root answers GET /roots/{sha256} with the root certificate in PEM, if that is
// its hash. A machine asks before it trusts anybody, and compares the hash with
// the one in its token: so it needs no trust in who answers.
func (s *Server) root(w http.ResponseWriter, r *http.Request) error {
	root := s.Issuers.Root()
	sum := sha256.Sum256(root.Raw)
	if !strings.EqualFold(r.PathValue("sha256"), hex.EncodeToString(sum[:])) {
		return errNoRoute
	}
	return write(w, r, api.MediaChain, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: root.Raw}))
}

// certificate answers GET /ca/{issuer}.cer with a certificate of the authority in
// DER (RFC 5280, Section 4.2.2.1): where the certificates below it point to.
func (s *Server) certificate(w http.ResponseWriter, r *http.Request) error {
	issuer, ok := strings.CutSuffix(r.PathValue("file"), ".cer")
	if !ok {
		return errNoRoute
	}
	for _, cert := range append(s.Issuers.Certificates(), s.Issuers.Root()) {
		if issuer == hex.EncodeToString(cert.SubjectKeyId) {
			return write(w, r, "application/pkix-cert", cert.Raw)
		}
	}
	return errNoRoute
}

// write writes an object that never changes under its URL, and answers 304 to
// whoever has it already.
func write(w http.ResponseWriter, r *http.Request, media string, body []byte) error {
	sum := sha256.Sum256(body)
	h := w.Header()
	h.Set("Content-Type", media)
	h.Set("Cache-Control", "public, max-age=86400")
	h.Set("ETag", `"`+hex.EncodeToString(sum[:16])+`"`)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(body))
	return nil
}
