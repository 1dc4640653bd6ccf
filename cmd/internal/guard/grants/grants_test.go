package grants_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/cmd/internal/guard/grants"
	"github.com/betonica/betonica/cmd/internal/record"
	"github.com/betonica/betonica/revoke/allow"
	"github.com/betonica/betonica/revoke/allow/rulefile"
)

const td = "hospital.example"

var begin = time.Date(2026, 11, 1, 8, 0, 0, 0, time.UTC)

func caller(path string) string { return "spiffe://" + td + "/" + path }

func id(t testing.TB, uri string) allow.ID {
	got, err := allow.ParseID(uri)
	require.NoError(t, err)
	return got
}

// rec is what a guard keeps of one access, of what matters here.
func rec(who string, protocol record.Protocol, operation, resource string, change ...func(*record.Record)) record.Record {
	r := record.Record{Begin: begin, End: begin, Caller: caller(who), Guard: caller("gateway/gw-1"), Side: record.Server, Route: "r1",
		Protocol: protocol, Kind: record.Request, Operation: operation, Resource: resource, Outcome: record.Observed}
	switch protocol {
	case record.MLLP, record.DICOM:
		r.Kind = record.Message
	case record.TCP:
		r.Kind = record.Connection
	}
	for _, f := range change {
		f(&r)
	}
	return r
}

func dicom(called, calling string) func(*record.Record) {
	return func(r *record.Record) { r.Called, r.Calling = called, calling }
}

func collect(t testing.TB, records ...record.Record) *grants.Collector {
	c := new(grants.Collector)
	for _, r := range records {
		require.NoError(t, c.Add(r))
	}
	return c
}

// parse reads what was written as the guard does.
func parse(t testing.TB, text []byte) allow.Set {
	f, err := rulefile.Parse("suggested", text, td)
	require.NoError(t, err, "%s", text)
	return f.Rules
}

// What is suggested reads as somebody would have written it.
func TestSuggest(t *testing.T) {
	var all []record.Record
	for i := range 3 {
		all = append(all,
			rec(fmt.Sprintf("device/pump-%d", i), record.FHIR, "create", "Observation"),
			rec(fmt.Sprintf("device/pump-%d", i), record.FHIR, "create", "DeviceMetric"))
	}
	all = append(all,
		rec("device/pump-1", record.FHIR, "read", "Patient"),
		rec("service/portal", record.FHIR, "search-type", "Observation", func(r *record.Record) { r.Compartment, r.Also = "Patient", "Practitioner,Device" }),
		rec("service/ehr", record.HTTP, "GET", "/beds/*", func(r *record.Record) { r.End = time.Time{} }), // of one of those that follow
		rec("service/ehr", record.HTTP, "GET", "/beds/*"), rec("service/ehr", record.HTTP, "POST", "/beds/*"), rec("service/ehr", record.HTTP, "GET", "/{$}"),
		rec("service/ehr", record.MLLP, "ADT^A01", "LAB -> EHR"), rec("service/ehr", record.MLLP, "ORU^R01", "LAB -> EHR"),
		rec("device/ct-1", record.DICOM, "C-STORE", "1.2.840.10008.5.1.4.1.1.2 CT Image Storage", dicom("ARCHIVE", "CT1")),
		rec("device/ct-1", record.DICOM, "C-ECHO", "1.2.840.10008.1.1 Verification", dicom("ARCHIVE", "CT1")),
		rec("service/ehr", record.TCP, "open", "", func(r *record.Record) { r.Route = "pg"; r.Begin = begin.Add(time.Hour) }),
		rec("service/ehr", record.TCP, "close", "", func(r *record.Record) { r.Route = "pg" }),
	)
	slices.Reverse(all)
	c := collect(t, all...)
	text := grants.Write(c.Suggest(3), false)
	require.Equal(t, `# 1 times, last 2026-11-01T09:00:00Z
[[allow]]
name = "tcp-service-ehr"
peers = ["service/ehr"]
listener = ["pg"]
tcp = true

# 1 times, last 2026-11-01T08:00:00Z
[[allow]]
name = "dicom-device-ct-1"
peers = ["device/ct-1"]
listener = ["r1"]
dicom = { called = ["ARCHIVE"], calling = ["CT1"], sop_classes = ["1.2.840.10008.1.1"], commands = ["C-ECHO"] }

# 1 times, last 2026-11-01T08:00:00Z
[[allow]]
name = "dicom-device-ct-1.2"
peers = ["device/ct-1"]
listener = ["r1"]
dicom = { called = ["ARCHIVE"], calling = ["CT1"], sop_classes = ["1.2.840.10008.5.1.4.1.1.2"], commands = ["C-STORE"] }

# 6 times, last 2026-11-01T08:00:00Z
[[allow]]
name = "fhir-device"
peers = ["device/pump-0", "device/pump-1", "device/pump-2"]
listener = ["r1"]
fhir = { interactions = ["create"], types = ["DeviceMetric", "Observation"] }

# 1 times, last 2026-11-01T08:00:00Z
[[allow]]
name = "fhir-device-pump-1"
peers = ["device/pump-1"]
listener = ["r1"]
fhir = { interactions = ["read"], types = ["Patient"] }

# 1 times, last 2026-11-01T08:00:00Z
[[allow]]
name = "fhir-service-portal"
peers = ["service/portal"]
listener = ["r1"]
fhir = { interactions = ["search-type"], types = ["Observation"], include = ["Practitioner", "Device"], compartments = ["Patient"] }

# 2 times, last 2026-11-01T08:00:00Z
[[allow]]
name = "hl7-service-ehr"
peers = ["service/ehr"]
listener = ["r1"]
hl7 = { messages = ["ADT^A01", "ORU^R01"] }

# 2 times, last 2026-11-01T08:00:00Z
[[allow]]
name = "http-service-ehr"
peers = ["service/ehr"]
listener = ["r1"]
http = { methods = ["GET", "POST"], routes = ["/beds/*"] }

# 1 times, last 2026-11-01T08:00:00Z
[[allow]]
name = "http-service-ehr.2"
peers = ["service/ehr"]
listener = ["r1"]
http = { methods = ["GET"], routes = ["/{$}"] }
`, string(text))
	parse(t, text)
	counted, left, first, last := c.Records()
	require.Equal(t, []any{int64(len(all) - 2), int64(0), begin, begin.Add(time.Hour)}, []any{counted, left, first, last})
}

// What every machine of a role does is the role's, from as many of them on as is said.
func TestSuggestRole(t *testing.T) {
	var all []record.Record
	for i := range 3 {
		all = append(all, rec(fmt.Sprintf("device/pump-%d", i), record.MLLP, "ORU^R01", ""))
	}
	for fromRole, want := range map[int][]string{1: {caller("device")}, 3: {caller("device")}, 4: {caller("device/pump-0"), caller("device/pump-1"), caller("device/pump-2")}} {
		require.Equal(t, want, collect(t, all...).Suggest(fromRole)[0].Rule.Peers)
	}
	all = append(all, rec("device/fridge", record.MLLP, "ORU^R30", ""))
	require.Len(t, collect(t, all...).Suggest(1)[1].Rule.Peers, 3, "not every device does it")
}

// Of the CA's policy each rule is of one guard.
func TestSuggestPolicy(t *testing.T) {
	c := &grants.Collector{PerGuard: true}
	for _, gw := range []string{"gateway/gw-2", "gateway/gw-1"} {
		require.NoError(t, c.Add(rec("device/a", record.MLLP, "ORU^R01", "", func(r *record.Record) { r.Guard = caller(gw) })))
	}
	text := string(grants.Write(c.Suggest(3), true))
	require.Contains(t, text, "name = \"hl7-device-a\"\nguards = [\"gateway/gw-1\"]\npeers = [\"device/a\"]\n")
	require.Contains(t, text, "name = \"hl7-device-a.2\"\nguards = [\"gateway/gw-2\"]\n")
}

// What no rule may follow from is left out: refusals, the client's side, what a gate has
// not understood, who is nobody.
func TestSuggestLeavesOut(t *testing.T) {
	for name, r := range map[string]record.Record{
		"refused":       rec("device/a", record.HTTP, "GET", "/x", func(r *record.Record) { r.Outcome = record.Refused }),
		"client side":   rec("device/a", record.HTTP, "GET", "/x", func(r *record.Record) { r.Side = record.Client }),
		"failed before": rec("device/a", record.HTTP, "GET", "/x", func(r *record.Record) { r.Outcome = record.Failed }),
		"unclear path":  rec("device/a", record.HTTP, "GET", ""),
		"nobody":        rec("device/a", record.HTTP, "GET", "/x", func(r *record.Record) { r.Caller = "" }),
		"bad method":    rec("device/a", record.HTTP, "g\"et", "/x"),
		"association":   rec("device/a", record.DICOM, "open", "", dicom("A", "B"), func(r *record.Record) { r.Kind = record.Association }),
		"target's own":  rec("device/a", record.DICOM, "N-SET", "1.2.3", dicom("A", "B"), func(r *record.Record) { r.Number = "t1" }),
		"old":           rec("device/a", record.HTTP, "GET", "/x", func(r *record.Record) { r.Begin = begin.Add(-time.Second) }),
		"other":         rec("device/a", "gopher", "GET", "/x"),
	} {
		c := &grants.Collector{Since: begin}
		require.NoError(t, c.Add(r))
		require.Empty(t, c.Suggest(3), name)
	}
	got := collect(t, rec("device/a", record.DICOM, "C-STORE", "1.2.3", dicom("A", "B"), func(r *record.Record) { r.Number = "t1" })).Suggest(3)
	require.Equal(t, []string{"C-GET"}, got[0].Rule.DICOM.Commands, "what the target sends, the caller gets")
}

// The suggested rules allow what is on record, and of a whole world of other things
// nothing.
func TestSuggestIsExact(t *testing.T) {
	who := []string{"device/a", "device/b", "service/c"}
	var world []record.Record
	for _, w := range who {
		for _, route := range []string{"r1", "r2"} {
			on := func(r *record.Record) { r.Route = route }
			for _, m := range []string{"GET", "PUT"} {
				for _, path := range []string{"/{$}", "/beds", "/beds/*", "/beds/{$}", "/beds/*/x"} {
					world = append(world, rec(w, record.HTTP, m, path, on))
				}
			}
			for _, do := range []string{"read", "search-type", "instance/$everything"} {
				for _, kind := range []string{"Patient", "Observation"} {
					world = append(world, rec(w, record.FHIR, do, kind, on))
				}
			}
			for _, inside := range []string{"", "Patient", "Encounter"} {
				world = append(world, rec(w, record.FHIR, "search-type", "Condition", on, func(r *record.Record) { r.Compartment = inside }),
					rec(w, record.FHIR, "search-type", "Media", on, func(r *record.Record) { r.Compartment, r.Also = inside, "Group" }))
			}
			world = append(world, rec(w, record.FHIR, "batch", "", on), rec(w, record.FHIR, "capabilities", "", on), rec(w, record.TCP, "open", "", on))
			for _, m := range []string{"ADT^A01", "ADT^A02", "ACK"} {
				world = append(world, rec(w, record.MLLP, m, "", on))
			}
			for _, ae := range [][2]string{{"X", "Y"}, {"X", "Z"}, {"W", "Y"}} {
				for _, class := range []string{"1.2", "1.2.3"} {
					world = append(world, rec(w, record.DICOM, "C-STORE", class, dicom(ae[0], ae[1]), on), rec(w, record.DICOM, "C-FIND", class, dicom(ae[0], ae[1]), on))
				}
			}
		}
	}
	random := rand.New(rand.NewPCG(1, 2))
	for range 30 {
		var seen []record.Record
		share := random.Float64()
		done := make([]bool, len(world))
		for i := range world {
			if random.Float64() < share {
				done[i] = true
				seen = append(seen, world[i])
			}
		}
		if len(seen) == 0 {
			continue
		}
		set := parse(t, grants.Write(collect(t, seen...).Suggest(100), false))
		for i, r := range world {
			want := done[i]
			if r.Compartment != "" { // who may search everywhere may search there
				open := r
				open.Compartment = ""
				want = want || slices.Contains(seen, open)
			}
			_, allowed := set.Decide(id(t, r.Caller), grants.RequestOf(r))
			require.Equal(t, want, allowed, "%+v", r)
		}
	}
}

// Unused are grants of which the records know no use since then, with the last one.
func TestUnused(t *testing.T) {
	with := func(rule string, at time.Time) func(*record.Record) {
		return func(r *record.Record) { r.Outcome, r.Rule, r.Begin = record.Allowed, rule, at }
	}
	c := collect(t,
		rec("device/pump-1", record.MLLP, "ORU^R01", "", with("report", begin)), rec("device/pump-1", record.MLLP, "ORU^R01", "", with("report", begin.Add(time.Hour))),
		rec("device/pump-2", record.MLLP, "ORU^R01", "", with("report", begin.Add(-100*24*time.Hour))),
		rec("service/ehr", record.MLLP, "ORU^R01", "", with("ehr", begin.Add(-100*24*time.Hour))),
		rec("service/ehr", record.MLLP, "ORU^R01", "", with("gone", begin)),
	)
	rules := []allow.Rule{
		{Name: "report", Peers: []string{caller("device"), caller("gateway")}}, {Name: "ehr", Peers: []string{caller("service/ehr")}}, {Name: "never", Peers: []string{caller("*")}},
	}
	require.Equal(t, []grants.Grant{
		{"report", caller("gateway"), 0, time.Time{}}, {"ehr", caller("service/ehr"), 1, begin.Add(-100 * 24 * time.Hour)}, {"never", caller("*"), 0, time.Time{}},
	}, c.Unused(rules, begin.Add(-90*24*time.Hour)))
	require.Equal(t, []grants.Grant{
		{"ehr", caller("service/ehr"), 1, begin.Add(-100 * 24 * time.Hour)}, {"report", caller("device/pump-2"), 1, begin.Add(-100 * 24 * time.Hour)},
	}, c.Idle(begin.Add(-90*24*time.Hour)))
}

// There is a bound to what records can make a collector keep.
func TestTooMany(t *testing.T) {
	c := new(grants.Collector)
	var err error
	for i := 0; err == nil && i < 200_000; i++ {
		err = c.Add(rec("device/a", record.MLLP, fmt.Sprintf("A%d", i), ""))
	}
	require.ErrorIs(t, err, grants.ErrTooMany)
	require.True(t, strings.HasPrefix(err.Error(), "the records"))
}

// A * that somebody wrote in a title is that sign, and to a rule any title: what was done
// under such a title is not suggested.
func TestSuggestStar(t *testing.T) {
	const ct = "1.2.840.10008.5.1.4.1.1.2 CT Image Storage"
	c := collect(t, rec("device/ct-1", record.DICOM, "C-STORE", ct, dicom("ARCHIVE", "*")), rec("device/ct-1", record.DICOM, "C-STORE", ct, dicom("A*", "CT1")))
	require.Empty(t, c.Suggest(3))
	_, left, _, _ := c.Records()
	require.EqualValues(t, 2, left)
}
