package enroll_test

import (
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/ca"
	"github.com/betonica/betonica/enroll"
	"github.com/betonica/betonica/enroll/enrolltest"
	"github.com/betonica/betonica/store"
	"github.com/betonica/betonica/store/audit"
	"github.com/betonica/betonica/store/storetest"
)

func (w *world) set(by enroll.Actor, text string) error {
	_, err := w.Policies.Set(w.t.Context(), by, "policy.toml", []byte(text), enroll.AnyVersion)
	return err
}

// A policy that lets more through takes two people, and one that lets less through one;
// what they agree on is a text in the place of another, and void when that has gone.
func TestPolicyTakesTwo(t *testing.T) {
	eachEngine(t, func(t *testing.T, c *enrolltest.CA) {
		var denied *ca.DeniedError
		alone := enlist(t, c, [2]string{"admin/eve", "IT"})["admin/eve"]
		_, err := c.Policies.Set(t.Context(), alone, "p", []byte(enrolltest.Policy+"[role.pump]\n"), enroll.AnyVersion)
		require.ErrorAs(t, err, &denied, "as long as there are no two it is root's")
		w := newWorld(t, c)
		require.NoError(t, w.set(enrolltest.Root, enrolltest.Policy))

		wide, narrow := enrolltest.Policy+"[role.pump]\n", enrolltest.Policy+"[role.admin]\nlifetime = '6h'\n"
		p := pends(t, w.set(w.ada, wide))
		require.Equal(t, store.ProposePolicy, p.Kind)
		var body enroll.PolicyMotion
		require.NoError(t, json.Unmarshal(p.Body, &body))
		require.Equal(t, []ca.Widening{{Role: "pump", What: "it is new"}}, body.Widens)
		require.Equal(t, wide, body.Text)
		require.NoError(t, w.agree(w.bob, p))

		require.NoError(t, w.set(w.ada, enrolltest.Policy+"# seen\n"), "alone")
		require.NotEqual(t, p.ID, pends(t, w.set(w.ada, wide)).ID, "the version of before is another, if it says the same")
		require.NoError(t, w.set(w.ada, narrow), "alone")
		later := pends(t, w.set(w.ada, wide))
		require.NotEqual(t, p.ID, later.ID, "it would undo what has come between")
		require.NoError(t, w.agree(w.bob, later))
		require.NoError(t, w.set(w.ada, wide))
		require.Contains(t, c.Policies.Current().Roles(), "pump")
		require.Empty(t, c.Audit("policy.bootstrap"))
		changes := c.Audit("policy.change")
		require.Equal(t, []any{"admin/ada", "officer/bob"}, changes[len(changes)-1].Detail["consents"])
	})
}

// The file on the host is root's: one that lets more through waits as anything else, the
// daemon goes on, and starts, with the policy in force.
func TestPolicyFileWaits(t *testing.T) {
	c := enrolltest.New(t)
	w := newWorld(t, c)
	file := filepath.Join(t.TempDir(), "policy.toml")
	require.NoError(t, os.WriteFile(file, []byte(enrolltest.Policy+"[role.pump]\n"), 0o600))
	newer := c.Now().Add(time.Hour)
	require.NoError(t, os.Chtimes(file, newer, newer))
	require.NoError(t, c.Policies.Start(t.Context(), enroll.Daemon(), file))
	require.NotContains(t, c.Policies.Current().Roles(), "pump")
	p := pends(t, c.Policies.Load(t.Context(), enroll.Daemon(), file))
	require.NoError(t, w.agree(w.bob, p))
	pends(t, c.Policies.Load(t.Context(), enroll.Daemon(), file))
	require.NoError(t, w.agree(w.ada, p))
	require.NoError(t, c.Policies.Load(t.Context(), enroll.Daemon(), file))
	require.Contains(t, c.Policies.Current().Roles(), "pump")
}

// The first policy of all is for the CA's own host: whoever else would set it lets in what
// nobody has agreed to.
func TestFirstPolicyIsTheHosts(t *testing.T) {
	c := enrolltest.New(t)
	db, err := store.Open(t.Context(), store.Config{DSN: storetest.SQLite(t), Keys: audit.NewKeys(audit.NewMaster()), Origin: "new.example/log"})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	r, err := enroll.New(t.Context(), enroll.Config{Store: db, Issuers: c.Issuers, Log: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	require.Zero(t, r.Policies.Current().Version())
	var denied *ca.DeniedError
	_, err = r.Policies.Set(t.Context(), enroll.Actor{Name: "admin/eve", Serial: &store.Serial{1}}, "p", []byte(enrolltest.Policy), enroll.AnyVersion)
	require.ErrorAs(t, err, &denied)
	_, err = r.Policies.Set(t.Context(), enrolltest.Root, "p", []byte(enrolltest.Policy), enroll.AnyVersion)
	require.NoError(t, err)
}
