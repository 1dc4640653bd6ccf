package bundle_test

import (
	"bytes"
	"crypto/x509"
	"encoding/base64"
	"io"
	"net/http"
	"net/http/httptest"
	"path"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/enroll/enrolltest"
	"github.com/betonica/betonica/revoke/revoketest"
)

// front serves what w does, but for the paths that instead answers.
func front(t *testing.T, w *revoketest.World, instead map[string]http.HandlerFunc) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if answer := instead[path.Base(r.URL.Path)]; answer != nil {
			answer(rw, r)
			return
		}
		w.Handler().ServeHTTP(rw, r)
	}))
	t.Cleanup(func() { server.CloseClientConnections(); server.Close() })
	return server.URL
}

// Where something on the way lets no stream through, the file follows by polls.
func TestNoStream(t *testing.T) {
	w := revoketest.New(t, enrolltest.New(t))
	var polls atomic.Int64
	url := front(t, w, map[string]http.HandlerFunc{
		"stream": func(rw http.ResponseWriter, _ *http.Request) { http.Error(rw, "no", http.StatusNotImplemented) },
		"poll":   func(rw http.ResponseWriter, r *http.Request) { polls.Add(1); w.Handler().ServeHTTP(rw, r) },
	})
	m := newMachine(t)
	m.keep(w, url)
	eventually(t, func() bool { return m.changes.Load() == 1 && polls.Load() > 0 }, "the first file")
	cert, _ := w.Enrol("device/a")
	fall(t, w, "device/a")
	eventually(t, func() bool { return m.names(w, cert) }, "by polls")
	require.NotContains(t, m.log.String(), "level=WARN")
}

// A delta that is too long for an event, which then points to it, is fetched.
func TestPointer(t *testing.T) {
	w := revoketest.New(t, enrolltest.New(t))
	delta := w.URL + "/crl/" + w.Authority.IssuerID() + "/delta.crl"
	said := make(chan string)
	m := newMachine(t)
	m.keep(w, front(t, w, map[string]http.HandlerFunc{"stream": pushing(said)}))
	eventually(t, func() bool { return m.changes.Load() == 1 }, "the first file")
	for _, name := range []string{"device/a", "device/b"} {
		cert, _ := w.Enrol(name)
		fall(t, w, name)
		eventually(t, func() bool { return revokes(t, fetch(t, delta), cert) }, "a delta")
		say(t, said, "event: pointer\ndata: {}\n\n")
		eventually(t, func() bool { return m.names(w, cert) }, name)
	}
	require.NotContains(t, m.log.String(), "level=WARN")
}

// revokes says whether a list names the certificate.
func revokes(t *testing.T, list []byte, cert *x509.Certificate) bool {
	parsed, err := x509.ParseRevocationList(list)
	require.NoError(t, err)
	return slices.ContainsFunc(parsed.RevokedCertificateEntries, func(e x509.RevocationListEntry) bool {
		return e.SerialNumber.Cmp(cert.SerialNumber) == 0
	})
}

// A delta whose signature is wrong, but which says nothing new, is passed over, and the
// stream goes on: nothing follows from it. One that does say something is not believed.
func TestForged(t *testing.T) {
	w := revoketest.New(t, enrolltest.New(t))
	delta := w.URL + "/crl/" + w.Authority.IssuerID() + "/delta.crl"
	empty, old := fetch(t, delta), fetch(t, w.URL+"/chain.crl.pem")
	w.Enrol("device/a")
	fall(t, w, "device/a")
	eventually(t, func() bool { return !bytes.Equal(fetch(t, delta), empty) }, "a delta")
	named := fetch(t, delta)
	said := make(chan string)
	var fetched atomic.Int64
	m := newMachine(t)
	m.keep(w, front(t, w, map[string]http.HandlerFunc{
		"stream":        pushing(said),
		"chain.crl.pem": func(rw http.ResponseWriter, _ *http.Request) { fetched.Add(1); rw.Write(old) },
	}))
	push := func(der []byte) {
		say(t, said, "event: delta\ndata: "+base64.StdEncoding.EncodeToString(der)+"\n\n")
	}
	for _, der := range [][]byte{empty, flipped(empty), flipped(empty), named} {
		push(der)
	}
	eventually(t, func() bool { return fetched.Load() > 1 }, "a list that names somebody is looked for")
	require.NotContains(t, m.log.String(), "signature")
	push(named)
	push(flipped(empty))
	eventually(t, func() bool { return contains(&m.log, "signature") }, "it is told")
}

// pushing answers with a stream of what is said.
func pushing(said <-chan string) http.HandlerFunc {
	return func(rw http.ResponseWriter, r *http.Request) {
		out := http.NewResponseController(rw)
		for out.Flush() == nil {
			select {
			case text := <-said:
				io.WriteString(rw, text)
			case <-r.Context().Done():
				return
			}
		}
	}
}

// say says something to who listens to a stream.
func say(t *testing.T, said chan<- string, text string) {
	t.Helper()
	select {
	case said <- text:
	case <-time.After(30 * time.Second):
		require.Fail(t, "nobody listens")
	}
}
