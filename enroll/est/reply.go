package est

import (
	"bytes"
	"crypto/x509"
	"encoding/base64"
	"net/http"
	"strconv"
	"strings"
)

// Media types (RFC 7030, Section 8; RFC 5751, Section 3.2.2).
const (
	mediaCACertificates = "application/pkcs7-mime"
	mediaCertsOnly      = "application/pkcs7-mime; smime-type=certs-only"
	mediaAttributes     = "application/csrattrs"
	mediaKey            = "application/pkcs8"
	mediaSealedKey      = "application/pkcs7-mime; smime-type=server-generated-key"
)

// caCertificates answers GET cacerts (RFC 7030, Section 4.1.2): the root, and every
// intermediate that is on record. They are the same for all labels.
func (h *Handler) caCertificates(w http.ResponseWriter, r *http.Request, _ string) error {
	bundle, err := certsOnly(append([]*x509.Certificate{h.Issuers.Root()}, h.Issuers.Certificates()...))
	if err != nil {
		return err
	}
	reply(w, mediaCACertificates, encode(r, bundle))
	return nil
}

// replyCertificates answers with what was issued, and nothing else (RFC 7030, Section
// 4.2.3).
func replyCertificates(w http.ResponseWriter, r *http.Request, certs []*x509.Certificate) error {
	bundle, err := certsOnly(certs)
	if err != nil {
		return err
	}
	reply(w, mediaCertsOnly, encode(r, bundle))
	return nil
}

// reply writes a body in base64.
func reply(w http.ResponseWriter, media string, body []byte) {
	setHeader(w, "Content-Transfer-Encoding", "base64") // means nothing since RFC 8951; some look for it
	write(w, http.StatusOK, media, body)
}

func write(w http.ResponseWriter, status int, media string, body []byte) {
	setHeader(w, "Content-Type", media)
	setHeader(w, "Content-Length", strconv.Itoa(len(body))) // in chunks old clients read nothing
	w.WriteHeader(status)
	w.Write(body) // a client that is gone asks again
}

// setHeader keeps the spelling of the name, which net/http would change.
func setHeader(w http.ResponseWriter, name, value string) { w.Header()[name] = []string{value} }

// encode returns base64 as the client can read it: libest's library reads no long
// lines, strongSwan's no more than one. All take the line end.
func encode(r *http.Request, der []byte) []byte {
	text := base64.StdEncoding.AppendEncode(nil, der)
	if !strings.HasPrefix(r.UserAgent(), "libest") {
		return append(text, '\n')
	}
	var lines bytes.Buffer
	for len(text) > 0 {
		n := min(64, len(text))
		lines.Write(text[:n])
		lines.WriteByte('\n')
		text = text[n:]
	}
	return lines.Bytes()
}
