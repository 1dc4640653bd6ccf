package agent_test

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/enroll/agent"
	"github.com/betonica/betonica/enroll/client/catest"
)

// A CA that lost what the machine has seen, and says so, is an alarm, once; what it had
// said is kept for ever; the machine renews as before, and holds the CA to what it says
// from then on.
func TestRecoveredLog(t *testing.T) {
	for _, grown := range []int{0, 1, 2, 40} { // since it was recovered
		inWorld(t, nil, func(t *testing.T, w *world) {
			after(20 * time.Hour)
			held, size := read(t, w.conf.Dir, "log/checkpoint"), heldSize(t, w.conf.Dir)
			require.Greater(t, size, int64(1))
			w.ca.Lock()
			w.ca.Log.Recover(1)
			w.ca.Log.Grow(grown)
			w.ca.Unlock()
			after(36 * time.Hour)
			require.Empty(t, w.events.all(agent.Forked))
			lost := w.events.all(agent.Recovered)
			require.Len(t, lost, 1)
			e, ok := errors.AsType[*agent.RecoveryError](lost[0].Err)
			require.True(t, ok)
			require.Equal(t, [2]int64{1, size}, [2]int64{e.Kept, e.Lost})
			require.Equal(t, held, read(t, e.Held))
			require.Contains(t, read(t, e.Seen), "\nrecovery ")
			require.NotEmpty(t, w.events.all(agent.Renewed))
			require.NotEqual(t, held, read(t, w.conf.Dir, "log/checkpoint"))

			w.ca.Lock()
			w.ca.Log.Fork(100) // without a word
			w.ca.Unlock()
			after(12 * time.Hour)
			require.NotEmpty(t, w.events.all(agent.Forked))
		})
	}
}

// A recovery explains one contradiction, and not the next.
func TestRecoveryExplainsOnce(t *testing.T) {
	ca := catest.New(t)
	conf, events := config(t, ca)
	mustEnroll(t, ca, conf)
	renew := renewAfter(t, ca, conf)
	renew(func() { ca.Log.Grow(10) })
	renew(func() { ca.Log.Recover(5); ca.Log.Grow(20) })
	require.Len(t, events.all(agent.Recovered), 1)
	held := heldSize(t, conf.Dir)
	renew(func() { ca.Log.SetBack(8); ca.Log.Grow(int(held)) }) // and that recovery is shown again
	require.Len(t, events.all(agent.Recovered), 1)
	require.Len(t, events.all(agent.Forked), 1)
}

// A CA that kept what the machine has seen is no alarm; one that says that it did, and
// shows another history, is.
func TestRecoveryKept(t *testing.T) {
	ca := catest.New(t)
	conf, events := config(t, ca)
	mustEnroll(t, ca, conf)
	renew := renewAfter(t, ca, conf)
	held := heldSize(t, conf.Dir)
	renew(func() { ca.Log.Grow(10); ca.Log.Recover(held); ca.Log.Grow(3) })
	require.Empty(t, events.all(agent.Recovered))
	require.Empty(t, events.all(agent.Forked))
	renew(func() { ca.Log.Recover(3); ca.Log.Fork(60) }) // what it goes back to is of another
	require.Empty(t, events.all(agent.Recovered))
	require.Len(t, events.all(agent.Forked), 1)
}

// renewAfter returns what has the machine renew once the CA's log has changed.
func renewAfter(t *testing.T, ca *catest.Server, conf agent.Config) func(change func()) {
	return func(change func()) {
		ca.Lock()
		change()
		ca.Unlock()
		_, _, err := agent.Renew(t.Context(), conf, false)
		require.NoError(t, err)
	}
}
