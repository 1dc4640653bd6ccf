package revoke_test

import (
	"bufio"
	"crypto/x509"
	"encoding/base64"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/enroll/enrolltest"
	"github.com/betonica/betonica/revoke"
	"github.com/betonica/betonica/revoke/crl"
	"github.com/betonica/betonica/store"
)

func (w *world) open(d *revoke.Document) *crl.List {
	w.t.Helper()
	list, err := crl.Open(d.DER, w.issuing)
	require.NoError(w.t, err)
	return list
}

func has(list *crl.List, cert *x509.Certificate) bool {
	serial, err := crl.SerialOf(cert.SerialNumber.Bytes())
	if err != nil {
		panic(err)
	}
	_, revoked := list.Entries().Lookup(serial)
	return revoked
}

// A revocation is in the delta under the number that its transaction took, and
// soon in a full list with a greater one; numbers only rise, over a restart too.
func TestPublish(t *testing.T) {
	w := newWorld(t, enrolltest.New(t))
	cert, _ := w.enrol("pump-1")
	first := w.Publisher.Delta().Number
	require.Greater(t, first, w.Publisher.Full().Number)
	require.False(t, has(w.open(w.Publisher.Full()), cert))

	fell, err := w.Revoker.Identity(t.Context(), root, "device/pump-1", orders)
	require.NoError(t, err)
	eventually(t, func() bool { return w.Publisher.Delta().Number >= fell.Number }, "a delta")
	delta := w.open(w.Publisher.Delta())
	require.Equal(t, fell.Number, delta.Number(), "the revocation's own number")
	require.True(t, delta.IsDelta())
	require.True(t, has(delta, cert))
	require.Greater(t, fell.Number, first)
	eventually(t, func() bool { return w.Publisher.Full().Number > fell.Number }, "a full list")
	require.True(t, has(w.open(w.Publisher.Full()), cert))

	// What another daemon on the same store signs goes on from there.
	next := newWorld(t, w.CA)
	require.Greater(t, next.Publisher.Delta().Number, max(w.Publisher.Full().Number, w.Publisher.Delta().Number))
	require.True(t, has(next.open(next.Publisher.Full()), cert))
}

// A delta says everything since its base, so that a peer which missed some needs
// only the newest.
func TestDeltaIsCumulative(t *testing.T) {
	w := newWorld(t, enrolltest.New(t))
	base := w.open(w.Publisher.Full())
	var certs []*x509.Certificate
	for i := range 5 {
		cert, _ := w.enrol("pump-" + strconv.Itoa(i))
		certs = append(certs, cert)
		_, err := w.Revoker.Identity(t.Context(), root, "device/pump-"+strconv.Itoa(i), orders)
		require.NoError(t, err)
	}
	eventually(t, func() bool { return w.open(w.Publisher.Delta()).Entries().Len() == len(certs) }, "all five")
	delta := w.open(w.Publisher.Delta())
	require.LessOrEqual(t, delta.Base(), base.Number())
	state, err := crl.NewState(base, time.Now())
	require.NoError(t, err)
	_, err = state.Accept(delta, time.Now())
	require.NoError(t, err)
}

// The lists are served as caches and vanilla peers expect: the media type, strong
// ETag, Last-Modified, 304, HEAD, and a max-age that never outlives nextUpdate.
func TestServe(t *testing.T) {
	w := newWorld(t, enrolltest.New(t))
	for _, path := range []string{
		"/crl/" + w.Authority.IssuerID() + "/full.crl", "/crl/" + w.Authority.IssuerID() + "/delta.crl",
		"/crl/" + w.Authority.RootID() + "/full.crl", "/chain.crl.pem",
	} {
		resp, err := http.Get(w.URL + path)
		require.NoError(t, err)
		body, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		require.Equal(t, http.StatusOK, resp.StatusCode)
		require.Equal(t, int64(len(body)), resp.ContentLength)
		require.Regexp(t, `^"[^"]+"$`, resp.Header.Get("ETag"))
		require.NotEmpty(t, resp.Header.Get("Last-Modified"))
		require.Regexp(t, `^public, max-age=\d+$`, resp.Header.Get("Cache-Control"))

		req, _ := http.NewRequest(http.MethodGet, w.URL+path, nil)
		req.Header.Set("If-None-Match", resp.Header.Get("ETag"))
		again, err := http.DefaultClient.Do(req)
		require.NoError(t, err)
		again.Body.Close()
		require.Equal(t, http.StatusNotModified, again.StatusCode)

		head, err := http.Head(w.URL + path)
		require.NoError(t, err)
		head.Body.Close()
		require.Equal(t, resp.ContentLength, head.ContentLength)
		post, err := http.Post(w.URL+path, "text/plain", nil)
		require.NoError(t, err)
		post.Body.Close()
		require.Equal(t, http.StatusMethodNotAllowed, post.StatusCode)
	}
}

// subscribe reads events off the stream until the test ends.
func (w *world) subscribe(lastID string) <-chan [3]string {
	w.t.Helper()
	req, err := http.NewRequestWithContext(w.t.Context(), http.MethodGet, w.lists+"/stream", nil)
	require.NoError(w.t, err)
	if lastID != "" {
		req.Header.Set("Last-Event-ID", lastID)
	}
	resp, err := http.DefaultClient.Do(req)
	require.NoError(w.t, err)
	require.Equal(w.t, "text/event-stream", resp.Header.Get("Content-Type"))
	events := make(chan [3]string, 100)
	go func() {
		defer resp.Body.Close()
		lines := bufio.NewScanner(resp.Body)
		lines.Buffer(nil, 1<<20)
		var e [3]string
		for lines.Scan() {
			field, value, _ := strings.Cut(lines.Text(), ": ")
			switch field {
			case "id":
				e[0] = value
			case "event":
				e[1] = value
			case "data":
				e[2] = value
			case "":
				events <- e
			}
		}
	}()
	return events
}

func next(t *testing.T, events <-chan [3]string) [3]string {
	t.Helper()
	select {
	case e := <-events:
		return e
	case <-time.After(10 * time.Second):
		require.FailNow(t, "no event")
		return [3]string{}
	}
}

// A subscriber gets the newest delta at once, then each new one; who comes back
// with the newest number gets nothing until there is news.
func TestStream(t *testing.T) {
	w := newWorld(t, enrolltest.New(t))
	cert, _ := w.enrol("pump-1")
	events := w.subscribe("")
	first := next(t, events)
	require.Equal(t, "delta", first[1])

	back := w.subscribe(first[0])
	fell, err := w.Revoker.Identity(t.Context(), root, "device/pump-1", orders)
	require.NoError(t, err)
	for _, s := range []<-chan [3]string{events, back} {
		e := next(t, s)
		for e[0] != strconv.FormatInt(fell.Number, 10) { // the first delta of Run may come between
			e = next(t, s)
		}
		der, err := base64.StdEncoding.DecodeString(e[2])
		require.NoError(t, err)
		list, err := crl.Open(der, w.issuing)
		require.NoError(t, err)
		require.True(t, has(list, cert))
	}
}

// Without news a delta is signed every heartbeat, with a number of its own.
func TestHeartbeat(t *testing.T) {
	w := newWorld(t, enrolltest.New(t), func(p *revoke.PublisherConfig, _ *revoke.ResponderConfig) { p.Heartbeat = 20 * time.Millisecond })
	events := w.subscribe("")
	last := int64(0)
	for range 5 {
		number, err := strconv.ParseInt(next(t, events)[0], 10, 64)
		require.NoError(t, err)
		require.Greater(t, number, last)
		last = number
	}
}

// A full list that someone wrote into the database, or renumbered there, is not
// served after a restart, and no delta builds on it: a base too high would leave
// revocations out.
func TestTamperedFull(t *testing.T) {
	c := enrolltest.New(t)
	w := newWorld(t, c)
	cert, _ := w.enrol("pump-1")
	kept := w.Publisher.Full()
	_, err := w.Revoker.Identity(t.Context(), root, "device/pump-1", orders)
	require.NoError(t, err)
	eventually(t, func() bool { return has(w.open(w.Publisher.Full()), cert) }, "a full list")
	w.Stop()
	for name, der := range map[string][]byte{"renumbered": kept.DER, "garbage": []byte("garbage")} {
		number, err := c.Store.ReserveCRLNumbers(t.Context(), 1)
		require.NoError(t, err)
		now := time.Now()
		require.NoError(t, c.Store.SaveCRL(t.Context(), store.CRL{
			Issuer: c.Authority.IssuerID(), Kind: "full", Number: number, ThisUpdate: now, NextUpdate: now.Add(time.Hour), DER: der,
		}))
		again := newWorld(t, c)
		full := again.open(again.Publisher.Full()) // verifies it
		require.Equal(t, again.Publisher.Full().Number, full.Number(), name)
		require.True(t, has(full, cert) || has(again.open(again.Publisher.Delta()), cert), name)
		again.Stop()
	}
}

// A delta that is too long for the stream is announced by its hash instead, and
// gets a newer base.
func TestPointer(t *testing.T) {
	w := newWorld(t, enrolltest.New(t), func(p *revoke.PublisherConfig, _ *revoke.ResponderConfig) { p.LimitEvents(1 << 10) })
	const many = 40
	w.crowd("crowd", many)
	events := w.subscribe("")
	next(t, events)
	_, err := w.Revoker.Identity(t.Context(), root, "device/crowd", orders)
	require.NoError(t, err)
	for next(t, events)[1] != "pointer" {
	}
	base := w.Publisher.Delta().Base
	eventually(t, func() bool { return w.Publisher.Delta().Base > base }, "a newer base")
	for next(t, events)[1] != "delta" {
	}
	require.Equal(t, many, w.open(w.Publisher.Full()).Entries().Len())
}
