package store

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/store/storetest"
)

// told returns the payloads that reach a store.
func told(d *DB, topic string) (<-chan string, func()) {
	all := make(chan string, 1000)
	return all, d.OnNotice(topic, func(payload string) { all <- payload })
}

func next(t testing.TB, all <-chan string) string {
	t.Helper()
	select {
	case payload := <-all:
		return payload
	case <-time.After(30 * time.Second):
		require.Fail(t, "no notice")
		return ""
	}
}

// A notice reaches those who listen to its topic, in the process that gave it too,
// in order and as it was given.
func TestNotice(t *testing.T) {
	eachEngine(t, func(t *testing.T, d *DB) {
		list, _ := told(d, "list")
		policy, _ := told(d, "policy")
		long := strings.Repeat("ä", maxNotice/2)
		for _, payload := range []string{"a 1", "", long, "b"} {
			require.NoError(t, d.Notify(t.Context(), "list", payload))
		}
		require.NoError(t, d.Notify(t.Context(), "policy", "7"))
		require.Equal(t, []string{"a 1", "", long, "b", "7"}, []string{next(t, list), next(t, list), next(t, list), next(t, list), next(t, policy)})
		require.Empty(t, list)
	})
}

// What is no notice is refused, and who stopped listening is not told.
func TestNoticeRefused(t *testing.T) {
	eachEngine(t, func(t *testing.T, d *DB) {
		for _, bad := range [][2]string{{"", "a"}, {"two words", "a"}, {"list", strings.Repeat("a", maxNotice+1)}, {"list", "\xff"}, {"list", "a\x00"}} {
			require.Error(t, d.Notify(t.Context(), bad[0], bad[1]))
		}
		deaf, stop := told(d, "list")
		stop()
		heard, _ := told(d, "list")
		require.NoError(t, d.Notify(t.Context(), "list", "a"))
		require.Equal(t, "a", next(t, heard))
		require.Empty(t, deaf)
	})
}

// Every replica is told, and one that was away is told that it may have missed
// something, of every topic.
func TestReplicasNotice(t *testing.T) {
	dsn := storetest.Postgres(t).Database(t)
	p, through := newProxy(t, dsn)
	dbs := []*DB{open(t, config(t, dsn)), open(t, config(t, through))}
	for _, d := range dbs {
		here, _ := told(dbs[0], "list")
		there, _ := told(dbs[1], "list")
		require.NoError(t, d.Notify(t.Context(), "list", "a"))
		require.Equal(t, []string{"a", "a"}, []string{next(t, here), next(t, there)})
	}
	list, _ := told(dbs[1], "list")
	policy, _ := told(dbs[1], "policy")
	p.cut()
	require.Empty(t, next(t, list))
	require.Empty(t, next(t, policy))
	require.NoError(t, dbs[0].Notify(t.Context(), "policy", "7"))
	require.Equal(t, "7", next(t, policy))
}
