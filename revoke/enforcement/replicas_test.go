package enforcement_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/enroll/enrolltest"
	"github.com/betonica/betonica/revoke/enforcement"
	"github.com/betonica/betonica/store/storetest"
)

// pair are two processes of one CA on one database. change is for the second.
func pair(t *testing.T, change ...func(*enforcement.Config)) (here, there *fleet) {
	c := enrolltest.Open(t, storetest.Postgres(t).Database(t))
	here = newFleetOn(t, c, c.Store, soon)
	there = newFleetOn(t, c, c.Replica(), append(change, soon)...)
	here.join("a", "b")
	return here, there
}

// soon has a process share reports as it does by itself.
func soon(c *enforcement.Config) { c.KeepEvery(0) }

func eventually(t *testing.T, ok func() bool, what string) {
	t.Helper()
	require.Eventually(t, ok, 10*time.Second, time.Millisecond, what)
}

// A report made to one replica counts in the Summary and the Watch of another, whether
// or not anybody waited for it when it was made.
func TestReportsAreShared(t *testing.T) {
	here, there := pair(t)
	old := there.newest()
	there.said("a", old)
	eventually(t, func() bool { s, err := here.Summary(t.Context(), 10); return err == nil && s.Known == 1 }, "the report")

	number := here.revoke()
	there.sign(number)
	next := here.watch(t.Context(), number)
	require.Equal(t, 1, next().Waiting)
	there.said("a", number)
	require.True(t, until(next, enforcement.Progress.Done).Done())
}

// Replicas' clocks may differ: who reports to one that is an hour ahead, or behind, is
// connected for all of them, and what it says to the next one counts.
func TestClocksOfReplicas(t *testing.T) {
	for name, ahead := range map[string]time.Duration{"ahead": time.Hour, "behind": -time.Hour} {
		t.Run(name, func(t *testing.T) {
			here, there := pair(t, func(c *enforcement.Config) {
				right := c.Now
				c.Now = func() time.Time { return right().Add(ahead) }
			})
			old := here.newest()
			there.said("a", old)
			here.said("b", old)
			for _, f := range []*fleet{here, there} {
				eventually(t, func() bool {
					s, err := f.Summary(t.Context(), 10)
					return err == nil && s.Connected == 2
				}, "both are connected")
			}
			number := there.revoke()
			here.sign(number)
			next := there.watch(t.Context(), number)
			require.Equal(t, 2, next().Waiting)
			here.said("a", number)
			there.said("b", number)
			require.True(t, until(next, enforcement.Progress.Done).Done())
			eventually(t, func() bool {
				s, err := here.Summary(t.Context(), 10)
				return err == nil && s.Parties[0].Number == number && s.Parties[1].Number == number
			}, "the other replica knows")
		})
	}
}

// What one replica has logged, or put on record, another one that hears the same party
// does not say again.
func TestAlarmsDoNotDouble(t *testing.T) {
	here, there := pair(t)
	var signed []int64
	for range 5 {
		signed = append(signed, here.revoke())
		there.sign(here.newest())
		for _, f := range []*fleet{here, there} {
			f.Sample()
		}
		here.Advance(10 * time.Second)
	}
	here.said("a", signed[0])
	eventually(t, there.Stale, "word of it")
	there.Sample()
	there.said("a", signed[0])
	require.Equal(t, []int{1, 0}, []int{here.lines.count("a relying party lags"), there.lines.count("a relying party lags")})

	require.Error(t, here.say("b", here.newest()+100))
	here.said("a", signed[1])
	eventually(t, there.Stale, "word of it")
	require.Error(t, there.say("b", here.newest()+100))
	require.Len(t, here.Audit("enforcement.refuse"), 1)
}
