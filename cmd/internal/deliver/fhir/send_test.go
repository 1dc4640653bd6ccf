package fhir_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/cmd/internal/deliver"
	"github.com/betonica/betonica/cmd/internal/deliver/fhir"
	"github.com/betonica/betonica/cmd/internal/deliver/wire"
	"github.com/betonica/betonica/cmd/internal/deliver/wire/wiretest"
	"github.com/betonica/betonica/store/audit"
	"github.com/betonica/betonica/store/audit/atna"
)

func records(from, to int64) (batch []deliver.Record, ids []string) {
	for seq := from; seq <= to; seq++ {
		r := deliver.Record{
			Entry: audit.Entry{Seq: seq, At: time.Unix(1763761922, 0), Event: audit.Event{
				Action: "certificate.issue", Actor: "device/a", Subject: "device/a", Outcome: "ok", Detail: map[string]any{"serial": "ab"},
			}},
			Source: atna.Source{ID: "spiffe://hospital.example/ca", Origin: "hospital.example/log"},
		}
		batch, ids = append(batch, r), append(ids, r.Message().ID())
	}
	return batch, ids
}

func sink(t testing.TB, h http.Handler, conf fhir.Config) *fhir.Sink {
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	conf.URL = s.URL + "/fhir"
	k, err := fhir.New(conf)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, k.Close()) })
	return k
}

// Records are created in order, as valid AuditEvents, in a Bundle or one by one; a repeat
// creates nothing.
func TestSend(t *testing.T) {
	for name, conf := range map[string]fhir.Config{"bundles": {}, "one by one": {Single: true}} {
		t.Run(name, func(t *testing.T) {
			s := newServer(t)
			k := sink(t, s, conf)
			batch, ids := records(1, 20)
			for range 2 {
				n, err := k.Send(t.Context(), batch)
				require.NoError(t, err)
				require.Equal(t, 20, n)
				require.Equal(t, ids, s.events)
			}
			if conf.Single {
				require.Equal(t, 40, s.asked)
			} else {
				require.Equal(t, 2, s.asked)
			}
		})
	}
	s := newServer(t)
	s.plain = true
	batch, ids := records(1, 2)
	n, err := sink(t, s, fhir.Config{Unconditional: true}).Send(t.Context(), batch)
	require.NoError(t, err)
	require.Equal(t, 2, n)
	require.Equal(t, ids, s.events)
}

// A batch that is too long for one Bundle is several.
func TestLong(t *testing.T) {
	s := newServer(t)
	batch, ids := records(1, 80)
	for i := range batch {
		batch[i].Entry.Detail = map[string]any{"a": string(make([]byte, 10_000)), "b": string(make([]byte, 10_000))}
	}
	n, err := sink(t, s, fhir.Config{}).Send(t.Context(), batch)
	require.NoError(t, err)
	require.Equal(t, 80, n)
	require.Equal(t, ids, s.events)
	require.Greater(t, s.asked, 1)
}

// What is refused is found, in a Bundle and where the Bundle itself is refused; those
// before it were taken.
func TestRefused(t *testing.T) {
	for name, set := range map[string]func(*server){
		"an entry":    func(*server) {},
		"the Bundle":  func(s *server) { s.noBundles = http.StatusBadRequest },
		"the Bundle?": func(s *server) { s.noBundles = http.StatusUnprocessableEntity },
	} {
		s := newServer(t)
		set(s)
		k := sink(t, s, fhir.Config{})
		batch, ids := records(1, 10)
		s.refuse[ids[6]] = true
		n, err := k.Send(t.Context(), batch)
		require.ErrorAs(t, err, new(*deliver.RefusedError), name)
		require.Equal(t, 6, n, name)
		n, err = k.Send(t.Context(), batch[6:])
		require.ErrorAs(t, err, new(*deliver.RefusedError), name)
		require.Zero(t, n)
		n, err = k.Send(t.Context(), batch[7:])
		require.NoError(t, err)
		require.Equal(t, 3, n)
		require.ElementsMatch(t, append(ids[:6:6], ids[7:]...), s.events, name)
	}
}

// Nonsense is the server's trouble, and takes nothing.
func TestNonsense(t *testing.T) {
	batch, _ := records(1, 2)
	for name, h := range map[string]http.HandlerFunc{
		"503":     func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(503) },
		"404":     func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(404) },
		"created": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(201) },
		"HTML":    func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "<html>login</html>") },
		"other": func(w http.ResponseWriter, _ *http.Request) {
			io.WriteString(w, `{"resourceType":"OperationOutcome"}`)
		},
		"too few": func(w http.ResponseWriter, _ *http.Request) {
			io.WriteString(w, `{"resourceType":"Bundle","type":"batch-response","entry":[{"response":{"status":"201"}}]}`)
		},
		"no status": func(w http.ResponseWriter, _ *http.Request) {
			io.WriteString(w, `{"resourceType":"Bundle","type":"batch-response","entry":[{},{}]}`)
		},
		"huge": func(w http.ResponseWriter, _ *http.Request) { w.Write(make([]byte, 2<<20)) },
		"busy": func(w http.ResponseWriter, _ *http.Request) {
			io.WriteString(w, `{"resourceType":"Bundle","type":"batch-response","entry":[{"response":{"status":"503"}},{"response":{"status":"201"}}]}`)
		},
	} {
		n, err := sink(t, h, fhir.Config{}).Send(t.Context(), batch)
		require.Error(t, err, name)
		require.NotErrorAs(t, err, new(*deliver.RefusedError), name)
		require.Zero(t, n, name)
	}
}

// A server that wants to know who creates sees our certificate, and a token.
func TestMutualTLS(t *testing.T) {
	ca := wiretest.New(t)
	inner := newServer(t)
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		require.Equal(t, "betonica", r.TLS.PeerCertificates[0].Subject.CommonName)
		inner.ServeHTTP(w, r)
	}))
	s.TLS = ca.Server(ca.Issue("127.0.0.1"), true)
	s.StartTLS()
	defer s.Close()
	ours := ca.Issue("betonica")
	k, err := fhir.New(fhir.Config{URL: s.URL + "/fhir", TLS: wire.TLS{CAFile: ca.CAFile, CertFile: ours.CertFile, KeyFile: ours.KeyFile}})
	require.NoError(t, err)
	defer k.Close()
	batch, ids := records(1, 3)
	_, err = k.Send(t.Context(), batch)
	require.NoError(t, err)
	require.Equal(t, ids, inner.events)
	nobody, err := fhir.New(fhir.Config{URL: s.URL + "/fhir", TLS: wire.TLS{CAFile: ca.CAFile}})
	require.NoError(t, err)
	defer nobody.Close()
	n, err := nobody.Send(t.Context(), batch)
	require.Error(t, err)
	require.Zero(t, n)
}
