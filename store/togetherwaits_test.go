package store

import (
	"encoding/hex"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// What somebody else has under way in a row that a batch needs, the batch waits for, and
// goes by what came of it: for the call that it concerns, and for no other.
func TestTogetherWaits(t *testing.T) {
	t.Parallel()
	w := newTwin(t)
	other := newBystander(t, w.cfg.DSN)
	now := time.Now()
	const calls, concerned = 4, 1
	for n, tt := range []struct {
		name  string
		under string // what the other one does, to what the call concerned needs
		want  error
	}{
		{"last use taken", `UPDATE tokens SET uses = max_uses WHERE id = {token}`, ErrSpent},
		{"a use taken", `UPDATE tokens SET uses = uses + 1 WHERE id = {token}`, nil},
		{"token revoked", `UPDATE tokens SET revoked_at = 1 WHERE id = {token}`, ErrSpent},
		{"token out of time", `UPDATE tokens SET expires_at = 1 WHERE id = {token}`, ErrSpent},
		{"token named", `UPDATE tokens SET used_by = 'x' WHERE id = {token}`, nil},
		{"identity suspended", `UPDATE identities SET state = 'suspended' WHERE path = {path}`, ErrStale},
		{"identity decided anew", `UPDATE identities SET revision = revision + 1 WHERE path = {path}`, ErrStale},
		{"identity suspect", `UPDATE identities SET suspect = TRUE WHERE path = {path}`, nil},
		{"key taken", `INSERT INTO keys (spki, identity, serial) VALUES ({key}, 'x', '')`, ErrKeyTaken},
		{"key of the same", `INSERT INTO keys (spki, identity, serial) VALUES ({key}, {path}, '')`, nil},
		{"name taken", `INSERT INTO names (name, holder) VALUES ({name}, 'x')`, ErrNameTaken},
		{"name of the same", `INSERT INTO names (name, holder) VALUES ({name}, {path})`, nil},
		{"parent renewed", `INSERT INTO lineage (parent, child, forked) VALUES ({parent}, '', FALSE)`, ErrForked},
		{"parent revoked", `
			WITH fall AS (INSERT INTO revocations (serial, identity, reason, revoked_at, not_after, number) VALUES ({parent}, {path}, 1, 1, 1, 0))
			UPDATE identities SET revision = revision + 1 WHERE path = {path}`, ErrStale},
		{"policy changed", `UPDATE current SET policy_version = policy_version + 1`, ErrStale},
	} {
		t.Run(tt.name, func(t *testing.T) {
			batch := make([]*call, calls)
			under := tt.under
			for i := range batch {
				path := fmt.Sprintf("device/%d-%d", n, i)
				id, parent := TokenID{byte(n), byte(i)}, Serial{byte(n), byte(i)}
				c := certificate(path)
				c.Parent, c.DNSNames = &parent, []string{fmt.Sprintf("n%d-%d.example.test", n, i)}
				w.alone(t, collected(now, func(tx *Tx) {
					tx.CreateIdentity(Identity{Path: path, Role: "device", Name: path[7:], State: Active})
					tx.InsertToken(Token{ID: id, Role: "device", Name: "*", MaxUses: 2, Expires: now.Add(time.Hour)})
				}))
				batch[i] = collected(now, func(tx *Tx) {
					tx.SpendToken(id)
					tx.RecordChild(parent, c.Serial, nil)
					tx.InsertCertificate(c)
				})
				if i == concerned {
					bytes := func(b []byte) string { return `'\x` + hex.EncodeToString(b) + `'` }
					under = strings.NewReplacer("{token}", bytes(id[:]), "{path}", "'"+path+"'", "{key}", bytes(c.SPKI[:]),
						"{name}", "'"+c.DNSNames[0]+"'", "{parent}", bytes(parent[:])).Replace(under)
				}
			}
			order := append([]*call{}, batch...)
			joint, others := together(copied(batch))
			require.NotEmpty(t, joint)
			require.Empty(t, others)

			other.exec(`BEGIN`)
			other.exec(under)
			again := make(chan []*call, 1)
			go func() { again <- w.apply(t, batch) }()
			require.Eventually(t, func() bool { return other.blocks() || len(again) > 0 }, 30*time.Second, time.Millisecond)
			require.Empty(t, again)
			other.exec(`COMMIT`)
			w.alone(t, <-again...)
			for i, c := range order {
				if i == concerned || tt.name == "policy changed" {
					require.ErrorIs(t, c.err, tt.want, "call %d", i)
				} else {
					require.NoError(t, c.err, "call %d", i)
				}
			}
		})
	}
}

// blocks says whether another session of the database waits for a lock.
func (b bystander) blocks() (waits bool) {
	b.t.Helper()
	require.NoError(b.t, b.QueryRow(b.t.Context(), `
		SELECT EXISTS (SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock')`).Scan(&waits))
	return waits
}
