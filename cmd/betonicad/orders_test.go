package main

import (
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/cmd/internal/server"
	"github.com/betonica/betonica/store"
	"github.com/betonica/betonica/store/storetest"
)

// New keys of the log that are ordered while replicas are upgraded wait for the last of the
// old ones, which could open nothing that they wrap. What else was ordered does not wait, and
// once that replica is gone the order is carried out, once.
func TestOrderedKeysWait(t *testing.T) {
	t.Parallel()
	d := layout(newCA(t, "--dsn", storetest.Postgres(t).Database(t)))
	c, err := server.ReadConfig(string(d))
	require.NoError(t, err)
	s, err := openSecrets(d, c)
	require.NoError(t, err)
	db, err := store.Open(t.Context(), store.Config{
		DSN: c.Store.DSN, Keys: s.log, Origin: origin(s.trustDomain()), IDFile: d.storeID(), Replica: store.Replica{Name: "ca-2", Version: "v2"},
	})
	require.NoError(t, err)
	defer db.Close()
	conn, err := pgx.Connect(t.Context(), c.Store.DSN)
	require.NoError(t, err)
	defer conn.Close(t.Context())
	_, err = conn.Exec(t.Context(), `
		INSERT INTO replicas (id, name, version, url, schema, seen, beats, started_at, lease_until)
		VALUES (1000000, 'ca-1', 'v1', '', $1, 0, 1, $2, $2)`, store.NewestSchema()-1, time.Now().UnixMilli()*2)
	require.NoError(t, err)

	orders := []order{
		{Revision: 1, Action: actionStop, By: "uid:0", Subject: "one"},
		{Revision: 2, Action: actionKeys, By: "uid:0", Subject: "log"},
		{Revision: 3, Action: actionBack, By: "uid:0", Subject: "one"},
	}
	before, err := db.LogKeys(t.Context())
	require.NoError(t, err)
	for range 2 {
		err = record(t.Context(), db, orders)
		require.ErrorIs(t, err, store.ErrOlderReplica)
		require.ErrorContains(t, err, `"ca-1", version "v1"`)
	}
	k, err := db.LogKeys(t.Context())
	require.NoError(t, err)
	require.Equal(t, [2]any{before.DataKeys, before.Wrapped}, [2]any{k.DataKeys, k.Wrapped})
	require.Equal(t, []int{1, 0, 1}, countOrders(t, db))

	_, err = conn.Exec(t.Context(), `DELETE FROM replicas WHERE id = 1000000`)
	require.NoError(t, err)
	for range 2 {
		require.NoError(t, record(t.Context(), db, orders))
	}
	k, err = db.LogKeys(t.Context())
	require.NoError(t, err)
	require.Equal(t, before.DataKeys+1, k.DataKeys)
	require.True(t, k.Wrapped.After(before.Wrapped))
	require.Equal(t, []int{1, 1, 1}, countOrders(t, db))
}

// countOrders returns how often each of the orders is on record.
func countOrders(t *testing.T, db *store.DB) (counts []int) {
	for _, action := range []string{actionStop, actionKeys, actionBack} {
		entries, _, err := db.AuditEntries(t.Context(), store.AuditFilter{Action: action}, store.Page{Limit: 10})
		require.NoError(t, err)
		counts = append(counts, len(entries))
	}
	return counts
}
