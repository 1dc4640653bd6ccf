package compliance

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A critical alert that resolved by itself after a day, with nobody's word, was not seen; one
// that did so before was.
func TestSeen(t *testing.T) {
	f := good()
	f.Alerts.Unseen[1].Resolved = f.Alerts.Unseen[1].Opened.Add(25 * time.Hour)
	r := judged(t, Current, f)["308-14"]
	require.Equal(t, Fail, r.State)
	require.Len(t, r.Rows, 1)
	require.Contains(t, r.Rows[0].Detail, "resolved by itself")
	f.Alerts = Alerts{Evaluated: now, Opened: 3}
	require.Contains(t, judged(t, Current, f)["308-14"].Found, "none of severity critical")
}
