package admin

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// What was read is due again after an hour, after it could not be recorded, when a clock
// was set back, and when there was too much to remember; never because others read.
func TestOnce(t *testing.T) {
	var o once
	a, b := asked{"operator/alice", "status"}, asked{"operator/bob", "status"}
	now := time.Now()
	require.True(t, o.due(a, now))
	require.False(t, o.due(a, now.Add(onceEvery-1)))
	require.True(t, o.due(b, now))
	require.True(t, o.due(a, now.Add(onceEvery)))
	require.False(t, o.due(a, now.Add(onceEvery)))
	o.forget(a)
	require.True(t, o.due(a, now.Add(onceEvery)))
	require.True(t, o.due(a, now))
	for n := range onceMost {
		o.due(asked{"operator/alice", strings.Repeat("x", n)}, now)
		require.LessOrEqual(t, len(o.last), onceMost)
	}
	require.True(t, o.due(b, now))
}

// Every call that only reads is on record by some action.
func TestReadsHaveActions(t *testing.T) {
	for _, v := range verbs {
		if v.method == "GET" {
			require.NotEmpty(t, v.reads, v.path)
		}
	}
}
