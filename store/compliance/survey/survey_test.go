package survey_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"fmt"
	"net/netip"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/enroll"
	"github.com/betonica/betonica/enroll/enrolltest"
	"github.com/betonica/betonica/store"
	"github.com/betonica/betonica/store/audit"
	"github.com/betonica/betonica/store/compliance"
	"github.com/betonica/betonica/store/compliance/pack"
	"github.com/betonica/betonica/store/compliance/survey"
	"github.com/betonica/betonica/store/review"
	"github.com/betonica/betonica/store/storetest"
)

// A world is a CA with guards that ship what they recorded.
type world struct {
	*enrolltest.CA
	t testing.TB
}

func each(t *testing.T, f func(t *testing.T, w world)) {
	storetest.EachEngine(t, func(t *testing.T, dsn string) { f(t, world{enrolltest.Open(t, dsn), t}) })
}

// enrol makes an identity with a certificate, and returns its serial.
func (w world) enrol(role, name, owner string) store.Serial {
	w.t.Helper()
	token := w.Token(enroll.TokenRequest{Role: role, Name: name, Owner: owner})
	cert, err := w.Enroll(w.t.Context(), token, netip.MustParseAddr("127.0.0.1"), enrolltest.CSR(w.t, enrolltest.NewKey(w.t)))
	require.NoError(w.t, err)
	return store.SerialOf(cert)
}

// survey reads the facts, and returns what proves the sample.
func (w world) survey(change ...func(*survey.Config)) (*compliance.Facts, *pack.ProofFile) {
	w.t.Helper()
	c := survey.Config{Store: w.Store, Now: w.Now(), TrustDomain: enrolltest.TrustDomain, Profile: compliance.Current, Policy: compliance.Policy{
		Roles: []compliance.Role{{Name: "device", Attest: 365 * 24 * time.Hour}, {Name: "officer", Privileged: true}},
		Rules: []compliance.Rule{{Name: "pumps-report"}, {Name: "never"}},
	}}
	for _, f := range change {
		f(&c)
	}
	f, evidence, err := survey.Read(w.t.Context(), c)
	require.NoError(w.t, err)
	return f, evidence
}

// A guard seals what it records, and ships it.
type guard struct {
	w      world
	path   string
	key    audit.DataKey
	sealer *audit.Sealer
	size   int64
}

func (w world) guard(path string) *guard {
	w.t.Helper()
	g := &guard{w: w, path: path, key: audit.NewDataKey()}
	g.sealer = audit.NewSealer(audit.NewKeys(audit.NewMaster()), g.key)
	require.NoError(w.t, w.Store.Update(w.t.Context(), func(tx *store.Tx) audit.Event {
		tx.InsertJournal(store.Journal{Origin: g.origin(), Identity: path, Key: "k", Statement: []byte("s")})
		return audit.Event{Action: "journal.begin", Actor: path, Subject: path, Outcome: "ok"}
	}))
	return g
}

func (g *guard) origin() string { return enrolltest.TrustDomain + "/" + g.path + "/journal/01" }

// ship records events and has the CA take them.
func (g *guard) ship(events ...audit.Event) {
	t, db := g.w.t, g.w.Store
	t.Helper()
	var frames []byte
	for i, e := range events {
		var err error
		frames, _, err = g.sealer.AppendFrame(frames, g.size+int64(i)+1, g.w.Now(), e)
		require.NoError(t, err)
	}
	sealed, err := g.key.SealFor(db.ReaderKey())
	require.NoError(t, err)
	key, err := db.OpenJournalKey(g.w.t.Context(), g.key.ID, sealed)
	require.NoError(t, err)
	after := store.Journal{Origin: g.origin(), Identity: g.path, Size: g.size + int64(len(events)), Frontier: []byte{1}}
	require.NoError(t, db.Durable(t.Context(), func(tx *store.RelaxedTx) {
		tx.ExtendJournal(g.size, after, store.JournalBatch{First: g.size + 1, Last: after.Size, Earliest: g.w.Now(), Latest: g.w.Now(), Frames: frames}, []store.JournalKey{key})
	}))
	g.size = after.Size
}

// access is a record as guards write it; detail is of pairs.
func (w world) access(kind, caller, outcome string, detail ...any) audit.Event {
	d := map[string]any{"side": "server", "protocol": "fhir", "route": "fhir", "begin": w.Now().Add(-time.Minute).UTC().Format(time.RFC3339Nano), "end": w.Now().UTC().Format(time.RFC3339Nano)}
	for i := 0; i < len(detail); i += 2 {
		if detail[i+1] == nil {
			delete(d, detail[i].(string))
		} else {
			d[detail[i].(string)] = detail[i+1]
		}
	}
	return audit.Event{Action: "access." + kind, Actor: caller, Subject: "ehr", Address: "10.0.0.7:4000", Outcome: outcome, Detail: d}
}

const pump = "spiffe://hospital.example/device/pump-1"

// What guards recorded is counted once: who came with what, who was refused, who should
// not have been let in, and whether payloads arrived as they left.
func TestRecords(t *testing.T) {
	each(t, func(t *testing.T, w world) {
		serial := w.enrol("device", "pump-1", "icu").String()
		bad := w.enrol("device", "pump-2", "icu")
		w.enrol("gateway", "icu", "it")
		require.NoError(w.t, w.Store.Update(w.t.Context(), func(tx *store.Tx) audit.Event {
			tx.ReplaceCertificates("device/pump-2", w.Identity("device/pump-2").Revision)
			return audit.Event{Action: "certificate.revoke", Outcome: "ok"}
		}))
		w.Advance(10 * time.Minute)
		digest := fmt.Sprintf("%x", sha256.Sum256([]byte("a")))
		other := fmt.Sprintf("%x", sha256.Sum256([]byte("b")))
		longAgo := w.Now().Add(-25 * time.Hour).UTC().Format(time.RFC3339Nano)

		server, client := w.guard("gateway/icu"), w.guard("device/pump-1")
		server.ship(
			w.access("connection", pump, "allowed", "operation", "open", "serial", serial, "end", nil),
			w.access("request", pump, "allowed", "serial", serial, "rule", "pumps-report", "link", "l1", "number", "1", "request", digest),
			w.access("request", pump, "allowed", "serial", serial, "end", nil),
			w.access("request", pump, "observed", "serial", serial, "link", "l1", "number", "2", "request", digest),
			w.access("request", pump, "refused", "serial", serial, "reason", "no rule; it asked for X"),
			w.access("connection", "", "refused", "operation", "handshake", "reason", "no certificate"),
			w.access("request", "", "allowed"),
			w.access("request", "spiffe://hospital.example/device/pump-2", "allowed", "serial", bad.String(), "begin", w.Now().UTC().Format(time.RFC3339Nano)),
			w.access("connection", pump, "cut", "operation", "close", "serial", serial, "begin", longAgo, "reason", "idle"),
			audit.Event{Action: "journal.gap", Outcome: "full disk"},
			audit.Event{Action: "access.request", Detail: map[string]any{"in": "no number"}},
		)
		client.ship(
			w.access("request", pump, "allowed", "side", "client", "link", "l1", "number", "1", "request", digest),
			w.access("request", pump, "allowed", "side", "client", "link", "l1", "number", "2", "request", other),
		)
		f, _ := w.survey()
		a := f.Access
		require.EqualValues(t, 8, a.Records)
		require.EqualValues(t, 1, a.Unreadable)
		require.Equal(t, map[string]int64{"allowed": 4, "observed": 1, "refused": 2, "cut": 1}, a.Outcomes)
		require.Equal(t, map[string]int64{"no rule": 1, "no certificate": 1}, a.Refusals)
		require.Equal(t, map[string]int64{"idle": 1}, a.Logoffs)
		require.EqualValues(t, 1, a.Observed.N)
		require.EqualValues(t, 1, a.Nameless.N)
		require.EqualValues(t, 1, a.Revoked.N)
		require.Contains(t, a.Revoked.Rows[0].What, "pump-2")
		require.EqualValues(t, 1, a.Sessions)
		require.EqualValues(t, 1, a.Long.N)
		require.EqualValues(t, 1, a.Gaps.N)
		require.EqualValues(t, 1, a.Matched)
		require.EqualValues(t, 1, a.Differing.N)
		require.EqualValues(t, 2, a.Journals)
		require.Zero(t, a.Silent.N)
		require.EqualValues(t, 1, f.Policy.Rules[0].Uses)
		require.Zero(t, f.Policy.Rules[1].Uses)
		require.Len(t, a.Edges, 2)
		require.Equal(t, "device", a.Edges[0].Role)
		require.EqualValues(t, 2, a.Edges[0].Machines)
		require.Equal(t, "gateway/icu", a.Edges[0].Guard)
		require.Equal(t, "strangers", a.Edges[1].Role)

		w.Advance(25 * time.Hour)
		f, _ = w.survey()
		require.EqualValues(t, 2, f.Access.Silent.N)
		w.Advance(31 * 24 * time.Hour)
		f, _ = w.survey()
		require.Zero(t, f.Access.Records, "they are older than the period")
	})
}

// Certificates and identities are counted as they are on record: whose keys, how many, of
// whom, and who answers for them.
func TestRegister(t *testing.T) {
	each(t, func(t *testing.T, w world) {
		w.enrol("device", "pump-1", "icu")
		w.enrol("device", "pump-2", "")
		w.enrol("officer", "anna", "security")
		f, _ := w.survey()
		require.EqualValues(t, 3, f.Certificates.Live)
		require.Equal(t, map[string]int64{"P-256": 3}, f.Certificates.Keys)
		require.Zero(t, f.Certificates.Borrowed.N+f.Certificates.Crowded.N+f.Certificates.Orphaned.N+f.Certificates.Weak.N)
		require.EqualValues(t, 3, f.Certificates.Left.Total())
		require.EqualValues(t, 3, f.Identities.States["active"])
		require.EqualValues(t, 1, f.Identities.Ownerless.N)
		require.Equal(t, []compliance.Person{{Path: "officer/anna", Owner: "security"}}, f.Identities.Privileged)
		require.EqualValues(t, 1, f.Identities.Owners)
		require.EqualValues(t, 2, f.Policy.Roles[0].Active)
		require.True(t, f.Policy.Recorded)
		require.EqualValues(t, f.Policy.Newest, f.Policy.Kept)
		require.Zero(t, f.Identities.Unattested.N)
		w.Advance(366 * 24 * time.Hour)
		f, _ = w.survey()
		require.EqualValues(t, 2, f.Identities.Unattested.N)
		require.Zero(t, f.Certificates.Live)
	})
}

// People are those who can act: with a certificate, and counted by who answers for them,
// as it is where two have to agree.
func TestPeople(t *testing.T) {
	each(t, func(t *testing.T, w world) {
		w.enrol("officer", "anna", "Security")
		w.enrol("officer", "ben", "SECURITY")
		w.enrol("officer", "nobodys", "")
		f, _ := w.survey()
		require.Len(t, f.Identities.Privileged, 3)
		require.EqualValues(t, 1, f.Identities.Owners)
		w.enrol("officer", "cleo", "icu")
		f, _ = w.survey()
		require.EqualValues(t, 2, f.Identities.Owners)
		w.Advance(40 * 24 * time.Hour)
		f, _ = w.survey()
		require.Empty(t, f.Identities.Privileged, "their certificates have ended")
		require.Zero(t, f.Identities.Owners)
	})
}

// Entries that were drawn are proved to be in what was signed, and one that was not is
// named. The whole log is read where that is asked for.
func TestSample(t *testing.T) {
	each(t, func(t *testing.T, w world) {
		for i := range 20 {
			w.enrol("device", fmt.Sprint("pump-", i), "icu")
		}
		f, evidence := w.survey()
		require.Zero(t, f.Log.Sampled, "nothing is signed yet")
		require.Empty(t, evidence.Entries)
		_, err := w.Store.SignCheckpoint(t.Context())
		require.NoError(t, err)
		f, evidence = w.survey(func(c *survey.Config) { c.Sample, c.Whole = 7, true })
		require.EqualValues(t, 7, f.Log.Sampled)
		require.Zero(t, f.Log.Unproved.N)
		require.Len(t, evidence.Entries, 7)
		require.NotNil(t, f.Log.Verified)
		require.Zero(t, f.Log.Verified.Findings.N)
		require.Equal(t, f.Log.Entries, f.Log.Verified.Entries)
		require.Positive(t, f.Log.Actions["certificate.issue"])

		public, err := w.Store.LogKeyPEM()
		require.NoError(t, err)
		text := marshal(t, evidence)
		files, err := pack.Seal([]pack.File{{Name: pack.Proofs, Text: text}}, f.Log.Key, public, w.Store.SignManifest)
		require.NoError(t, err)
		dir := fstest.MapFS{}
		for _, f := range files {
			dir[f.Name] = &fstest.MapFile{Data: f.Text}
		}
		c, err := pack.Verify(dir, f.Log.Key)
		require.NoError(t, err)
		require.Equal(t, 7, c.Entries)
	})
}

// Runs and words of before are read from the log: the newest of each counts.
func TestPast(t *testing.T) {
	each(t, func(t *testing.T, w world) {
		put := func(e audit.Event) {
			require.NoError(t, w.Store.Update(t.Context(), func(*store.Tx) audit.Event { return e }))
		}
		run := func(profile, states string, daily bool) {
			put(audit.Event{Action: survey.ActionRun, Actor: "self", Subject: profile, Outcome: "ok", Detail: map[string]any{
				"profile": profile, "states": states, "daily": daily, "verified": w.Now().UTC().Format(time.RFC3339), "verified_entries": 5, "findings": 0,
			}})
		}
		run("hipaa-nprm", "308-01=p", false)
		run(compliance.Current, "308-01=f", true)
		run(compliance.Current, "308-01=p", false)
		for _, word := range []string{"first", "second"} {
			put(audit.Event{Action: survey.ActionAttest, Actor: "officer/anna", Subject: "308-07", Detail: map[string]any{"word": word, "expires": w.Now().Add(time.Hour).UTC().Format(time.RFC3339)}})
		}
		f, _ := w.survey()
		require.Equal(t, map[string]compliance.State{"308-01": compliance.Pass}, f.Last.States)
		require.WithinDuration(t, w.Now(), f.Daily, time.Minute)
		require.EqualValues(t, 5, f.Log.Verified.Entries)
		require.Equal(t, "second", f.Attested["308-07"].Word)
		require.Equal(t, "officer/anna", f.Attested["308-07"].By)
		f, _ = w.survey(func(c *survey.Config) { c.Profile = "other" })
		require.Nil(t, f.Last)

		power := func(action, id string, detail map[string]any) {
			detail["power"], detail["reason"] = id, "the usual way was closed"
			put(audit.Event{Action: action, Actor: "officer/anna", Subject: "officer/anna", Outcome: "ok", Detail: detail})
		}
		power("power.begin", "P1", map[string]any{"kind": "grant"})
		for _, id := range []string{"P2", "P3", "P4"} {
			power("power.begin", id, map[string]any{"break_glass": true})
		}
		power("power.review", "P2", map[string]any{"word": "right", "break_glass": true})
		f, _ = w.survey()
		require.Len(t, f.Emergency.Reviewed, 1)
		require.Equal(t, []string{"officer/anna", "officer/anna", "right"}, []string{f.Emergency.Reviewed[0].Person, f.Emergency.Reviewed[0].By, f.Emergency.Reviewed[0].Word})
		f.Emergency.Reviewed = nil
		require.Equal(t, compliance.Emergency{Taken: 3, Waiting: 2}, f.Emergency)
		require.Zero(t, f.Reviews.N)
		require.False(t, f.Reviews.Waits.IsZero(), "it is since the log began")
		put(audit.Event{Action: "audit.review", Actor: "auditor/cleo", Subject: "auditor/cleo", Outcome: "ok", Detail: review.Record{First: 2, Last: 3, Word: "as usual"}.Detail()})
		f, _ = w.survey()
		require.EqualValues(t, 1, f.Reviews.N)
		require.Equal(t, []any{"auditor/cleo", "as usual", int64(2), int64(3)}, []any{f.Reviews.Done[0].By, f.Reviews.Done[0].Word, f.Reviews.Done[0].First, f.Reviews.Done[0].Last})
		require.EqualValues(t, 1, f.Reviews.Gaps.N)
		require.Contains(t, f.Reviews.Gaps.Rows[0].What, "entries 4 to ")
		w.Advance(73 * time.Hour)
		power("power.review", "P4", map[string]any{"word": "late, and right"})
		f, _ = w.survey()
		require.EqualValues(t, 3, f.Emergency.Taken)
		require.EqualValues(t, 1, f.Emergency.Unreviewed.N)
		require.Contains(t, f.Emergency.Unreviewed.Rows[0].Detail, "the usual way was closed")
	})
}

// What is read while others write is old or new, and nothing in it is a fault that is
// none: no certificate without its identity, and no entry that is not in the log.
func TestMeanwhile(t *testing.T) {
	each(t, func(t *testing.T, w world) {
		w.enrol("device", "first", "icu")
		g := w.guard("gateway/icu")
		done := make(chan struct{})
		go func() {
			defer close(done)
			for i := range 40 {
				w.enrol("device", fmt.Sprint("pump-", i), "icu")
				g.ship(w.access("request", pump, "allowed", "serial", fmt.Sprintf("%032x", i+1)))
				if _, err := w.Store.SignCheckpoint(t.Context()); err != nil {
					t.Error(err)
					return
				}
			}
		}()
		for running := true; running; {
			select {
			case <-done:
				running = false
			default:
			}
			f, evidence := w.survey()
			c := f.Certificates
			require.Zero(t, c.Borrowed.N+c.Crowded.N+c.Orphaned.N+c.Weak.N+f.Log.Unproved.N+f.Access.Unreadable)
			require.EqualValues(t, f.Log.Sampled, len(evidence.Entries))
			require.True(t, f.Policy.Recorded)
		}
		f, _ := w.survey()
		require.EqualValues(t, 41, f.Certificates.Live)
		require.EqualValues(t, 40, f.Access.Records)
	})
}

// The kind of a key is read without the rest of the certificate, and weak ones are told.
func TestKeyKind(t *testing.T) {
	for _, tt := range []struct {
		key  any
		want string
		weak bool
	}{
		{must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)), "P-256", false},
		{must(ecdsa.GenerateKey(elliptic.P384(), rand.Reader)), "P-384", false},
		{must(ecdsa.GenerateKey(elliptic.P224(), rand.Reader)), "unknown", true},
		{must(rsa.GenerateKey(rand.Reader, 2048)), "RSA-2048", false},
		{must(rsa.GenerateKey(rand.Reader, 1024)), "RSA-1024", true},
	} {
		kind, weak := survey.KeyKind(selfSigned(t, tt.key))
		require.Equal(t, tt.want, kind)
		require.Equal(t, tt.weak, weak)
	}
	kind, weak := survey.KeyKind([]byte{0x30, 0x03, 0x30, 0x01, 0x00})
	require.Equal(t, "unknown", kind)
	require.True(t, weak)
}

// No certificate on record, whatever somebody made of it, makes the survey panic.
func FuzzKeyKind(f *testing.F) {
	f.Add(selfSigned(f, must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))))
	f.Fuzz(func(t *testing.T, der []byte) { survey.KeyKind(der) })
}

func must[K any](key K, err error) K {
	if err != nil {
		panic(err)
	}
	return key
}
