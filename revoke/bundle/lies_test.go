package bundle_test

import (
	"bytes"
	"encoding/pem"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/enroll/enrolltest"
	"github.com/betonica/betonica/revoke/bundle"
	"github.com/betonica/betonica/revoke/revoketest"
)

// A liar serves whatever bundle it is given, and no deltas.
type liar struct {
	*httptest.Server
	text  atomic.Pointer[[]byte]
	asked atomic.Int64
}

func newLiar(t *testing.T, first []byte) *liar {
	l := new(liar)
	l.text.Store(&first)
	l.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/chain.crl.pem" {
			http.NotFound(w, r)
			return
		}
		text := *l.text.Load()
		l.asked.Add(1)
		w.Write(text)
	}))
	t.Cleanup(l.Close)
	return l
}

// say serves text, and returns once m has fetched it and looked at it.
func (l *liar) say(m *machine, text []byte) {
	m.t.Helper()
	l.text.Store(&text)
	from := l.asked.Load()
	eventually(m.t, func() bool { m.keeper.Poke(); return l.asked.Load() >= from+3 }, "it is fetched")
}

func fetch(t *testing.T, url string) []byte {
	t.Helper()
	resp, err := http.Get(url)
	require.NoError(t, err)
	defer resp.Body.Close()
	require.Equal(t, http.StatusOK, resp.StatusCode)
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return body
}

// inPEM returns lists in PEM.
func inPEM(lists ...[]byte) (text []byte) {
	for _, der := range lists {
		text = append(text, pem.EncodeToMemory(&pem.Block{Type: "X509 CRL", Bytes: der})...)
	}
	return text
}

// flipped returns der with one bit of the signature wrong.
func flipped(der []byte) []byte {
	der = bytes.Clone(der)
	der[len(der)-1] ^= 1
	return der
}

// Nothing that an issuer of the machine's did not sign is ever written, nothing
// older over what is there, and no file that lacks a CA of the machine's chain.
func TestLies(t *testing.T) {
	w, other := revoketest.New(t, enrolltest.New(t)), revoketest.New(t, enrolltest.New(t))
	lists := w.URL + "/crl/" + w.Authority.IssuerID()
	root := fetch(t, w.URL+"/crl/"+w.Authority.RootID()+"/full.crl")
	old := fetch(t, lists+"/full.crl")
	cert, _ := w.Enrol("device/a")
	fall(t, w, "device/a")
	eventually(t, func() bool { return !bytes.Equal(fetch(t, lists+"/full.crl"), old) }, "a newer list")
	newest, delta := fetch(t, lists+"/full.crl"), fetch(t, lists+"/delta.crl")
	w.Enrol("device/b")
	fall(t, w, "device/b")
	eventually(t, func() bool { return !bytes.Equal(fetch(t, lists+"/delta.crl"), delta) }, "a delta to the newest list")
	delta = fetch(t, lists+"/delta.crl")
	foreign := fetch(t, other.URL+"/chain.crl.pem")

	lies := map[string][]byte{
		"an older list":         inPEM(old, root),
		"another CA's":          foreign,
		"signature wrong":       inPEM(flipped(newest), flipped(root)),
		"a delta":               inPEM(delta, root),
		"nothing":               nil,
		"no PEM":                []byte("<html>It works!</html>"),
		"PEM of something else": pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: newest}),
		"no DER":                inPEM([]byte("hello"), nil),
		"the root's only":       inPEM(root),
		"the intermediate's":    inPEM(newest),
	}
	for name, lie := range lies {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m, l := newMachine(t), newLiar(t, inPEM(newest, root))
			stop := m.keep(w, l.URL)
			eventually(t, func() bool { return m.changes.Load() == 1 }, "the true file")
			truth, err := os.ReadFile(m.path)
			require.NoError(t, err)
			l.say(m, lie)
			stop()
			m.keep(w, l.URL) // which has only the file to go by
			l.say(m, lie)
			after, err := os.ReadFile(m.path)
			require.NoError(t, err)
			require.Equal(t, truth, after)
			require.True(t, m.names(w, cert))
		})
		if name == "an older list" {
			continue // by itself it is a good one
		}
		t.Run(name+", first", func(t *testing.T) {
			t.Parallel()
			m, l := newMachine(t), newLiar(t, lie)
			m.keep(w, l.URL)
			l.say(m, lie)
			require.NoFileExists(t, m.path)
			require.Zero(t, m.changes.Load())
			require.Contains(t, m.log.String(), "level=WARN")
			l.say(m, inPEM(newest, root))
			require.True(t, m.names(w, cert))
		})
	}
}

// A list beside those of the chain is taken if the CA's server has the certificate
// of who signed it, and the machine's roots vouch for that; otherwise it stays out,
// and keeps no other one out.
func TestStranger(t *testing.T) {
	w, other := revoketest.New(t, enrolltest.New(t)), revoketest.New(t, enrolltest.New(t))
	m := newMachine(t)
	l := newLiar(t, append(fetch(t, other.URL+"/chain.crl.pem"), fetch(t, w.URL+"/chain.crl.pem")...))
	m.keep(w, l.URL)
	eventually(t, func() bool { return m.changes.Load() == 1 }, "the file")
	m.lists(w) // two, and no more
	require.Contains(t, m.log.String(), "no CA that the machine trusts")
}

// A list that is over is told of, once, and stays in the file.
func TestExpired(t *testing.T) {
	w := revoketest.New(t, enrolltest.New(t))
	m := newMachine(t)
	l := newLiar(t, fetch(t, w.URL+"/chain.crl.pem"))
	m.keep(w, l.URL, func(c *bundle.Config) { c.Now = func() time.Time { return time.Now().Add(25 * time.Hour) } })
	eventually(t, func() bool { return m.changes.Load() == 1 }, "the file")
	eventually(t, func() bool { return bytes.Contains([]byte(m.log.String()), []byte("has expired")) }, "it is told")
	l.say(m, *l.text.Load())
	require.Equal(t, 1, bytes.Count([]byte(m.log.String()), []byte("has expired")))
	m.lists(w)
}
