package compliance

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var now = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// good are facts of a CA at which nothing is wrong, and everything was seen.
func good() *Facts {
	f := &Facts{
		At: now, Since: now.Add(-30 * day), TrustDomain: "hospital.example",
		System: System{
			Known: true, Version: "1", FIPS: true, FIPSVersion: "v1.0.0", Ops: "127.0.0.1:9090",
			Listeners:  []Listener{{Name: "https", Address: "127.0.0.1:8443", Refuses: true, Version: "TLS 1.3", Cipher: "TLS_AES_128_GCM_SHA256", Group: "X25519MLKEM768"}},
			Passphrase: Place{File: "/secret/passphrase"}, Evidence: Place{File: "/other/evidence.log"},
			Backup: Backup{At: now.Add(-time.Hour), File: "/b.age", Encrypted: true}, BackupWithin: 26 * time.Hour,
			KeepsLog: 6 * 366 * day, KeepsRecords: 6 * 366 * day, Sinks: []Sink{{Name: "syslog", Lag: time.Second, Alerts: true}},
		},
		Policy: Policy{
			Version: 3, Digest: "00", Loaded: now.Add(-day), Actor: "admin/anna", Recorded: true, Logged: true, Kept: 3, Newest: 3,
			Roles: []Role{{Name: "device", Lifetime: day, Proofs: 2, Dormant: 30 * day, Attest: 365 * day, Active: 1204}, {Name: "officer", Privileged: true, Lifetime: day, Proofs: 1, Active: 2}},
			Rules: []Rule{{Name: "pumps-report", Peers: []string{"device/pump-*"}, Uses: 48_231}},
		},
		Identities:   Identities{States: map[string]int64{"active": 1206, "revoked": 3}, Privileged: []Person{{"officer/anna", "security"}, {"officer/ben", "icu"}}, Owners: 2},
		Certificates: Certificates{Live: 1300, Revoked: 3, Keys: map[string]int64{"P-256": 1300}},
		Access: Traffic{
			Records: 48_500, First: now.Add(-29 * day), Last: now, Outcomes: map[string]int64{"allowed": 48_231, "refused": 269},
			Sessions: 812, Logoffs: map[string]int64{"idle": 12}, Matched: 12_044, Voids: 3, Journals: 2,
		},
		Log: Log{
			Entries: 9000, Signed: 8999, SignedAt: now.Add(-43 * time.Second), Actions: map[string]int64{"certificate.refuse": 4}, Segments: 1,
			Sampled: 64, Verified: &Verification{At: now.Add(-time.Hour), Entries: 8000},
			DataKeys: 14, DataKey: now.Add(-20 * day), Wrapping: now.Add(-60 * day),
		},
		Enforcement: Enforcement{Lists: 1, Number: 17, Parties: 41},
		Emergency:   Emergency{Taken: 1, Waiting: 1},
		Reviews:     Reviews{N: 1, Waits: now.Add(-5 * day), Done: []LogReview{{First: 1, Last: 8000, By: "auditor/cleo", At: now.Add(-5 * day), Word: "as usual"}}},
		Alerts: Alerts{
			Evaluated: now.Add(-time.Minute), Opened: 5, Critical: 2,
			Unseen: []Alert{{ID: 3, Rule: "A08", Subject: "alert/3", Opened: now.Add(-5 * time.Hour)}, {ID: 2, Rule: "A08", Opened: now.Add(-3 * day), Resolved: now.Add(-2 * day)}},
		},
		Attested: map[string]Attestation{},
		Daily:    now.Add(-2 * time.Hour),
	}
	for _, c := range Checks().Checks {
		if c.Manual {
			f.Attested[c.ID] = Attestation{Word: "done", By: "officer/anna", At: now.Add(-day), Expires: now.Add(30 * day), Entry: 12}
		}
	}
	return f
}

func judged(t *testing.T, profile string, f *Facts) map[string]Result {
	p, err := Checks().Profile(profile)
	require.NoError(t, err)
	all := map[string]Result{}
	for _, r := range Judge(Checks(), p, f).Results {
		all[r.ID] = r
	}
	return all
}

// Where nothing is wrong every check passes, or somebody has put his name to it.
func TestGood(t *testing.T) {
	for _, profile := range []string{Current, "hipaa-nprm"} {
		for id, r := range judged(t, profile, good()) {
			want := Pass
			if c, _ := Checks().Check(id); c.Manual {
				want = Attested
			}
			require.Equal(t, want, r.State, "%s %s: %s", profile, id, r.Found)
			require.Empty(t, r.Do, id)
		}
	}
}

// faults has, for each check that has a judgement, the one thing that makes it fail.
var faults = map[string]func(*Facts){
	"312a-01": func(f *Facts) { f.Access.Observed.Add("device/pump-1", "") },
	"312a-02": func(f *Facts) { f.Policy.Rules[0].Wide = []string{"every route is allowed"} },
	"312a-03": func(f *Facts) { f.Policy.Rules[0].Uses = 0 },
	"312a-04": func(f *Facts) { f.Certificates.Borrowed.Add("device/pump-1", "") },
	"312a-05": func(f *Facts) { f.Certificates.Crowded.Add("device/pump-1", "3") },
	"312a-06": func(f *Facts) { f.Certificates.Orphaned.Add("device/pump-1", "retired") },
	"312a-07": func(f *Facts) { f.Access.Long.Add("device/pump-1", "3 days") },
	"312a-08": func(f *Facts) { f.System.Passphrase.Beside = "on the same disk" },
	"312a-09": func(f *Facts) { f.System.Backup.Encrypted = false },
	"312a-10": func(f *Facts) { f.System.RootKey = []string{"/ca/root.key"} },
	"312a-13": func(f *Facts) { f.Log.DataKey = now.Add(-36 * day) },
	"312a-12": func(f *Facts) { f.Emergency.Unreviewed.Add("officer/anna", "") },
	"312b-07": func(f *Facts) { f.System.Sinks[0].Lag = 2 * time.Hour },
	"312b-08": func(f *Facts) { f.Alerts.Evaluated = now.Add(-61 * time.Minute) },
	"312b-01": func(f *Facts) { f.Log.SignedAt = now.Add(-3 * time.Hour) },
	"312b-02": func(f *Facts) { f.Log.Verified.Findings.Add("entry 7", "edited") },
	"312b-03": func(f *Facts) { f.System.Evidence.Beside = "on the same file system" },
	"312b-04": func(f *Facts) { f.Access.Silent.Add("gateway/icu", "") },
	"312b-05": func(f *Facts) { f.Access.Gaps.Add("gateway/icu", "") },
	"312b-06": func(f *Facts) { f.Access.Forked.Add("gateway/icu", "") },
	"312c-01": func(f *Facts) { f.Access.Differing.Add("link 1", "") },
	"312c-02": func(f *Facts) { f.Log.Unproved.Add("entry 7", "") },
	"312c-03": func(f *Facts) { f.Policy.Recorded = false },
	"312d-01": func(f *Facts) { f.Access.Nameless.Add("10.0.0.7", "") },
	"312d-02": func(f *Facts) { f.Access.Revoked.Add("device/pump-1", "") },
	"312d-03": func(f *Facts) { f.Policy.Roles[0].ServerKeys = true },
	"312d-04": func(f *Facts) { f.Policy.Roles[0].Lifetime = 730 * day },
	"312d-05": func(f *Facts) { f.Certificates.Weak.Add("device/pump-1", "RSA-1024") },
	"312d-06": func(f *Facts) { f.Identities.Suspect.Add("device/pump-1", "") },
	"312d-07": func(f *Facts) { f.Policy.Roles[0].Proofs = 1 },
	"312e-01": func(f *Facts) { f.System.Listeners[0].Refuses = false },
	"312e-02": func(f *Facts) { f.System.Ops, f.System.OpsOpen = ":9090", true },
	"312e-03": func(f *Facts) { f.System.FIPS = false },
	"312e-04": func(f *Facts) { f.Enforcement.Stale.Add("issuer", "") },
	"312e-05": func(f *Facts) { f.Enforcement.Behind.Add("gateway/icu", "16") },
	"308-01":  func(f *Facts) { f.Identities.Ownerless.Add("device/pump-1", "") },
	"308-02":  func(f *Facts) { f.Identities.Owners = 1 },
	"308-03":  func(f *Facts) { f.Policy.Roles[0].Dormant = 0 },
	"308-04":  func(f *Facts) { f.Identities.Unattested.Add("device/pump-1", "") },
	"308-05":  func(f *Facts) { f.Log.Dropped = 1 },
	"308-06":  func(f *Facts) { f.System.Backup.At = now.Add(-27 * time.Hour) },
	"308-08":  func(f *Facts) { f.Daily = now.Add(-27 * time.Hour) },
	"308-13":  func(f *Facts) { f.Reviews.Waits = now.Add(-36 * day); f.Reviews.Gaps.Add("entries 7 to 9", "") },
	"308-14":  func(f *Facts) { f.Alerts.Unseen[0].Opened = now.Add(-25 * time.Hour) },
	"308-15":  func(f *Facts) { f.System.Sinks[0].Alerts = false },
	"316-01":  func(f *Facts) { f.System.KeepsLog = day },
	"316-02":  func(f *Facts) { f.System.KeepsRecords = day },
	"316-03":  func(f *Facts) { f.Log.Missing.Add("segment-1", "") },
	"316-04":  func(f *Facts) { f.Policy.Kept = 2 },
}

// Whatever is broken, exactly one check says so, and says what to do.
func TestOneFaultOneCheck(t *testing.T) {
	before := judged(t, "hipaa-nprm", good())
	for _, c := range Checks().Checks {
		t.Run(c.ID, func(t *testing.T) {
			f := good()
			if c.Manual {
				delete(f.Attested, c.ID)
			} else {
				require.Contains(t, faults, c.ID, "a check without a fault cannot fail")
				faults[c.ID](f)
			}
			after := judged(t, "hipaa-nprm", f)
			var flipped []string
			for id, r := range after {
				if r.State != before[id].State {
					flipped = append(flipped, id)
				}
			}
			require.Equal(t, []string{c.ID}, flipped)
			r := after[c.ID]
			switch {
			case c.Manual:
				require.Equal(t, NotTested, r.State)
			case c.ID == "312e-03":
				require.Equal(t, NotApplicable, r.State)
				return
			default:
				require.Equal(t, Fail, r.State)
			}
			require.Equal(t, c.Do, r.Do)
		})
	}
}

// Where there are no facts nothing passes: a check that nobody made is not tested, and
// says why.
func TestNoFacts(t *testing.T) {
	f := &Facts{At: now, Since: now.Add(-30 * day)}
	for id, r := range judged(t, "hipaa-nprm", f) {
		require.NotEqual(t, Pass, r.State, "%s: %s", id, r.Found)
		require.NotEmpty(t, r.Found, id)
	}
	for _, s := range Safeguards() {
		require.NotContains(t, sentence(f, s), "each", "of nothing nothing is said")
	}
}

// A check passes on what it saw: what could not be read, or was not there to be looked
// at, makes it not tested, and what it saw of a fault is a fault all the same.
func TestPartOfTheFacts(t *testing.T) {
	records := []string{"312a-01", "312a-07", "312b-05", "312c-01", "312d-01", "312d-02"}
	for name, tt := range map[string]struct {
		spoil  func(*Facts)
		checks []string
	}{
		"unreadable records": {func(f *Facts) { f.Access.Unreadable = 1 }, records},
		"nothing but those":  {func(f *Facts) { f.Access = Traffic{Unreadable: 7, Journals: 2} }, append([]string{"312a-03"}, records...)},
		"nobody let in":      {func(f *Facts) { f.Access.Outcomes = map[string]int64{"refused": 3} }, []string{"312d-01"}},
		"nothing revoked":    {func(f *Facts) { f.Access.Voids = 0 }, []string{"312d-02"}},
		"too much revoked":   {func(f *Facts) { f.Access.VoidsLost = true }, []string{"312d-02"}},
		"no room for pairs":  {func(f *Facts) { f.Access.Unpaired = 1 }, []string{"312c-01"}},
		"nobody active":      {func(f *Facts) { f.Identities.States = nil }, []string{"308-01", "308-04", "312d-06"}},
		"no roles":           {func(f *Facts) { f.Policy.Roles = nil }, []string{"308-03", "308-04", "312d-03", "312d-04", "312d-07"}},
		"nobody asked":       {func(f *Facts) { f.Policy.Roles[0].Attest = 0 }, []string{"308-04"}},
		"no entry of it":     {func(f *Facts) { f.Policy.Logged = false }, []string{"312c-03"}},
		"too many powers":    {func(f *Facts) { f.Emergency.Lost = true }, []string{"312a-12"}},
		"no sink":            {func(f *Facts) { f.System.Sinks = nil }, []string{"312b-07"}},
		"no watch":           {func(f *Facts) { f.Alerts = Alerts{} }, []string{"308-14", "312b-08"}},
		"too many alerts":    {func(f *Facts) { f.Alerts.Lost = true }, []string{"308-14"}},
		"no daemon":          {func(f *Facts) { f.System = System{} }, []string{"308-06", "308-15", "312a-08", "312a-09", "312a-10", "312b-03", "312b-07", "312e-01", "312e-02", "312e-03", "316-01", "316-02"}},
	} {
		f := good()
		tt.spoil(f)
		var untested []string
		for id, r := range judged(t, "hipaa-nprm", f) {
			if r.State == NotTested {
				untested = append(untested, id)
				require.NotEmpty(t, r.Do, id)
			}
		}
		require.ElementsMatch(t, tt.checks, untested, name)
	}
	f := good()
	f.Access.Unreadable = 1
	faults["312d-01"](f)
	require.Equal(t, Fail, judged(t, Current, f)["312d-01"].State)
	f = good()
	f.Emergency = Emergency{}
	require.Equal(t, NotApplicable, judged(t, Current, f)["312a-12"].State)
}

// What people put their name to ends, at their own date or at the check's.
func TestAttested(t *testing.T) {
	for name, tt := range map[string]struct {
		a    Attestation
		want State
	}{
		"in force":    {Attestation{At: now.Add(-day), Expires: now.Add(time.Second)}, Attested},
		"ended":       {Attestation{At: now.Add(-day), Expires: now}, NotTested},
		"too long":    {Attestation{At: now.Add(-367 * day), Expires: now.Add(day)}, NotTested},
		"of a future": {Attestation{At: now.Add(day), Expires: now.Add(2 * day)}, Attested},
	} {
		f := good()
		f.Attested["308-07"] = tt.a
		require.Equal(t, tt.want, judged(t, Current, f)["308-07"].State, name)
	}
}

// Numbers are not used twice, every check has all its words, and nothing is called
// compliant.
func TestTable(t *testing.T) {
	table := Checks()
	seen := map[string]bool{}
	for _, c := range table.Checks {
		require.False(t, seen[c.ID], c.ID)
		seen[c.ID] = true
		require.Regexp(t, `^(312[a-e]|308|316)-\d\d$`, c.ID)
		require.Contains(t, Safeguards(), c.Safeguard, c.ID)
		require.Equal(t, c.Manual && c.ID != "312a-11", judgements()[c.ID] == nil, c.ID)
		for _, cite := range c.Cites {
			require.Regexp(t, `^164\.3(08|12|16)\([a-z0-9]+\)`, cite, c.ID)
		}
		for _, words := range []string{c.Title, c.Rule, c.Query, c.Do} {
			require.NotEmpty(t, words, c.ID)
		}
		// Where nothing was looked at there is nothing "below", and no fault to mend.
		require.Equal(t, c.Manual || c.ID == "308-13", c.Untested == "", c.ID)
		require.NotContains(t, c.Untested, "below", c.ID)
		for _, p := range c.Profiles {
			require.Contains(t, table.Profiles, p, c.ID)
		}
		for name := range table.Profiles {
			if c.Manual && c.In(name) {
				require.Positive(t, c.Within[name].Duration, c.ID)
			}
		}
	}
	for id := range judgements() {
		require.True(t, seen[id], id)
	}
	require.NotRegexp(t, regexp.MustCompile(`(?i)\bcompliant\b`), string(checksFile))
	require.True(t, table.Profiles["hipaa-nprm"].Proposed)
	require.Contains(t, table.Profiles["hipaa-nprm"].Note, "proposal and no law")
	_, err := table.Profile("gdpr")
	var unknown *UnknownProfileError
	require.ErrorAs(t, err, &unknown)
	p, err := table.Profile("")
	require.NoError(t, err)
	require.Equal(t, Current, p.Name)
}

// The log is reviewed as long as nothing is older than the limit that nobody went through:
// where nobody ever did it has that time from its beginning, and a word that was given when
// there was nothing else holds until its end.
func TestLooked(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(*Facts)
		want   State
		found  string
	}{
		"in time":             {func(*Facts) {}, Pass, "Reviewed once, last on"},
		"all of it":           {func(f *Facts) { f.Reviews.Waits = time.Time{} }, Pass, "Reviewed once"},
		"due":                 {func(f *Facts) { f.Reviews.Waits = now.Add(-9 * day) }, Pass, "the next review is due"},
		"late":                {func(f *Facts) { f.Reviews.Waits = now.Add(-36 * day) }, Fail, "36 days ago"},
		"never, a young log":  {func(f *Facts) { f.Reviews = Reviews{Waits: now.Add(-30 * day)} }, NotTested, "30 days old"},
		"never":               {func(f *Facts) { f.Reviews = Reviews{Waits: now.Add(-36 * day)} }, Fail, "Nobody has ever reviewed the log"},
		"too much to look at": {func(f *Facts) { f.Reviews.Lost = true }, NotTested, "more reviews"},
		"a word of before": {func(f *Facts) {
			f.Reviews = Reviews{Waits: now.Add(-90 * day)}
			f.Attested["308-13"] = Attestation{Word: "done", By: "officer/anna", At: now.Add(-day), Expires: now.Add(day)}
		}, Attested, "officer/anna"},
		"a word that ended": {func(f *Facts) {
			f.Reviews = Reviews{Waits: now.Add(-90 * day)}
			f.Attested["308-13"] = Attestation{Word: "done", By: "officer/anna", At: now.Add(-day), Expires: now}
		}, Fail, "Nobody has ever"},
	} {
		f := good()
		tt.change(f)
		r := judged(t, Current, f)["308-13"]
		require.Equal(t, tt.want, r.State, "%s: %s", name, r.Found)
		require.Contains(t, r.Found, tt.found, name)
	}
	r := judged(t, Current, good())["308-13"]
	require.Len(t, r.Rows, 1)
	require.Contains(t, r.Rows[0].What, "entries 1 to 8,000")
	require.Contains(t, r.Rows[0].Detail, "auditor/cleo")
}

// An emergency that somebody looked at afterwards was a trial; without one, it takes a
// person's word.
func TestTried(t *testing.T) {
	f := good()
	require.Equal(t, Attested, judged(t, Current, f)["312a-11"].State)
	f.Attested = nil
	require.Equal(t, NotTested, judged(t, Current, f)["312a-11"].State)
	f.Emergency.Reviewed = []PowerReview{{Person: "officer/anna", By: "auditor/cleo", At: now.Add(-day), Word: "right"}}
	r := judged(t, Current, f)["312a-11"]
	require.Equal(t, Pass, r.State)
	require.Contains(t, r.Rows[0].Detail, "“right”")
}

// What changed since the run before is what ended otherwise, and what is new.
func TestChanges(t *testing.T) {
	p, err := Checks().Profile(Current)
	require.NoError(t, err)
	first := Judge(Checks(), p, good())
	require.Empty(t, first.Changes)
	require.Nil(t, first.Last)
	states := DecodeStates(first.Encode())
	require.Len(t, states, len(first.Results))
	delete(states, "308-01")
	states["999-99"] = Pass // a check of a later program

	f := good()
	f.Last = &Summary{At: now.Add(-day), Profile: Current, States: states}
	faults["312d-06"](f)
	second := Judge(Checks(), p, f)
	require.Equal(t, f.Last.At, *second.Last)
	require.ElementsMatch(t, []Change{
		{"308-01", "Somebody answers for each machine", "", Pass}, {"312d-06", "No identity is under suspicion", Pass, Fail},
	}, second.Changes)
}

// Texts count as people do, and examples end at ten.
func TestWords(t *testing.T) {
	require.Equal(t, "1,204", number(1204))
	require.Equal(t, "48,231,007", number(48_231_007))
	require.Equal(t, "999", number(999))
	require.Equal(t, "1 identity", counted(1, "identity"))
	require.Equal(t, "0 identities", counted(0, "identity"))
	require.Equal(t, "2 accesses were", were(2, "access"))
	require.Equal(t, "43 seconds", length(43*time.Second))
	require.Equal(t, "29 days", length(29*day))
	var c Count
	for range 12 {
		c.Add("x", "")
	}
	c.Merge(Count{N: 3, Rows: []Row{{"y", ""}}})
	require.EqualValues(t, 15, c.N)
	require.Len(t, c.Rows, MaxRows)
	f := good()
	f.Identities.Suspect = c
	r := judged(t, Current, f)["312d-06"]
	require.EqualValues(t, 5, r.More)
	text, err := json.Marshal(r)
	require.NoError(t, err)
	require.Contains(t, string(text), `"state":"fail"`)
	for _, s := range Judge(Checks(), Profile{Name: Current}, good()).Safeguards {
		require.False(t, strings.Contains(s.Text, "%!"), s.Text)
		require.NotEmpty(t, s.Text)
	}
	require.Equal(t, "1,206 active identities, each with keys of its own. None is shared.", sentence(good(), Access))
}
