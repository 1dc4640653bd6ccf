package alert_test

import (
	"encoding/json"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/store/alert"
	"github.com/betonica/betonica/store/audit"
)

// opened returns an event as it comes out of a log.
func opened(t testing.TB, e audit.Event) audit.Entry {
	keys, data := audit.NewKeys(audit.NewMaster()), audit.NewDataKey()
	row, err := audit.NewSealer(keys, data).Seal(7, time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC), e)
	require.NoError(t, err)
	entry, err := audit.NewKeyring(data).Open(row.Leaf)
	require.NoError(t, err)
	return entry
}

const (
	serialA = "019a00000000000000000000000000aa"
	journal = "hospital.example/service/gate-1/journal/0a"
)

// Entries of the CA's log mean what they say.
func TestOf(t *testing.T) {
	from := netip.MustParseAddr("10.1.2.3")
	ends := time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC)
	for _, tt := range []struct {
		event audit.Event
		want  alert.Fact
	}{
		{
			audit.Event{Action: "certificate.issue", Outcome: "ok", Detail: map[string]any{"serial": serialA, "ends": ends, "proof": "certificate:01"}},
			alert.Fact{Kind: alert.Issued, Identity: "device/a", Serial: serialA, Ends: ends, Renewal: true, Why: "ok"},
		},
		{
			audit.Event{Action: "certificate.issue", Outcome: "ok", Detail: map[string]any{"serial": serialA, "proof": "token:01"}},
			alert.Fact{Kind: alert.Issued, Identity: "device/a", Serial: serialA, Why: "ok"},
		},
		{
			audit.Event{Action: "certificate.issue", Outcome: "ok", Detail: map[string]any{"serial": serialA, "proof": "token:01", "clock": -150}},
			alert.Fact{Kind: alert.Issued, Identity: "device/a", Serial: serialA, Age: -150 * time.Second, Why: "ok"},
		},
		{
			audit.Event{Action: "certificate.issue", Outcome: "ok", Detail: map[string]any{"serial": serialA, "proof": "token:01", "clock": int64(-1 << 62)}},
			alert.Fact{Kind: alert.Issued, Identity: "device/a", Serial: serialA, Age: -100 * 366 * 24 * time.Hour, Why: "ok"},
		},
		{
			audit.Event{Action: "certificate.refuse", Outcome: "no", Detail: map[string]any{"proof": "certificate:" + serialA, "void": "unissued", "claims": "device/b"}},
			alert.Fact{Kind: alert.Unissued, Identity: "device/b", Serial: serialA, Why: "no"},
		},
		{
			audit.Event{Action: "certificate.refuse", Outcome: "no", Detail: map[string]any{"proof": "certificate:" + serialA, "void": "revoked"}},
			alert.Fact{Kind: alert.Void, Identity: "device/a", Serial: serialA, Code: alert.CodeRevoked, Why: "no"},
		},
		{
			audit.Event{Action: "certificate.refuse", Outcome: "no", Detail: map[string]any{"proof": "certificate:" + serialA, "method": "renew"}},
			alert.Fact{Kind: alert.Refused, Identity: "device/a", Serial: serialA, Why: "no"},
		},
		{
			audit.Event{Action: "certificate.refuse", Outcome: "not a certificate of ours"},
			alert.Fact{Kind: alert.Stranger, Why: "not a certificate of ours"},
		},
		{
			audit.Event{Action: "certificate.fork", Outcome: "renewed with another key", Detail: map[string]any{"child": serialA}},
			alert.Fact{Kind: alert.Forked, Identity: "device/a", Serial: serialA, Code: alert.CodeOtherKey, Why: "renewed with another key"},
		},
		{
			audit.Event{Action: "certificate.late", Outcome: "late", Detail: map[string]any{"expired": ends.Format(time.RFC3339)}},
			alert.Fact{Kind: alert.Late, Identity: "device/a", Ends: ends, Why: "late"},
		},
		{
			audit.Event{Action: "identity.suspect", Outcome: "x", Detail: map[string]any{"other": "device/b", "proof": "token:01", "reason": "key"}},
			alert.Fact{Kind: alert.KeyTaken, Identity: "device/a", Other: "device/b", Why: "x"},
		},
		{
			audit.Event{Action: "token.reuse", Outcome: "x", Detail: map[string]any{"proof": "token:01"}},
			alert.Fact{Kind: alert.Misused, Identity: "device/a", Other: "token:01", Code: alert.CodeReused, Why: "x"},
		},
		{
			audit.Event{Action: "token.refuse", Outcome: "outside its network 10.0.0.0/8"},
			alert.Fact{Kind: alert.Misused, Other: "device/a", Code: alert.CodeNetwork, Why: "outside its network 10.0.0.0/8"},
		},
		{
			audit.Event{Action: "compliance.run", Outcome: "3 of 40 checks failed", Detail: map[string]any{"verified": "2026-11-22T08:00:00Z", "findings": 2}},
			alert.Fact{Kind: alert.Verified, Why: "2 findings"},
		},
		{
			audit.Event{Action: "compliance.run", Outcome: "3 of 40 checks failed", Detail: map[string]any{"verified": "2026-11-22T08:00:00Z", "findings": 0}},
			alert.Fact{Kind: alert.Verified},
		},
		{
			audit.Event{Action: "alert.quiet", Outcome: "ok", Detail: map[string]any{"site": "north", "until": ends, "reason": "new pumps"}},
			alert.Fact{Kind: alert.Window, Site: "north", Ends: ends, Other: "new pumps", Why: "ok"},
		},
		{
			audit.Event{Action: "identity.revoke", Outcome: "ok", Detail: map[string]any{"serials": []string{serialA}}},
			alert.Fact{Kind: alert.Revoked, Identity: "device/a", Serials: []string{serialA}, Why: "ok"},
		},
		{
			audit.Event{Action: "request.refuse", Outcome: "x", Detail: map[string]any{"reason": "network_queue"}},
			alert.Fact{Identity: "device/a", Why: "x"},
		},
		{
			audit.Event{Action: "refusals.dropped", Outcome: "ok", Detail: map[string]any{"count": 12}},
			alert.Fact{Kind: alert.Dropped, Count: 12, Why: "ok"},
		},
		{
			audit.Event{Action: "power.begin", Actor: "officer/ben", Outcome: "ok", Detail: map[string]any{"break_glass": true, "reason": "fire"}},
			alert.Fact{Kind: alert.Emergency, Identity: "device/a", Why: "fire"},
		},
		{
			audit.Event{Action: "power.end", Actor: "self", Outcome: "ok", Detail: map[string]any{"break_glass": true}},
			alert.Fact{Kind: alert.Calm, Identity: "device/a", Why: "ok"},
		},
		{audit.Event{Action: "power.begin", Outcome: "ok"}, alert.Fact{Identity: "device/a", Why: "ok"}},
		{audit.Event{Action: "policy.change", Outcome: "ok"}, alert.Fact{Identity: "device/a", Why: "ok"}},
	} {
		tt.event.Subject, tt.event.Address = "device/a", from.String()
		e := opened(t, tt.event)
		tt.want.Seq, tt.want.At, tt.want.Address = 7, e.At, from
		require.Equal(t, tt.want, alert.Of("", e), tt.event.Action)
	}
}

// What a guard made up can be shown, and asked a database for.
func TestOfHostile(t *testing.T) {
	f := alert.Of(journal, audit.Entry{Seq: 1, Event: audit.Event{
		Action: "access.request", Actor: "device/\x00a\n" + strings.Repeat("b", 300), Outcome: "allowed", Detail: map[string]any{"side": "server", "route": "\x00"},
	}})
	require.Equal(t, alert.Used, f.Kind)
	require.LessOrEqual(t, len(f.Identity), 192)
	for _, text := range []string{f.Identity, f.Route} {
		require.NotContains(t, text, "\x00")
		require.NotContains(t, text, "\n")
	}
}

// FuzzObserve: what a hostile guard writes into its journal, or somebody into the CA's log,
// never panics, and never gives an alert that could begin a line.
func FuzzObserve(f *testing.F) {
	f.Add("", "certificate.issue", "device/a", "10.0.0.1", `{"serial":"`+serialA+`","ends":"2026-11-22T08:00:00Z"}`, "ok", int64(3))
	f.Add(journal, "access.request", "spiffe://hospital.example/device/a", "10.0.0.1:1", `{"side":"server","serial":"`+serialA+`","in":1e400,"begin":"x"}`, "allowed", int64(-9))
	f.Fuzz(func(t *testing.T, origin, action, who, from, text, outcome string, seq int64) {
		e := alert.New(alert.Config{Memory: 1})
		now := time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC)
		e.Tick(now)
		entry := audit.Entry{Seq: seq, At: now, Event: audit.Event{Action: action, Actor: who, Subject: who, Address: from, Outcome: outcome}}
		d := json.NewDecoder(strings.NewReader(text))
		d.UseNumber()
		d.Decode(&entry.Detail)
		for i := range int64(12) {
			entry.Seq = seq + i
			for _, c := range e.Observe(alert.Of(origin, entry)) {
				for _, s := range []string{c.Alert.Key, c.Alert.Subject, c.Alert.Site, c.Alert.Facts[0], c.Alert.Facts[1], c.Subject} {
					require.NotContains(t, s, "\n")
				}
			}
		}
		e.Tick(now.Add(time.Hour))
		_, err := alert.Restore(alert.Config{Memory: 1}, e.Snapshot())
		require.NoError(t, err)
	})
}
