package alert_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/store/alert"
)

// An engine that takes over what is on record opens none of it again, and gives no number
// twice, whatever it had come to by itself.
func TestAdopt(t *testing.T) {
	at := time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC)
	taken := func(seq int64, who string) alert.Fact {
		return alert.Fact{Kind: alert.KeyTaken, Seq: seq, At: at.Add(time.Duration(seq) * time.Second), Identity: who, Other: "device/x"}
	}
	e := alert.New(alert.Config{})
	first := e.Observe(taken(1, "device/a"))
	require.Len(t, first, 1)
	record := first[0].Alert
	record.ID, record.State, record.By = 7, alert.Acknowledged, "auditor/cleo"
	gone := record
	gone.ID, gone.Rule = 9, "A99"
	e.Adopt(8, []alert.Alert{record, gone})
	require.Equal(t, []alert.Alert{record}, e.Open())

	again := e.Observe(taken(2, "device/a"))
	require.Equal(t, alert.Counting, again[0].What)
	require.Equal(t, int64(7), again[0].Alert.ID)
	require.Equal(t, alert.Acknowledged, again[0].Alert.State)
	require.Equal(t, int64(9), e.Observe(taken(3, "device/b"))[0].Alert.ID)

	e.Adopt(0, nil)
	require.Empty(t, e.Open())
	require.Equal(t, int64(10), e.Observe(taken(4, "device/a"))[0].Alert.ID)
}
