package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// MaxBody is the size of the largest request that is read, in bytes.
const MaxBody = 64 << 10

// A Body is a request for a certificate as it came over the wire.
type Body struct {
	CSR   []byte // PEM or DER, unchecked
	Since int64  // see [EnrollRequest]
	Role  string // likewise, of at most 64 bytes
	Ask   bool   // likewise
	JSON  bool   // the caller wants JSON back, not a PEM chain

	Attestation *Attestation // likewise; nil with a raw CSR
}

// ReadBody reads what POST /v1/enroll and POST /v1/renew take: a raw CSR, or an
// [EnrollRequest]. A body without a media type is raw, and so is curl's
// "application/x-www-form-urlencoded", which no caller means. With a raw CSR, role and
// ask are in the query, "?ask=true&role=device". The answer has the form of the question
// unless Accept names the other one.
//
// At most [MaxBody] bytes are read. The error is a [*BadRequestError], also where
// the body broke off.
func ReadBody(w http.ResponseWriter, r *http.Request) (Body, error) {
	body, err := readAll(w, r)
	if err != nil {
		return Body{}, err
	}
	b := Body{CSR: body}
	switch media, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); media {
	case MediaJSON:
		var req EnrollRequest
		if err := DecodeJSON(body, &req); err != nil {
			return Body{}, err
		}
		if req.Since < 0 {
			return Body{}, malformed("since is negative")
		}
		b = Body{CSR: []byte(req.CSR), Since: req.Since, Role: req.Role, Ask: req.Ask, JSON: true, Attestation: req.Attestation}
		if r.URL.RawQuery != "" {
			return Body{}, malformed("what a JSON request asks for is in its members, not in the query")
		}
	case "", MediaCSR, "application/x-pem-file", "application/octet-stream", "application/x-www-form-urlencoded":
		if err := b.query(r.URL.RawQuery); err != nil {
			return Body{}, err
		}
	default:
		return Body{}, &BadRequestError{http.StatusUnsupportedMediaType, "unknown media type: send a PKCS#10 request in PEM or DER, or JSON"}
	}
	if len(b.CSR) == 0 {
		return Body{}, malformed("the certificate request is missing")
	}
	if accept := r.Header.Get("Accept"); strings.Contains(accept, MediaJSON) != strings.Contains(accept, MediaChain) {
		b.JSON = strings.Contains(accept, MediaJSON)
	}
	if len(b.Role) > maxRole {
		return Body{}, malformed("role is longer than any role's name")
	}
	return b, nil
}

// maxRole is the length of the longest role's name that is read, in bytes.
const maxRole = 64

// query reads what comes with a raw CSR, as strictly as JSON: each parameter once, and
// none that is not known.
func (b *Body) query(text string) error {
	values, err := url.ParseQuery(text)
	if err != nil {
		return malformed("the query of the URL is malformed")
	}
	for name, all := range values {
		switch {
		case len(all) != 1:
			return malformed("a parameter of the URL appears twice")
		case name == "role":
			b.Role = all[0]
		case name == "ask" && (all[0] == "true" || all[0] == "false"):
			b.Ask = all[0] == "true"
		default:
			return malformed("a parameter of the URL is unknown: there are ask=true and role=ROLE")
		}
	}
	return nil
}

// ReadJSON reads a JSON body of at most [MaxBody] bytes into to, as strictly as
// [DecodeJSON].
func ReadJSON(w http.ResponseWriter, r *http.Request, to any) error {
	body, err := readAll(w, r)
	if err != nil {
		return err
	}
	return DecodeJSON(body, to)
}

// Reply writes the answer in the form that the caller wants, with status 201.
func (b Body) Reply(w http.ResponseWriter, resp EnrollResponse) error {
	media, text := MediaChain, []byte(resp.Certificate)
	if b.JSON {
		var err error
		if text, err = json.Marshal(resp); err != nil {
			return err
		}
		media = MediaJSON
	}
	h := w.Header()
	h.Set("Content-Type", media)
	h.Set("Content-Length", strconv.Itoa(len(text)))
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusCreated)
	w.Write(text) // a caller that is gone asks again, and gets the same
	return nil
}

// Reply writes the answer, with status 202. Its form is JSON, whatever the caller
// wants: there is no certificate yet.
func (p Pending) Reply(w http.ResponseWriter) error {
	text, err := json.Marshal(p)
	if err != nil {
		return err
	}
	h := w.Header()
	h.Set("Content-Type", MediaJSON)
	h.Set("Content-Length", strconv.Itoa(len(text)))
	h.Set("Cache-Control", "no-store")
	h.Set("Retry-After", strconv.Itoa(p.PollAfter)) // seconds: some clients stumble over a date
	w.WriteHeader(http.StatusAccepted)
	w.Write(text) // a caller that is gone asks again, and gets the same
	return nil
}

// Source returns the address that the request's connection comes from; the zero
// Addr if that is no network. A proxy in between cannot speak for its clients: it
// would have to be trusted like each of them.
func Source(r *http.Request) netip.Addr {
	addr, _ := netip.ParseAddrPort(r.RemoteAddr)
	return addr.Addr().Unmap()
}

// Sent returns when a request was made, by the clock of who made it: the Date that RFC 9110,
// Section 6.6.1 lets a client say. It is zero if the request says none, or nonsense.
func Sent(r *http.Request) time.Time {
	at, err := http.ParseTime(r.Header.Get("Date"))
	if err != nil {
		return time.Time{}
	}
	return at
}

func readAll(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	// A body that says its length is read in one allocation; one that lies, or
	// comes in chunks, is cut off at the same place.
	var buf bytes.Buffer
	if n := r.ContentLength; n > 0 && n <= MaxBody {
		buf.Grow(int(n) + bytes.MinRead)
	}
	_, err := buf.ReadFrom(http.MaxBytesReader(w, r.Body, MaxBody))
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return nil, &BadRequestError{http.StatusRequestEntityTooLarge, fmt.Sprintf("the request is larger than %d bytes", MaxBody)}
	}
	if err != nil {
		return nil, malformed("the body cannot be read to its end")
	}
	return buf.Bytes(), nil
}

// DecodeJSON decodes one JSON object into to. Unknown and repeated members,
// and anything after the object, are errors: a request that can be read in two
// ways is answered in none. The error is a [*BadRequestError].
func DecodeJSON(body []byte, to any) error {
	if name, ok := repeated(body); ok {
		return malformed(fmt.Sprintf("JSON: member %.40q appears twice", name))
	}
	if !bytes.HasPrefix(bytes.TrimLeft(body, " \t\r\n"), []byte("{")) {
		return malformed("JSON: not an object") // encoding/json takes null for any
	}
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.DisallowUnknownFields()
	if err := dec.Decode(to); err != nil {
		return malformed(jsonError(err))
	}
	if _, err := dec.Token(); err != io.EOF {
		return malformed("JSON: something follows the object")
	}
	return nil
}

// repeated names a member of the outermost object that appears twice;
// encoding/json takes the last one, and matches names without case.
func repeated(body []byte) (string, bool) {
	dec := json.NewDecoder(bytes.NewReader(body))
	if start, err := dec.Token(); err != nil || start != json.Delim('{') {
		return "", false // not an object, as the caller will find
	}
	seen := make(map[string]bool)
	for dec.More() {
		name, err := dec.Token()
		if err != nil {
			return "", false
		}
		key := strings.Map(foldRune, fmt.Sprint(name))
		if seen[key] {
			return key, true
		}
		seen[key] = true
		var skip json.RawMessage
		if dec.Decode(&skip) != nil {
			return "", false
		}
	}
	return "", false
}

// foldRune maps all runes that encoding/json takes for one another in a member's
// name to one of them: "since" may also be spelt with a long s.
func foldRune(r rune) rune {
	for {
		next := unicode.SimpleFold(r)
		if next <= r {
			return next
		}
		r = next
	}
}

// jsonError says what is wrong in words that repeat nothing of the body but the
// names of its members.
func jsonError(err error) string {
	if e, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return fmt.Sprintf("JSON: %q cannot be a %s", e.Field, e.Value)
	}
	if e, ok := errors.AsType[*json.SyntaxError](err); ok {
		return fmt.Sprintf("JSON: malformed at byte %d", e.Offset)
	}
	if name, ok := strings.CutPrefix(err.Error(), "json: unknown field "); ok {
		return fmt.Sprintf("JSON: unknown member %.40s", name)
	}
	return "JSON: malformed"
}

func malformed(detail string) error {
	return &BadRequestError{http.StatusBadRequest, detail}
}
