package revoke

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"net/http"
	"time"

	"github.com/betonica/betonica/revoke/crl"
	"github.com/betonica/betonica/store"
)

// A Document is a signed list as it is served. It never changes.
type Document struct {
	Number, Base           int64 // Base: of a delta, else 0
	ThisUpdate, NextUpdate time.Time
	DER                    []byte
	SHA256                 [32]byte

	etag []string
}

// OpenDocument returns a full list that was kept, as it is served, if it is the one of
// that issuer that it should be: the database may be somebody else's.
func OpenDocument(kept store.CRL, issuer *x509.Certificate) (*Document, error) {
	list, err := crl.OpenHead(kept.DER, issuer)
	if err == nil && (list.IsDelta() || list.Scope() != nil || list.Number() != kept.Number) {
		err = errNotOurs
	}
	if err != nil {
		return nil, fmt.Errorf("CRL %d on record: %w", kept.Number, err)
	}
	return newDocument(kept.DER, list.Number(), 0, list.ThisUpdate(), list.NextUpdate()), nil
}

func newDocument(der []byte, number, base int64, this, next time.Time) *Document {
	d := &Document{Number: number, Base: base, ThisUpdate: this, NextUpdate: next, DER: der, SHA256: sha256.Sum256(der)}
	d.etag = []string{`"` + hex.EncodeToString(d.SHA256[:]) + `"`}
	return d
}

// listType is the media type of a CRL in DER (RFC 2585, Section 4.2).
const listType = "application/pkix-crl"

// serve answers GET and HEAD, and conditional requests with 304. The list may be
// kept for maxAge, never past its nextUpdate.
func (d *Document) serve(w http.ResponseWriter, r *http.Request, maxAge time.Duration, now time.Time) {
	serve(w, r, d.DER, listType, d.etag, d.ThisUpdate, min(maxAge, d.NextUpdate.Sub(now)))
}

func serve(w http.ResponseWriter, r *http.Request, body []byte, mediaType string, etag []string, modified time.Time, maxAge time.Duration) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "only GET and HEAD", http.StatusMethodNotAllowed)
		return
	}
	h := w.Header()
	h["Etag"] = etag
	h.Set("Content-Type", mediaType)
	h.Set("Cache-Control", fmt.Sprintf("public, max-age=%d", max(0, int(maxAge.Seconds()))))
	http.ServeContent(w, r, "", modified, bytes.NewReader(body))
}

// pem returns the list in PEM.
func (d *Document) pem() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "X509 CRL", Bytes: d.DER})
}
