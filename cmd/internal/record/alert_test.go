package record

import (
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/store/alert"
)

// The rules of alerts read records as they are written: who was let through, and who was not known. A guard
// beside the caller is no witness of its own.
func TestAlertRules(t *testing.T) {
	at := time.Date(2026, 11, 22, 7, 59, 0, 0, time.UTC)
	const (
		serialA = "019a00000000000000000000000000aa"
		journal = "hospital.example/service/gate-1/journal/0a"
	)
	r := Record{
		Begin: at, End: at, Since: at.Add(-time.Hour), Caller: "spiffe://hospital.example/device/a", Serial: serialA, Address: "10.1.2.3:4711",
		Guard: "spiffe://hospital.example/service/gate-1", Side: Server, Route: "fhir", Protocol: FHIR, Kind: Request,
		Operation: "GET", Resource: "Patient", Outcome: Allowed, In: 5, Out: 7,
	}
	want := alert.Fact{
		Kind: alert.Used, Origin: journal, Seq: 1, At: at, Identity: "device/a", Other: "service/gate-1", Address: netip.MustParseAddr("10.1.2.3"),
		Serial: serialA, Since: at.Add(-time.Hour), Route: "fhir", Resource: "Patient", Reads: true, Bytes: 12,
	}
	require.Equal(t, want, alert.Of(journal, sealed(t, r.Event())))

	r.Caller = "spiffe://elsewhere.example/device/a"
	require.Equal(t, "elsewhere.example/device/a", alert.Of(journal, sealed(t, r.Event())).Identity, "another trust domain's is another machine")

	r.Side = Client
	require.Zero(t, alert.Of(journal, sealed(t, r.Event())).Kind)

	r.Side, r.Kind, r.Operation, r.Outcome = Server, Connection, "handshake", Refused
	for reason, kind := range map[string]alert.Kind{
		"peer refused: spiffe://hospital.example/device/a, certificate 01: its certificate is revoked": alert.Void,
		"x509: certificate has expired or is not yet valid":                                            alert.Void,
		"it showed no certificate":          alert.Stranger,
		"too many handshakes are under way": 0,
		"15 more connections were refused":  alert.Dropped,
	} {
		if kind != alert.Void {
			r.Caller = ""
		}
		r.Reason = reason
		require.Equal(t, kind, alert.Of(journal, sealed(t, r.Event())).Kind, reason)
		r.Caller = "spiffe://hospital.example/device/a"
	}
}
