package enforcement_test

import (
	"context"
	"crypto/rand"
	"iter"
	"log/slog"
	"maps"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/enroll"
	"github.com/betonica/betonica/enroll/enrolltest"
	"github.com/betonica/betonica/revoke"
	"github.com/betonica/betonica/revoke/crl"
	"github.com/betonica/betonica/revoke/enforcement"
	"github.com/betonica/betonica/revoke/revoketest"
	"github.com/betonica/betonica/store"
	"github.com/betonica/betonica/store/audit"
	"github.com/betonica/betonica/store/storetest"
)

// A fleet is relying parties that report to a Registry, about lists that only
// have numbers.
type fleet struct {
	*enforcement.Registry
	*enrolltest.CA
	t       *testing.T
	revoker *revoke.Revoker
	lines   *lines
	stop    func()

	mu     sync.Mutex
	issuer string
	signed map[string]int64
}

func newFleet(t *testing.T, c *enrolltest.CA) *fleet { return newFleetOn(t, c, c.Store) }

// newFleetOn is a fleet of a process that has opened the store by itself.
func newFleetOn(t *testing.T, c *enrolltest.CA, db *store.DB, change ...func(*enforcement.Config)) *fleet {
	f := &fleet{CA: c, t: t, lines: &lines{}}
	log := slog.New(slog.NewTextHandler(f.lines, nil))
	number, err := db.ReserveCRLNumbers(t.Context(), 1)
	require.NoError(t, err)
	f.issuer = c.Authority.IssuerID()
	f.signed = map[string]int64{f.issuer: number}
	f.revoker = &revoke.Revoker{Store: db, Log: slog.New(slog.DiscardHandler)}
	conf := enforcement.Config{Store: db, Signed: f.allSigned, Log: log, Now: c.Now}
	conf.KeepEvery(time.Hour)
	conf.Clock(c.Now)
	for _, f := range change {
		f(&conf)
	}
	f.Registry, err = enforcement.New(t.Context(), conf)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- f.Registry.Run(ctx) }()
	f.stop = sync.OnceFunc(func() { cancel(); require.NoError(t, <-done) })
	t.Cleanup(f.stop)
	return f
}

func (f *fleet) allSigned() map[string]int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return maps.Clone(f.signed)
}

// sign says that all issuers' lists have this number.
func (f *fleet) sign(number int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for issuer := range f.signed {
		f.signed[issuer] = number
	}
}

func (f *fleet) newest() int64 { return f.allSigned()[f.issuer] }

// join puts active identities on record.
func (f *fleet) join(names ...string) {
	f.t.Helper()
	for _, name := range names {
		require.NoError(f.t, f.Store.Update(f.t.Context(), func(tx *store.Tx) audit.Event {
			tx.CreateIdentity(store.Identity{Path: "gateway/" + name, Role: "gateway", Name: name, State: store.Active})
			return audit.Event{Action: "test.write", Actor: "uid:0", Outcome: "ok"}
		}))
	}
}

// say is one report of gateway/name, about the first issuer's list.
func (f *fleet) say(name string, number int64) error {
	return f.sayOf(name, f.Authority.IssuerID(), number)
}

func (f *fleet) sayOf(name, issuer string, number int64) error {
	return f.Report(f.t.Context(), enforcement.Reporter{Identity: "gateway/" + name, Address: revoketest.Home, RequestID: "r"}, enforcement.Report{
		Issuer: issuer, Number: number, EnforcedAt: f.Now(), Connections: 2,
	})
}

func (f *fleet) said(name string, number int64) {
	f.t.Helper()
	require.NoError(f.t, f.say(name, number))
}

// revoke revokes a new device, and returns the number that it took; it is signed.
func (f *fleet) revoke() int64 {
	f.t.Helper()
	path := "device/" + strings.ToLower(rand.Text())
	f.certify(path)
	return f.end(path)
}

// end revokes an identity, and returns the number that it took; it is signed.
func (f *fleet) end(path string) int64 {
	f.t.Helper()
	fell, err := f.revoker.Identity(f.t.Context(), revoketest.Root, path, orders)
	require.NoError(f.t, err)
	require.NotZero(f.t, fell.Number)
	f.sign(fell.Number)
	return fell.Number
}

// certify gives a new identity a certificate.
func (f *fleet) certify(path string) {
	f.t.Helper()
	role, name, _ := strings.Cut(path, "/")
	token := f.Token(enroll.TokenRequest{Role: role, Name: name})
	_, err := f.Enroll(f.t.Context(), token, revoketest.Home, enrolltest.CSR(f.t, enrolltest.NewKey(f.t)))
	require.NoError(f.t, err)
}

// watch follows a revocation, one word at each call.
func (f *fleet) watch(ctx context.Context, number int64) (next func() enforcement.Progress) {
	f.t.Helper()
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second) // what is broken ends
	f.t.Cleanup(cancel)
	word, stop := iter.Pull2(f.Watch(ctx, number, number))
	f.t.Cleanup(stop)
	return func() enforcement.Progress {
		f.t.Helper()
		p, err, ok := word()
		require.True(f.t, ok, "it has ended")
		require.NoError(f.t, err)
		return p
	}
}

// until skips what a Watch says before it is as wanted.
func until(next func() enforcement.Progress, ok func(enforcement.Progress) bool) enforcement.Progress {
	for {
		if p := next(); ok(p) || p.Done() {
			return p
		}
	}
}

func names(all []enforcement.RelyingParty) (out []string) {
	for _, p := range all {
		out = append(out, strings.TrimPrefix(p.Identity, "gateway/"))
	}
	return out
}

// lines is a log.
type lines struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *lines) count(what string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.text.String(), what)
}

// certifyBy puts a certificate of another issuer on record.
func (f *fleet) certifyBy(issuer, path string) {
	f.t.Helper()
	require.NoError(f.t, f.Store.AddIssuer(f.t.Context(), issuer))
	id := f.CA.Identity(path)
	policy, err := f.Store.CurrentPolicy(f.t.Context())
	require.NoError(f.t, err)
	c := store.Certificate{
		Issuer: issuer, Identity: path, NotBefore: f.Now(), NotAfter: f.Now().Add(time.Hour), Method: "token",
		Revision: id.Revision, Policy: policy.Version, DER: []byte("other"),
	}
	rand.Read(c.Serial[:])
	rand.Read(c.SPKI[:])
	require.NoError(f.t, f.Store.Update(f.t.Context(), func(tx *store.Tx) audit.Event {
		tx.InsertCertificate(c)
		return audit.Event{Action: "test.write", Actor: "uid:0", Outcome: "ok"}
	}))
}

func eachFleet(t *testing.T, test func(t *testing.T, f *fleet)) {
	storetest.EachEngine(t, func(t *testing.T, dsn string) { test(t, newFleet(t, enrolltest.Open(t, dsn))) })
}

var orders = revoke.Order{Reason: crl.KeyCompromise}
