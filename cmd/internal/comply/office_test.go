package comply_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/netip"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/cmd/internal/comply"
	"github.com/betonica/betonica/enroll"
	"github.com/betonica/betonica/enroll/enrolltest"
	"github.com/betonica/betonica/store"
	"github.com/betonica/betonica/store/compliance"
	"github.com/betonica/betonica/store/compliance/pack"
	"github.com/betonica/betonica/store/storetest"
)

// base is a policy at which the checks find nothing.
const base = `
[role.device]
dormant_after = "30d"

[[allow]]
name = "pumps-report"
guards = ["gateway"]
peers = ["device/pump-*"]
fhir = { interactions = ["create"], types = ["Observation"] }
`

// An office of a CA, whose host is as system says. What it asks of the database package
// survey's tests ask of both engines.
type office struct {
	*comply.Office
	*enrolltest.CA
	system compliance.System
	t      *testing.T
	people []enroll.Actor // who agree to a policy that lets more through
}

func open(t *testing.T, dsn string) *office {
	o := &office{CA: enrolltest.Open(t, dsn), t: t}
	o.system = compliance.System{
		Known: true, Ops: "127.0.0.1:9090", BackupWithin: time.Hour, KeepsLog: store.SixYears, KeepsRecords: store.SixYears,
		Listeners: []compliance.Listener{{Name: "https", Refuses: true, Version: "TLS 1.3"}}, Evidence: compliance.Place{File: "/evidence"},
		Sinks: []compliance.Sink{{Name: "alertmanager", Alerts: true}},
	}
	o.Office = comply.New(comply.Config{
		Store: o.CA.Store, Policies: o.CA.Policies, TrustDomain: enrolltest.TrustDomain, Now: o.CA.Now, Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
		System: func(context.Context) compliance.System {
			s := o.system
			s.Backup = compliance.Backup{At: o.CA.Now(), File: "b.age", Encrypted: s.Backup.Encrypted}
			return s
		},
	})
	o.system.Backup.Encrypted = true
	o.policy(base)
	for _, one := range [][3]string{{"device", "pump-1", "icu"}, {"officer", "anna", "security"}, {"officer", "ben", "icu"}} {
		token := o.Token(enroll.TokenRequest{Role: one[0], Name: one[1], Owner: one[2]})
		cert, err := o.Enroll(t.Context(), token, netip.MustParseAddr("127.0.0.1"), enrolltest.CSR(t, enrolltest.NewKey(t)))
		require.NoError(t, err)
		if one[0] == "officer" {
			serial := store.SerialOf(cert)
			o.people = append(o.people, enroll.Actor{Name: one[0] + "/" + one[1], Serial: &serial})
		}
	}
	_, err := o.CA.Store.SignCheckpoint(t.Context())
	require.NoError(t, err)
	return o
}

func (o *office) policy(text string) {
	o.t.Helper()
	set := func() error {
		_, err := o.CA.Policies.Set(o.t.Context(), enrolltest.Root, "policy.toml", []byte(text), enroll.AnyVersion)
		return err
	}
	err := set()
	if waits, ok := errors.AsType[*enroll.ConsentError](err); ok {
		for _, person := range o.people {
			_, err := o.Consent(o.t.Context(), person, waits.Proposal.ID, waits.Proposal.Digest)
			require.NoError(o.t, err)
		}
		err = set()
	}
	require.NoError(o.t, err)
}

func (o *office) check() *compliance.Run {
	o.t.Helper()
	run, err := o.Check(o.t.Context(), enrolltest.Root, "", nil)
	require.NoError(o.t, err)
	return run
}

// On a CA that lives, one setting that is broken flips exactly one check, and is on record
// as what changed; once it is mended the check is as before.
func TestOneSetting(t *testing.T) {
	o := open(t, storetest.SQLite(t))
	first := o.check()
	for _, r := range first.Results {
		require.NotEqual(t, compliance.Fail, r.State, "%s: %s", r.ID, r.Found)
	}
	for _, tt := range []struct {
		id          string
		spoil, mend func()
	}{
		{"312a-02", func() { o.policy(base + "[[allow]]\nname='wide'\nguards=['gateway']\npeers=['device']\nfhir={}\n") }, func() { o.policy(base) }},
		{"308-03", func() { o.policy("[role.device]\n" + base[len("\n[role.device]\ndormant_after = \"30d\"\n"):]) }, func() { o.policy(base) }},
		{"312d-03", func() { o.policy("[role.est]\nserver_keys = true\n" + base) }, func() { o.policy(base) }},
		{"312d-04", func() { o.policy("[role.slow]\nlifetime = '730d'\n" + base) }, func() { o.policy(base) }},
		{"312b-03", func() { o.system.Evidence.Beside = "on the same disk" }, func() { o.system.Evidence.Beside = "" }},
		{"312a-09", func() { o.system.Backup.Encrypted = false }, func() { o.system.Backup.Encrypted = true }},
		{"312e-02", func() { o.system.OpsOpen = true }, func() { o.system.OpsOpen = false }},
		{"316-02", func() { o.system.KeepsRecords = time.Hour }, func() { o.system.KeepsRecords = store.SixYears }},
	} {
		for _, step := range []struct {
			do       func()
			from, to compliance.State
		}{{tt.spoil, compliance.Pass, compliance.Fail}, {tt.mend, compliance.Fail, compliance.Pass}} {
			step.do()
			run := o.check()
			require.Len(t, run.Changes, 1, tt.id)
			require.Equal(t, compliance.Change{ID: tt.id, Title: run.Changes[0].Title, From: step.from, To: step.to}, run.Changes[0])
		}
	}
	require.Len(t, o.Audit("compliance.run"), 17)
}

// The daemon makes a run a day by itself, reads the whole log with it, and what is asked
// for in between does not count.
func TestDaily(t *testing.T) {
	o := open(t, storetest.SQLite(t))
	o.check()
	require.NoError(t, o.Daily(t.Context()))
	require.NoError(t, o.Daily(t.Context()))
	entries := o.Audit("compliance.run")
	require.Len(t, entries, 2)
	require.Equal(t, true, entries[1].Detail["daily"])
	require.Equal(t, "self", entries[1].Actor)
	require.NotEmpty(t, entries[1].Detail["verified"])
	for _, r := range o.check().Results {
		if r.ID == "308-08" || r.ID == "312b-02" {
			require.Equal(t, compliance.Pass, r.State, r.Found)
		}
	}
	o.Advance(24 * time.Hour)
	require.NoError(t, o.Daily(t.Context()))
	require.Len(t, o.Audit("compliance.run"), 4)
}

// A person puts his name to what no query shows, and to nothing else; root is no person.
func TestAttest(t *testing.T) {
	o := open(t, storetest.SQLite(t))
	anna := enroll.Actor{Name: "officer/anna"}
	good := comply.Attestation{Check: "308-07", Word: "Restored on ca-test, IT-311", For: 365 * 24 * time.Hour}
	for name, tt := range map[string]struct {
		by enroll.Actor
		a  comply.Attestation
	}{
		"root":        {enrolltest.Root, good},
		"no check":    {anna, comply.Attestation{Check: "308-99", Word: "x", For: good.For}},
		"a query's":   {anna, comply.Attestation{Check: "312a-01", Word: "x", For: good.For}},
		"no word":     {anna, comply.Attestation{Check: "308-07", Word: " ", For: good.For}},
		"for ever":    {anna, comply.Attestation{Check: "308-07", Word: "x", For: 10 * good.For}},
		"for a while": {anna, comply.Attestation{Check: "308-07", Word: "x", For: time.Hour}},
	} {
		_, err := o.Attest(t.Context(), tt.by, tt.a)
		var refused *comply.AttestationError
		require.ErrorAs(t, err, &refused, name)
	}
	require.Empty(t, o.Audit("compliance.attest"))
	until, err := o.Attest(t.Context(), anna, good)
	require.NoError(t, err)
	state := func() compliance.Result {
		for _, r := range o.check().Results {
			if r.ID == "308-07" {
				return r
			}
		}
		panic("there is no such check")
	}
	r := state()
	require.Equal(t, compliance.Attested, r.State)
	require.Equal(t, "officer/anna", r.By)
	require.Equal(t, until, r.Expires)
	o.Advance(366 * 24 * time.Hour)
	require.Equal(t, compliance.NotTested, state().State)
}

// A report is signed by the log's key, and whoever has its files can check them.
func TestReport(t *testing.T) {
	o := open(t, storetest.SQLite(t))
	told := false
	_, files, err := o.Report(t.Context(), enrolltest.Root, "hipaa-nprm", func(done, total int64) { told = told || total > 0 && done <= total })
	require.NoError(t, err)
	require.True(t, told)
	dir := fstest.MapFS{}
	for _, f := range files {
		dir[f.Name] = &fstest.MapFile{Data: f.Text}
	}
	key, err := o.CA.Store.VerifierKey()
	require.NoError(t, err)
	c, err := pack.Verify(dir, key)
	require.NoError(t, err)
	require.Equal(t, 7, c.Files)
	require.Positive(t, c.Entries)
	require.Contains(t, string(dir["report.html"].Data), "proposed, not law")
	_, _, err = o.Report(t.Context(), enrolltest.Root, "gdpr", nil)
	var unknown *compliance.UnknownProfileError
	require.ErrorAs(t, err, &unknown)
}
