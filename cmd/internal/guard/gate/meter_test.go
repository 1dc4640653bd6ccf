package gate_test

import (
	"log/slog"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/cmd/internal/guard/gate"
	"github.com/betonica/betonica/cmd/internal/record"
)

// Who makes up reasons to be refused for does not hide why the guard ended connections.
func TestMeterStrangers(t *testing.T) {
	w := newWorld(t)
	r := &gate.Route{Name: "x", Records: w.route.Records, Meter: new(gate.Meter), Log: slog.New(slog.DiscardHandler), Now: time.Now}
	_, l := gate.NewLink(t.Context(), r, nil, gate.Caller{}, nil, nil)
	for i := range 200 {
		l.Keep(t.Context(), record.Record{Outcome: record.Refused, Reason: "element of " + strconv.Itoa(i) + " bytes"})
	}
	l.Keep(t.Context(), record.Record{Outcome: record.Cut, Reason: gate.Revoked})
	counts := r.Meter.Counts().Records
	require.EqualValues(t, 1, counts[gate.Tally{Outcome: record.Cut, Reason: gate.Revoked}])
	require.LessOrEqual(t, len(counts), 130)
}
