package est

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// maxBody bounds a body: 64 KiB of DER, which is what package ca reads, in base64 in
// short lines.
const maxBody = 96 << 10

// readCSR returns the DER of the request in the body (RFC 7030, Section 4.2.1), not
// looked at. White space may stand anywhere, and Content-Transfer-Encoding says
// nothing (RFC 8951, Section 3).
func readCSR(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	// The whole of it is read before anything is said, since old clients write all
	// before they read.
	text, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return nil, &problem{http.StatusRequestEntityTooLarge, fmt.Sprintf("The request is larger than %d bytes.", maxBody), 0}
	}
	if err != nil {
		return nil, malformed("The body cannot be read to its end.")
	}
	if media, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";"); !strings.EqualFold(strings.TrimSpace(media), "application/pkcs10") {
		return nil, &problem{http.StatusUnsupportedMediaType, "Send a PKCS #10 request in base64, as application/pkcs10.", 0}
	}
	der, err := decode(text)
	if err != nil {
		return nil, malformed("The body is not base64.")
	}
	if len(der) == 0 {
		return nil, malformed("The certificate request is missing.")
	}
	if der[0] != 0x30 { // others read PEM, too, where nobody would find what pkcs10 reads
		return nil, malformed("The body is not DER in base64.")
	}
	return der, nil
}

// decode reads base64 with white space anywhere. It overwrites text.
func decode(text []byte) ([]byte, error) {
	packed := text[:0]
	for _, c := range text {
		switch c {
		case ' ', '\t', '\n', '\v', '\f', '\r':
		default:
			packed = append(packed, c)
		}
	}
	n, err := base64.StdEncoding.Decode(packed, packed)
	return packed[:n], err
}
