package revoke_test

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/enroll/enrolltest"
	"github.com/betonica/betonica/revoke/ocsp"
)

// ask asks about a serial number of an issuer, and verifies the answer as a
// relying party does.
func (w *world) ask(issuer *x509.Certificate, serial []byte, nonce []byte) (ocsp.SingleResponse, *http.Response) {
	w.t.Helper()
	i, err := ocsp.NewIssuer(issuer)
	require.NoError(w.t, err)
	req, err := i.NewRequest(serial, nonce)
	require.NoError(w.t, err)
	body, resp := w.post(req.Marshal())
	answers, err := i.Verify(body, req, time.Now())
	require.NoError(w.t, err)
	return answers[0], resp
}

func (w *world) post(der []byte) ([]byte, *http.Response) {
	w.t.Helper()
	resp, err := http.Post(w.URL+"/ocsp", ocsp.RequestType, bytes.NewReader(der))
	require.NoError(w.t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(w.t, err)
	return body, resp
}

func nonce() []byte {
	n := make([]byte, 32)
	rand.Read(n)
	return n
}

// Good, revoked, and never issued; by the intermediate's responder for leaves and
// by the root's for the intermediate; with a nonce and without.
func TestAnswer(t *testing.T) {
	w := newWorld(t, enrolltest.New(t))
	cert, _ := w.enrol("pump-1")
	gone, _ := w.enrol("pump-2")
	_, err := w.Revoker.Identity(t.Context(), root, "device/pump-2", orders)
	require.NoError(t, err)
	for _, n := range [][]byte{nil, nonce()} {
		for _, tt := range []struct {
			name   string
			issuer *x509.Certificate
			serial []byte
			want   ocsp.Status
		}{
			{"good", w.issuing, cert.SerialNumber.Bytes(), ocsp.Good},
			{"revoked", w.issuing, gone.SerialNumber.Bytes(), ocsp.Revoked},
			{"never issued", w.issuing, bytes.Repeat([]byte{7}, 16), ocsp.NeverIssued},
			{"never issued, of another length", w.issuing, []byte{7}, ocsp.NeverIssued},
			{"intermediate", w.root, w.issuing.SerialNumber.Bytes(), ocsp.Good},
			{"never issued by the root", w.root, bytes.Repeat([]byte{7}, 16), ocsp.NeverIssued},
		} {
			t.Run(tt.name, func(t *testing.T) {
				single, _ := w.ask(tt.issuer, tt.serial, n)
				require.Equal(t, tt.want, single.Status)
			})
		}
	}
}

// A revocation is in the next answer, once the call that made it has returned:
// the cached "good" is gone, and no racing miss brings it back.
func TestAnswerAfterRevocation(t *testing.T) {
	w := newWorld(t, enrolltest.New(t))
	for i := range 20 {
		name := "pump-" + string(rune('a'+i))
		cert, _ := w.enrol(name)
		i, err := ocsp.NewIssuer(w.issuing)
		require.NoError(t, err)
		req, err := i.NewRequest(cert.SerialNumber.Bytes(), nil)
		require.NoError(t, err)
		der := req.Marshal()
		stop := make(chan struct{})
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				for {
					select {
					case <-stop:
						return
					default:
						w.Responder.ServeHTTP(nowhere{http.Header{}}, ocspRequest(der))
					}
				}
			})
		}
		single, _ := w.ask(w.issuing, cert.SerialNumber.Bytes(), nil)
		require.Equal(t, ocsp.Good, single.Status)
		_, err = w.Revoker.Identity(t.Context(), root, "device/"+name, orders)
		require.NoError(t, err)
		for range 10 {
			single, _ = w.ask(w.issuing, cert.SerialNumber.Bytes(), nil)
			require.Equal(t, ocsp.Revoked, single.Status)
		}
		close(stop)
		wg.Wait()
	}
}

// nowhere is a ResponseWriter that nobody reads.
type nowhere struct{ header http.Header }

func (n nowhere) Header() http.Header         { return n.header }
func (n nowhere) Write(b []byte) (int, error) { return len(b), nil }
func (n nowhere) WriteHeader(int)             {}

func ocspRequest(der []byte) *http.Request {
	r, err := http.NewRequest(http.MethodPost, "http://ca/ocsp", bytes.NewReader(der))
	if err != nil {
		panic(err)
	}
	return r
}

// The same question gets the same signed bytes until their time is over; another
// nonce never does. What caches read agrees with what is signed.
func TestAnswerCaching(t *testing.T) {
	w := newWorld(t, enrolltest.New(t))
	cert, _ := w.enrol("pump-1")
	i, err := ocsp.NewIssuer(w.issuing)
	require.NoError(t, err)
	req, err := i.NewRequest(cert.SerialNumber.Bytes(), nil)
	require.NoError(t, err)
	first, resp := w.post(req.Marshal())
	second, _ := w.post(req.Marshal())
	require.Equal(t, first, second)
	require.Equal(t, ocsp.ResponseType, resp.Header.Get("Content-Type"))
	require.Regexp(t, `^max-age=\d+, public, no-transform, must-revalidate$`, resp.Header.Get("Cache-Control"))
	answers, err := i.Verify(first, req, time.Now())
	require.NoError(t, err)
	require.Equal(t, answers[0].NextUpdate.UTC().Format(http.TimeFormat), resp.Header.Get("Expires"))
	require.Equal(t, answers[0].ThisUpdate.UTC().Format(http.TimeFormat), resp.Header.Get("Last-Modified"))

	fresh, err := i.NewRequest(cert.SerialNumber.Bytes(), nonce())
	require.NoError(t, err)
	live, resp := w.post(fresh.Marshal())
	require.NotEqual(t, first, live)
	require.NotContains(t, resp.Header.Get("Cache-Control"), "no-store") // for what is signed
}

// GET takes the base64 however the client wrote it: escaped or raw, with "//" in
// it, with or without padding.
func TestAnswerGET(t *testing.T) {
	w := newWorld(t, enrolltest.New(t))
	i, err := ocsp.NewIssuer(w.issuing)
	require.NoError(t, err)
	seen := false
	for range 200_000 { // one of some 700 has both
		serial := make([]byte, 16)
		rand.Read(serial)
		serial[0] |= 1
		id, err := i.CertID(crypto.SHA1, serial)
		require.NoError(t, err)
		req := &ocsp.Request{IDs: []ocsp.CertID{id}}
		text := base64.StdEncoding.EncodeToString(req.Marshal())
		if !strings.Contains(text, "//") || !strings.Contains(text, "+") {
			continue
		}
		seen = true
		for _, path := range []string{text, url.PathEscape(text), url.QueryEscape(text), strings.TrimRight(text, "=")} {
			resp, err := http.Get(w.URL + "/ocsp/" + path)
			require.NoError(t, err)
			body, err := io.ReadAll(resp.Body)
			resp.Body.Close()
			require.NoError(t, err)
			answers, err := i.Verify(body, req, time.Now())
			require.NoError(t, err, path)
			require.Equal(t, ocsp.NeverIssued, answers[0].Status)
		}
		break
	}
	require.True(t, seen)
}

// Garbage, too much, too many and foreign questions get the protocol's own five
// bytes, and nothing about us.
func TestAnswerBadInput(t *testing.T) {
	w := newWorld(t, enrolltest.New(t))
	other := newWorld(t, enrolltest.New(t))
	i, err := ocsp.NewIssuer(w.issuing)
	require.NoError(t, err)
	req, err := i.NewRequest(bytes.Repeat([]byte{7}, 16), nil)
	require.NoError(t, err)
	good := req.Marshal()
	foreigner, err := ocsp.NewIssuer(other.issuing)
	require.NoError(t, err)
	foreign, err := foreigner.NewRequest(bytes.Repeat([]byte{7}, 16), nil)
	require.NoError(t, err)
	many := &ocsp.Request{}
	for range 65 {
		many.IDs = append(many.IDs, req.IDs[0])
	}
	for _, tt := range []struct {
		name   string
		der    []byte
		code   int
		status ocsp.ErrorStatus
	}{
		{"empty", nil, 200, ocsp.Malformed},
		{"garbage", []byte("GET me out"), 200, ocsp.Malformed},
		{"truncated", good[:len(good)-1], 200, ocsp.Malformed},
		{"bytes after", append(bytes.Clone(good), 0), 200, ocsp.Malformed},
		{"no request", []byte{0x30, 4, 0x30, 2, 0x30, 0}, 200, ocsp.Malformed},
		{"too many", many.Marshal(), 200, ocsp.Malformed},
		{"too long", make([]byte, ocsp.MaxRequest+1), 413, ocsp.Malformed},
		{"foreign issuer", foreign.Marshal(), 200, ocsp.Unauthorized},
	} {
		t.Run(tt.name, func(t *testing.T) {
			body, resp := w.post(tt.der)
			require.Equal(t, tt.code, resp.StatusCode)
			require.Equal(t, tt.status.Response(), body)
			require.Equal(t, "no-store", resp.Header.Get("Cache-Control"))
		})
	}
	put, _ := http.NewRequest(http.MethodPut, w.URL+"/ocsp", nil)
	resp, err := http.DefaultClient.Do(put)
	require.NoError(t, err)
	resp.Body.Close()
	require.Equal(t, http.StatusMethodNotAllowed, resp.StatusCode)
}

// A store that does not answer makes nobody good: the answer is "try later".
func TestAnswerWithoutStore(t *testing.T) {
	w := newWorld(t, enrolltest.New(t))
	cert, _ := w.enrol("pump-1")
	i, err := ocsp.NewIssuer(w.issuing)
	require.NoError(t, err)
	req, err := i.NewRequest(cert.SerialNumber.Bytes(), nil)
	require.NoError(t, err)
	require.NoError(t, w.Store.Close())
	body, _ := w.post(req.Marshal())
	require.Equal(t, ocsp.TryLater.Response(), body)
}

// Of a certificate that has left the records nothing is said, as of one that is not
// ours: not that it is good, nor that it never was. But one that was revoked stays so.
func meetPurged(t *testing.T, _ *clauses) {
	w := newWorld(t, enrolltest.New(t))
	cert, _ := w.enrol("pump-1")
	gone, _ := w.enrol("pump-2")
	_, err := w.Revoker.Identity(t.Context(), root, "device/pump-2", orders)
	require.NoError(t, err)
	require.NoError(t, w.Store.Purge(t.Context(), time.Now().AddDate(0, 0, 120)))
	young, _ := w.enrol("pump-3")

	issuer, err := ocsp.NewIssuer(w.issuing)
	require.NoError(t, err)
	for _, n := range [][]byte{nil, nonce()} {
		req, err := issuer.NewRequest(cert.SerialNumber.Bytes(), n)
		require.NoError(t, err)
		body, _ := w.post(req.Marshal())
		require.Equal(t, ocsp.Unauthorized.Response(), body)
		for serial, want := range map[string]ocsp.Status{
			string(gone.SerialNumber.Bytes()):              ocsp.Revoked,
			string(young.SerialNumber.Bytes()):             ocsp.Good,
			string(bytes.Repeat([]byte{7}, 16)):            ocsp.NeverIssued,
			string(append([]byte{7}, make([]byte, 15)...)): ocsp.NeverIssued,
		} {
			single, _ := w.ask(w.issuing, []byte(serial), n)
			require.Equal(t, want, single.Status)
		}
	}
}
