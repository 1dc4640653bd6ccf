package store

import (
	"context"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/store/storetest"
)

// named opens a store as a replica of this name.
func named(t testing.TB, dsn, name string) *DB {
	cfg := config(t, dsn)
	cfg.Replica = Replica{Name: name, Version: "v1.2.3", URL: "https://" + name + ".example:8443"}
	if name == "" {
		cfg.Replica = Replica{}
	}
	return open(t, cfg)
}

// status returns what d knows of the replica of a name; empty is a tool.
func status(t testing.TB, d *DB, name string) (found []ReplicaStatus) {
	t.Helper()
	all, err := d.Replicas(t.Context())
	require.NoError(t, err)
	for _, s := range all {
		if s.Name == name {
			found = append(found, s)
		}
	}
	return found
}

// One of the live replicas is the eldest: that which started first, and when it is
// gone, the next. A tool is it only where there is nobody else.
func TestEldest(t *testing.T) {
	dsn := storetest.Postgres(t).Database(t)
	tool := named(t, dsn, "")
	require.True(t, tool.Eldest())
	p, through := newProxy(t, dsn)
	defer p.resume()
	a := named(t, through, "a")
	require.True(t, a.Eldest())
	b, c := named(t, dsn, "b"), named(t, dsn, "c")
	require.False(t, b.Eldest())
	require.False(t, c.Eldest())
	require.Eventually(t, func() bool { return !tool.Eldest() }, 30*time.Second, 5*time.Millisecond)

	p.stall()
	require.Eventually(t, func() bool { return !a.Eldest() && b.Eldest() }, 30*time.Second, 5*time.Millisecond)
	require.False(t, c.Eldest())
	p.resume()
	require.Eventually(t, func() bool { return a.Eldest() && !b.Eldest() }, 30*time.Second, 5*time.Millisecond)

	require.NoError(t, a.Close())
	require.False(t, a.Eldest())
	require.Eventually(t, b.Eldest, 30*time.Second, 5*time.Millisecond)
	require.NoError(t, b.Close())
	require.Eventually(t, c.Eldest, 30*time.Second, 5*time.Millisecond)
	require.False(t, tool.Eldest())
}

// Replicas are listed as they are: who they are, since when, how far, and whether
// they are live; those that stopped are not, and those that died are until they are
// back.
func TestReplicas(t *testing.T) {
	dsn := storetest.Postgres(t).Database(t)
	p, through := newProxy(t, dsn)
	defer p.resume()
	a, b := named(t, dsn, "a"), named(t, through, "b")
	h := hear(t, a)
	number, err := h.revoke()
	require.NoError(t, err)
	require.Eventually(t, func() bool { return status(t, a, "b")[0].Seen == number }, 30*time.Second, 5*time.Millisecond)
	s := status(t, a, "a")[0]
	require.Equal(t, Replica{"a", "v1.2.3", "https://a.example:8443"}, s.Replica)
	require.Equal(t, []bool{true, true, true}, []bool{s.Live, s.Eldest, s.Self})
	require.Equal(t, a.schema, s.Schema)
	require.WithinDuration(t, time.Now(), s.Started, time.Hour)
	require.False(t, status(t, a, "b")[0].Self)
	_, err = a.ReserveCRLNumbers(t.Context(), 1000) // of lists that revoke nothing more
	require.NoError(t, err)
	late := named(t, dsn, "late")
	for _, name := range []string{"a", "b", "late"} {
		s := status(t, late, name)[0]
		require.Equal(t, number, s.Newest)
		require.GreaterOrEqual(t, s.Seen, s.Newest, "%s has applied all that there is", name)
	}
	require.NoError(t, late.Close())

	p.stall()
	require.Eventually(t, func() bool { return !status(t, a, "b")[0].Live }, 30*time.Second, 5*time.Millisecond)
	p.resume()
	require.Eventually(t, func() bool { return status(t, a, "b")[0].Live }, 30*time.Second, 5*time.Millisecond)
	p.stall()
	require.Eventually(t, func() bool { return !status(t, a, "b")[0].Live }, 30*time.Second, 5*time.Millisecond)
	back := named(t, dsn, "b")
	found := status(t, back, "b")
	require.Len(t, found, 1) // not the one that died
	require.True(t, found[0].Live && found[0].Self)
	require.NoError(t, back.Close())
	p.resume()
	require.NoError(t, b.Close())
	require.Empty(t, status(t, a, "b"))
}

// A row that somebody took away is written anew by whoever lives, and by nobody else:
// what a process said of itself before it left brings nothing back.
func TestReplicaRow(t *testing.T) {
	dsn := storetest.Postgres(t).Database(t)
	a, b := named(t, dsn, "a"), named(t, dsn, "b")
	started := status(t, a, "b")[0].Started
	conn, err := pgx.Connect(t.Context(), dsn)
	require.NoError(t, err)
	defer conn.Close(context.Background())
	_, err = conn.Exec(t.Context(), `DELETE FROM replicas`)
	require.NoError(t, err)
	require.Eventually(t, func() bool { return len(status(t, a, "b")) == 1 }, 30*time.Second, 5*time.Millisecond)
	require.Equal(t, started, status(t, a, "b")[0].Started)

	require.NoError(t, b.Close())
	require.Empty(t, status(t, a, "b"))
	_, err = conn.Exec(t.Context(), beatReplica, b.feed.id, 1, 1)
	require.NoError(t, err)
	require.Empty(t, status(t, a, "b"))
}

// On SQLite one process is all there is: the eldest, which never lapses.
func TestReplicasOnSQLite(t *testing.T) {
	d := named(t, storetest.SQLite(t), "a")
	h := hear(t, d)
	number, err := h.revoke()
	require.NoError(t, err)
	require.True(t, d.Eldest())
	require.False(t, d.Lapsed())
	all, err := d.Replicas(t.Context())
	require.NoError(t, err)
	require.Len(t, all, 1)
	require.Equal(t, number, all[0].Seen)
	require.True(t, all[0].Live && all[0].Self && all[0].Eldest)
}
