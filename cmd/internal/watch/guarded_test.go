package watch

import (
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/cmd/internal/archive"
	"github.com/betonica/betonica/cmd/internal/record"
	"github.com/betonica/betonica/enroll"
	"github.com/betonica/betonica/enroll/enrolltest"
	"github.com/betonica/betonica/revoke"
	"github.com/betonica/betonica/revoke/crl"
	"github.com/betonica/betonica/store"
	"github.com/betonica/betonica/store/alert"
	"github.com/betonica/betonica/store/audit/journal"
	"github.com/betonica/betonica/store/storetest"
)

// A gate is a guard's journal, and how much of it the CA has.
type gate struct {
	*ward
	path  string
	conf  journal.Config
	ends  journal.Ends
	waits []record.Record
	ahead time.Duration // of its clock
}

func (w *ward) gate(name string) *gate {
	g := &gate{ward: w, path: "service/" + name}
	key := enrolltest.NewKey(w.t)
	cert := w.enrolled(g.path, "10.1.0.1", enrolltest.CSR(w.t, key))
	pair := w.TLS(cert, key)
	g.conf = journal.Config{
		Dir: filepath.Join(w.t.TempDir(), "journal"), Identity: enrolltest.TrustDomain + "/" + g.path,
		Certificate: func() (*tls.Certificate, error) { return pair, nil }, Now: func() time.Time { return w.Now().Add(g.ahead) },
	}
	return g
}

// enrolled enrols a machine from an address.
func (w *ward) enrolled(path, from string, csr []byte) *x509.Certificate {
	w.t.Helper()
	role, name, _ := strings.Cut(path, "/")
	cert, err := w.Enroll(w.t.Context(), w.Token(enroll.TokenRequest{Role: role, Name: name}), netip.MustParseAddr(from), csr)
	require.NoError(w.t, err)
	return cert
}

// lets puts down that a machine was let through, as the guard's gates do.
func (g *gate) lets(path string, cert *x509.Certificate, from string, change ...func(*record.Record)) {
	now := g.conf.Now()
	r := record.Record{
		Begin: now, End: now, Since: now, Caller: "spiffe://" + enrolltest.TrustDomain + "/" + path, Serial: store.SerialOf(cert).String(), Address: from + ":40000",
		Guard: "spiffe://" + enrolltest.TrustDomain + "/" + g.path, Side: record.Server, Route: "fhir", Target: "127.0.0.1:80",
		Protocol: record.FHIR, Kind: record.Request, Operation: "PUT", Resource: "Observation", Outcome: record.Allowed, In: 200, Out: 100,
	}
	for _, f := range change {
		f(&r)
	}
	g.waits = append(g.waits, r)
}

// ships has the guard write down what it has, and the CA take its journal and read it.
func (g *gate) ships() {
	g.t.Helper()
	ctx := g.t.Context()
	g.minute() // the CA's time, before the guard tells its own
	j, err := journal.Open(g.conf)
	require.NoError(g.t, err)
	for _, r := range g.waits {
		require.NoError(g.t, j.Append(ctx, r.Event()))
	}
	g.waits = nil
	require.NoError(g.t, j.Close())
	j, err = journal.Open(g.conf)
	require.NoError(g.t, err)
	defer func() { require.NoError(g.t, j.Close()) }()
	for g.ends.Next <= j.Stats().Signed {
		b, err := j.Batch(ctx, g.ends)
		require.NoError(g.t, err)
		g.ends, err = archive.Receive(ctx, g.CA.Store, archive.Bounds{}, archive.Sender{Identity: g.path, Address: "10.1.0.1"}, b)
		require.NoError(g.t, err)
	}
	g.run()
}

// about returns the open alert of a rule; it is of the guard's journal, which it cites.
func (w *ward) about(rule, subject string) alert.Alert {
	w.t.Helper()
	all, err := w.OpenAlerts(w.t.Context())
	require.NoError(w.t, err)
	for _, a := range all {
		if a.Rule == rule && a.Subject == subject {
			require.NotEmpty(w.t, a.Entries, "%s of %s cites no entry", rule, subject)
			return a
		}
	}
	require.Fail(w.t, "no such alert is open", "%s of %s; open are %q", rule, subject, w.open())
	return alert.Alert{}
}

// What guards put on record, as they write, sign and ship it, is what the rules read: each
// finds in two months of a ward the one machine that was made for it.
func TestGuarded(t *testing.T) {
	const (
		home = "10.1.1.7"
		far  = "203.0.113.9"
		day  = 24 * time.Hour
	)
	w := newWard(t, storetest.SQLite(t))
	_, err := w.Policies.Set(t.Context(), enrolltest.Root, "policy.toml", []byte(enrolltest.Policy+"\n[role.service]\nlifetime = '90d'\n[role.pump]\nlifetime = '60d'\n"), enroll.AnyVersion)
	require.NoError(t, err)
	w.start()
	g := w.gate("gate-1")
	certs := map[string]*x509.Certificate{}
	machines := []string{"successor", "places", "void", "revoked", "network", "new-use", "early", "missed", "asleep", "load"}
	for _, name := range machines {
		certs[name] = w.enrolled("pump/"+name, home, enrolltest.CSR(t, enrolltest.NewKey(t)))
	}
	lets := func(name, from string, change ...func(*record.Record)) {
		g.lets("pump/"+name, certs[name], from, change...)
	}
	for i := range 32 { // what is normal
		for _, name := range machines {
			lets(name, home)
		}
		w.Advance(12 * time.Hour)
		if i%8 == 7 {
			g.ships()
		}
	}
	require.Empty(t, w.open())

	// A02: the old key from elsewhere, an hour after the new one was in use.
	h, err := w.Holder(t.Context(), certs["successor"], netip.MustParseAddr(home))
	require.NoError(t, err)
	next, err := w.Renew(t.Context(), h, enrolltest.CSR(t, enrolltest.NewKey(t)))
	require.NoError(t, err)
	g.lets("pump/successor", next, home)
	w.Advance(time.Hour)
	lets("successor", "10.1.1.99")
	// A03: here, there, and here again within seconds.
	lets("places", home)
	w.Advance(10 * time.Second)
	lets("places", far)
	w.Advance(10 * time.Second)
	lets("places", home)
	// A04 and A05: one revoked certificate is refused, and one let in three minutes late.
	revoker := &revoke.Revoker{Store: w.CA.Store, Log: slog.New(slog.DiscardHandler)}
	for _, name := range []string{"void", "revoked"} {
		_, err := revoker.Identity(t.Context(), revoke.By{Name: "uid:0", Root: true}, "pump/"+name, revoke.Order{Reason: crl.KeyCompromise})
		require.NoError(t, err)
	}
	w.Advance(3 * time.Minute)
	lets("revoked", home)
	lets("void", home, func(r *record.Record) {
		r.Kind, r.Operation, r.Resource, r.Outcome = record.Connection, "handshake", "", record.Refused
		r.Reason = "peer refused: " + r.Caller + ", certificate " + r.Serial + ": its certificate is revoked"
	})
	// A07: a certificate by the CA's key that is not on record.
	unknown := store.SerialOf(next).String()[:28] + "ffff"
	g.lets("pump/nobody", next, home, func(r *record.Record) { r.Serial = unknown })
	// B01, B02, B03, B05.
	lets("network", far)
	lets("new-use", home, func(r *record.Record) { r.Operation, r.Resource = "GET", "Patient" })
	h, err = w.Holder(t.Context(), certs["early"], netip.MustParseAddr(home))
	require.NoError(t, err)
	_, err = w.Renew(t.Context(), h, enrolltest.CSR(t, enrolltest.NewKey(t)))
	require.NoError(t, err)
	lets("load", home, func(r *record.Record) { r.Out = 90 << 20 })
	// F02: somebody without a certificate, again and again.
	for range 10 {
		g.lets("pump/nobody", next, far, func(r *record.Record) {
			r.Kind, r.Operation, r.Outcome, r.Caller, r.Serial, r.Reason = record.Connection, "handshake", record.Refused, "", "", "it showed no certificate"
		})
	}
	// F03: another guard's clock is an hour ahead.
	late := w.gate("gate-2")
	late.ahead = time.Hour
	late.lets("pump/load", certs["load"], home)
	g.ships()
	late.ships()
	w.Advance(40 * time.Minute)
	w.minute()
	for _, is := range []struct {
		rule, subject string
		severity      alert.Severity
	}{
		{"A02", "pump/successor", alert.Critical}, {"A03", "pump/places", alert.Critical}, {"A04", "pump/void", alert.High}, {"A05", "pump/revoked", alert.Critical},
		{"A07", "pump/nobody", alert.Critical}, {"B01", "pump/network", alert.Medium}, {"B02", "pump/new-use", alert.Medium}, {"B03", "pump/early", alert.Low},
		{"B05", "pump/load", alert.Medium}, {"F02", far, alert.High}, {"F03", late.path, alert.Low},
	} {
		a := w.about(is.rule, is.subject)
		require.Equal(t, is.severity, a.Severity, is.rule)
	}
	a := w.about("A07", "pump/nobody")
	require.Contains(t, a.Facts[0], unknown)
	require.True(t, strings.HasPrefix(a.Entries[0].Origin, enrolltest.TrustDomain+"/"+g.path), a.Entries)

	// B04 and B03: one wakes after a month, another goes on with what will end.
	w.Advance(31 * day)
	lets("asleep", home)
	g.ships()
	w.Advance(40 * time.Minute)
	w.minute()
	w.about("B04", "pump/asleep")
	w.Advance(8 * day)
	lets("missed", home)
	g.ships()
	w.Advance(40 * time.Minute)
	w.minute()
	require.Equal(t, alert.Medium, w.about("B03", "pump/missed").Severity)
}
