package store

import (
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/store/audit"
	"github.com/betonica/betonica/store/storetest"
)

// Every read finds what it wants by an index, and in the order of its index: with
// ten million certificates a scan or a sort would take seconds.
func TestReadsUseIndexes(t *testing.T) {
	eachEngine(t, func(t *testing.T, d *DB) {
		readAll(t, d)
		if d.engine.shared() { // what is read for many at once
			_, err := tokenHolders.rows(t.Context(), d.reads, make([]rowKey, 2))
			require.NoError(t, err)
			_, err = holders.rows(t.Context(), d.reads, make([]rowKey, 2))
			require.NoError(t, err)
		}
		n, issuances, steps := 0, 0, 0
		d.reads.stmts.Range(func(query, _ any) bool {
			n++
			plan := usesIndexes(t, d, query.(string))
			oneBoundEach(t, query.(string))
			if strings.Contains(query.(string), "600000") { // of absences
				steps++
				require.NotRegexp(t, `seq *[<>]`, plan, "of a range, a server walks over the log")
			}
			if strings.Contains(query.(string), "a.action = 'certificate.issue'") {
				issuances++
				require.Contains(t, plan, "audit_issue", "times lead past all that is not an issuance")
			}
			return true
		})
		require.Greater(t, n, 20)
		require.Positive(t, issuances)
		require.Positive(t, steps)
	})
}

// So do the writes of ACME, which find rows by what they refer to.
func TestWritesUseIndexes(t *testing.T) {
	eachEngine(t, func(t *testing.T, d *DB) {
		tx, relaxed := &Tx{now: time.Now()}, &RelaxedTx{Tx{now: time.Now()}}
		a := newAccount("device/a")
		o, z := newOrder(a, AuthorizationPending)
		o.Replaces = &Serial{1}
		tx.InsertAccount(a)
		tx.ChangeAccountKey(a.ID, a.Thumbprint, a.Thumbprint, a.SPKI, a.JWK)
		tx.UpdateAccount(a.ID, a.Contacts, true)
		tx.DeactivateAccount(a.ID)
		tx.RevokeAccounts("device/a")
		tx.CompleteOrder(o.ID, Serial{1})
		tx.InsertRequest(Request{}, 1, 1, 1)
		tx.ApproveRequest(RequestID{}, [32]byte{}, "device/a", false, "uid:0", time.Hour)
		tx.DenyRequest(RequestID{}, [32]byte{}, "uid:0")
		tx.DenyRequests("device/a", "uid:0")
		tx.UseRequest(RequestID{}, [32]byte{}, "device/a")
		relaxed.InsertOrder(o, []Authorization{z})
		relaxed.InvalidateOrder(o.ID, nil)
		relaxed.AttemptAuthorization(z.ID, "http-01")
		relaxed.CompleteAuthorization(z.ID, AuthorizationValid, nil, nil, o.Expires)
		relaxed.DeactivateAuthorization(z.ID)
		for _, r := range remnants {
			for _, query := range r.remove {
				require.Contains(t, usesIndexes(t, d, query), "_removal", query)
			}
		}
		usesIndexes(t, d, lapsed.remove[0])
		for _, kind := range leavers {
			for _, query := range append(kind.remove, kind.count) {
				usesIndexes(t, d, query)
			}
		}
		usesIndexes(t, d, forgetRows)
		tx.MoveProposal(ProposalID{}, ProposalOpen, ProposalDenied, "a")
		tx.UseProposal(ProposalID{}, [32]byte{}, "a")
		tx.UsePower(PowerID{}, "officer/a")
		tx.EndPower(PowerID{}, "a")
		tx.CutPowers("officer/a")
		tx.ReviewPower(PowerID{}, "a", "b")
		tx.LiftIdentity("device/a", 1)
		tx.Sleep("device/a", Dormant)
		tx.BindBirth("device/a", [32]byte{}, false)
		tx.BindTPM("device/a", []byte{1})
		tx.Attest("device/a", "o")
		tx.FillIdentity("device/a", "o", "s")
		queries := []string{}
		for _, demand := range append(tx.demands, relaxed.tx.demands...) {
			queries = append(queries, demand.query)
		}
		if d.engine.shared() {
			for _, f := range forms {
				if f.many != "" {
					queries = append(queries, f.many)
				}
			}
		}
		for _, query := range queries {
			plan := usesIndexes(t, d, query)
			require.NotContains(t, plan, "Join Filter", query)
			if strings.HasPrefix(strings.TrimSpace(query), "UPDATE") {
				require.NotContains(t, plan, "_removal", query)
				require.NotContains(t, plan, "_valid", query)
			}
		}
	})
}

// usesIndexes returns the plan of a query.
func usesIndexes(t *testing.T, d *DB, query string) string {
	plan := explain(t, d, query)
	for _, bad := range []string{
		"SCAN i\n", "SCAN c\n", "SCAN t\n", "SCAN a\n", "SCAN r\n", "SCAN o\n", "SCAN z\n", "SCAN l\n", "SCAN v\n", "SCAN q\n", "SCAN requests", "SCAN acme", "SCAN certificates", "SCAN revocations", "SCAN tokens", "SCAN lineage", "SCAN audit\n", "Seq Scan on", "TEMP B-TREE", "Sort  (", // of a Merge Append there is a sort key, too
	} {
		if strings.Contains(plan, bad) && !strings.Contains(query, "audit_keys") {
			t.Errorf("%s\n%s", query, plan)
		}
	}
	return plan
}

var (
	rowValue   = regexp.MustCompile(`\((\w+\.\w+)(?:, \w+\.\w+)+\) ([<>]=?) \((\$\d)[^)]*\)`)
	inside     = regexp.MustCompile(`\((?:[^()<>]*|[^()]* OR [^()]*)\)`)
	comparison = regexp.MustCompile(`(\w+\.\w+) ([<>])=? \$`)
)

// oneBoundEach fails if a query has two lower or two upper bounds of a column. SQLite begins
// at one of them and PostgreSQL, if one is of a row, may take the farther one: either would
// walk over all that lies between, which for the last page of a list is the whole of it.
func oneBoundEach(t *testing.T, query string) {
	text := rowValue.ReplaceAllString(query, "$1 $2 $3")
	for before := ""; before != text; {
		before, text = text, inside.ReplaceAllString(text, "")
	}
	for _, one := range strings.Split(text, "SELECT ") {
		seen := map[string]bool{}
		for _, c := range comparison.FindAllStringSubmatch(one, -1) {
			bound := c[1] + " " + c[2]
			require.False(t, seen[bound], "two bounds %s in\n%s", bound, query)
			seen[bound] = true
		}
	}
}

// What many calls demand together finds its rows by their keys, however many others are in
// the same state.
func TestFormsUseKeys(t *testing.T) {
	d := open(t, config(t, storetest.Postgres(t).Database(t)))
	for _, f := range forms {
		for what, index := range map[string]string{"UPDATE identities": "identities_pkey", "FROM identities i": "identities_pkey", "UPDATE tokens": "tokens_pkey"} {
			if strings.Contains(f.many, what) {
				require.Contains(t, usesIndexes(t, d, f.many), index, f.many)
			}
		}
	}
}

// readAll makes each read in each of its forms.
func readAll(t *testing.T, d *DB) {
	ctx := t.Context()
	identity(t, d, "device/a")
	c := issued(t, d, "device/a")
	id := token(t, d, 1)
	for _, f := range []IdentityFilter{{}, {Role: "device"}, {Owner: "o"}, {Search: "a"}, {State: Pending}, {State: Active}, {Role: "device", Search: "a", State: Active}, {Role: "device", State: Pending}, {Search: "a", State: Pending}} {
		_, _, err := d.Identities(ctx, f, Page{})
		require.NoError(t, err)
	}
	for _, f := range []CertificateFilter{{}, {Live: true}, {Identity: "device/a"}, {Identity: "device/a", Live: true}} {
		_, _, err := d.Certificates(ctx, f, Page{})
		require.NoError(t, err)
	}
	for _, f := range []TokenFilter{{}, {Open: true}, {Role: "device"}, {Role: "device", Name: "a"}} {
		_, _, err := d.Tokens(ctx, f, Page{})
		require.NoError(t, err)
	}
	for _, f := range []AuditFilter{{}, {Actor: "a", Until: time.Now()}, {Action: "a.b", Until: time.Now()}, {Action: common}, {Since: time.Now()}} {
		_, _, err := d.AuditEntries(ctx, f, Page{})
		require.NoError(t, err)
	}
	acct := account(t, d, "device/a")
	o, z := order(t, d, acct, AuthorizationValid)
	_, _, err := d.Orders(ctx, acct.ID, Page{})
	require.NoError(t, err)
	for _, read := range []func() error{
		func() error { _, err := d.Shardings(ctx, "aa"); return err },
		func() error { _, err := d.CRLNumbers(ctx, "aa", 0); return err },
		func() error { _, err := d.Account(ctx, acct.ID); return err },
		func() error { _, err := d.AccountByKey(ctx, acct.Thumbprint); return err },
		func() error { _, err := d.HeldAccount(ctx, acct.ID); return err },
		func() error { _, err := d.Order(ctx, o.ID); return err },
		func() error { _, _, err := d.OrderWithAuthorizations(ctx, o.ID); return err },
		func() error { _, err := d.Authorization(ctx, z.ID); return err },
		func() error {
			_, err := d.ValidAuthorizations(ctx, acct.ID, []OrderIdentifier{example})
			return err
		},
		func() error { return d.PruneACME(ctx, time.Now()) },
		func() error { return d.PruneRequests(ctx, time.Now()) },
		func() error { _, _, err := d.Requests(ctx, RequestFilter{Open: true}, Page{}); return err },
		func() error { _, err := d.Request(ctx, RequestID{}); require.ErrorIs(t, err, ErrNotFound); return nil },
		func() error {
			_, err := d.RequestByKey(ctx, [32]byte{})
			require.ErrorIs(t, err, ErrNotFound)
			return nil
		},
		func() error { _, _, err := d.Proposals(ctx, true, Page{}); return err },
		func() error {
			_, err := d.Proposal(ctx, ProposalID{})
			require.ErrorIs(t, err, ErrNotFound)
			return nil
		},
		func() error { _, err := d.Consents(ctx, ProposalID{}); return err },
		func() error { _, _, err := d.Powers(ctx, true, Page{}); return err },
		func() error { _, err := d.Power(ctx, PowerID{}); require.ErrorIs(t, err, ErrNotFound); return nil },
		func() error { _, err := d.PowersOf(ctx, "officer/a"); return err },
		func() error { _, err := d.PowersOver(ctx, 10); return err },
		func() error { _, err := d.PowersUnreviewed(ctx, time.Now(), 10); return err },
		func() error { _, err := d.NetworkQueue(ctx, "10.0.0.0/24"); return err },
		func() error { _, err := d.SiteQueue(ctx, "2001:db8::/48 0001"); return err },
		func() error { _, err := d.RoleQueue(ctx, "device"); return err },
		func() error {
			require.NoError(t, complete(d, o.ID))
			completed, err := d.Order(ctx, o.ID)
			require.NoError(t, err)
			if _, err = d.OrderOfCertificate(ctx, *completed.Serial); err != nil {
				return err
			}
			_, err = d.AccountCertificate(ctx, acct.ID, *completed.Serial)
			return err
		},
		func() error { _, _, err := d.Lives(ctx, "", 10); return err },
		func() error { _, err := d.Delivered(ctx, "siem", OwnLog); return err },
		func() error { _, err := d.LogEnd(ctx); return err },
		func() error { _, err := d.Tail().Entries(ctx, 0, 10); return err },
		func() error { _, err := d.Absences(ctx, "daemon.start", time.Hour, 10); return err },
		func() error {
			_, _, err := d.Census(ctx, time.Now(), Serial{}, 10, func(*Standee) error { return nil })
			return err
		},
		func() error { _, err := d.Crowds(ctx, time.Now(), 0, 10); return err },
		func() error { _, err := d.ActionCounts(ctx, time.Now(), time.Now()); return err },
		func() error { _, _, err := d.EntriesBetween(ctx, time.Now(), time.Now()); return err },
		func() error { _, _, err := d.PolicyVersions(ctx); return err },
		func() error { _, err := d.ActiveByRole(ctx); return err },
		func() error { _, err := d.CountOwnerless(ctx); return err },
		func() error { _, err := d.CountUnattested(ctx, []Cutoff{{"device", time.Now()}}); return err },
		func() error { _, err := d.LifeCounts(ctx); return err },
		func() error { _, _, err := d.Alerts(ctx, true, Page{}); return err },
		func() error { _, _, err := d.Alerts(ctx, false, Page{}); return err },
		func() error { _, err := d.Alert(ctx, 1); require.ErrorIs(t, err, ErrNotFound); return nil },
		func() error { _, err := d.AlertCounts(ctx); return err },
		func() error { _, err := d.AlertActions(ctx, 10); return err },
		func() error { _, err := d.TakeWatch(ctx, "a"); return err },
		func() error { return d.SaveSnapshot(ctx, 1, []byte("a")) },
		func() error { _, err := d.EntriesAfter(ctx, 0, 10); return err },
		func() error { _, err := d.JournalHeads(ctx, time.Now()); return err },
		func() error {
			for _, q := range []Doubt{{Why: Dormant}, {Why: Ownerless, Role: "device"}, {Why: Unattested, Cutoffs: []Cutoff{{"device", time.Now()}}}} {
				if _, _, err := d.Doubtful(ctx, q, Page{}); err != nil {
					return err
				}
			}
			return nil
		},
		func() error { _, _, err := d.Devices(ctx, "", Page{}); return err },
		func() error { _, _, err := d.Devices(ctx, "device", Page{}); return err },
		func() error { _, err := d.Device(ctx, "device", "1"); require.ErrorIs(t, err, ErrNotFound); return nil },
		func() error { _, err := d.DeviceByEK(ctx, nil); require.ErrorIs(t, err, ErrNotFound); return nil },
		func() error { _, err := d.DeviceOf(ctx, "device/a"); require.ErrorIs(t, err, ErrNotFound); return nil },
		func() error { _, err := d.Sites(ctx, []string{"device/a", "device/b"}); return err },
		func() error { _, err := d.Token(ctx, id); return err },
		func() error { _, _, err := d.TokenHolder(ctx, id); return err },
		func() error { _, err := d.Certificate(ctx, c.Serial); return err },
		func() error { _, err := d.CertificateByKey(ctx, c.SPKI); return err },
		func() error { _, err := d.Holder(ctx, c.Serial); return err },
		func() error { _, _, err := d.Status(ctx, issuer, c.Serial); return err },
		func() error { _, err := d.LiveIssuers(ctx, time.Now()); return err },
		func() error { return d.Purge(ctx, time.Now()) },
		func() error { _, err := d.Segments(ctx); return err },
		func() error { _, err := d.RevokedSince(ctx, issuer, 0); return err },
		func() error { _, err := d.CurrentPolicy(ctx); return err },
		func() error {
			_, err := d.PolicyVersion(ctx, [32]byte{})
			require.ErrorIs(t, err, ErrNotFound)
			return nil
		},
		func() error { _, err := d.DepositVersion(ctx); return err },
		func() error { _, err := d.Deposit(ctx); require.ErrorIs(t, err, ErrNotFound); return nil },
		func() error { _, err := d.revocationPage(ctx, nil, issuer, Serial{}, 0, time.Now()); return err },
		func() error {
			source, err := d.AuditSource(ctx)
			require.NoError(t, err)
			_, err = source.Records(ctx, 0, 10)
			require.NoError(t, err)
			_, err = source.Hashes(ctx, 0, 1)
			require.NoError(t, err)
			var reader audit.Source = source
			_, err = reader.Tiles(ctx, 0, -1, 10)
			return err
		},
	} {
		require.NoError(t, read())
	}
}

// explain returns the plan of a read, whatever its parameters are.
func explain(t *testing.T, d *DB, query string) string {
	text := d.engine.dialect(query)
	conn, err := d.reads.db.Conn(t.Context())
	require.NoError(t, err)
	defer conn.Close()
	args := make([]any, 0, 9)
	for strings.Contains(text, fmt.Sprint("$", len(args)+1)) {
		args = append(args, nil)
	}
	ask := "EXPLAIN QUERY PLAN " + text
	if d.engine.schema() == "schema/postgres" {
		_, err := conn.ExecContext(t.Context(), "PREPARE asked AS "+text)
		require.NoError(t, err, text)
		defer conn.ExecContext(context.Background(), "DEALLOCATE asked")
		ask = "EXPLAIN EXECUTE asked"
		if len(args) > 0 {
			ask += "(" + strings.TrimSuffix(strings.Repeat("NULL,", len(args)), ",") + ")"
		}
		args = nil
	}
	rows, err := conn.QueryContext(t.Context(), ask, args...)
	require.NoError(t, err, ask)
	defer rows.Close()
	columns, err := rows.Columns()
	require.NoError(t, err)
	var plan strings.Builder
	for rows.Next() {
		cells := make([]any, len(columns))
		for i := range cells {
			cells[i] = new(any)
		}
		require.NoError(t, rows.Scan(cells...))
		fmt.Fprintln(&plan, *cells[len(cells)-1].(*any))
	}
	require.NoError(t, rows.Err())
	return plan.String()
}

// A search begins where it finds something, however much comes before that; and so does
// each page of a list.
func TestSearchBegins(t *testing.T) {
	d := open(t, config(t, storetest.Postgres(t).Database(t)))
	must(t, d, func(tx *Tx) {
		for i := range 8000 {
			name := fmt.Sprintf("SN-%05d", i)
			tx.CreateIdentity(Identity{Path: "device/" + name, Role: "device", Name: name, State: Active})
		}
	})
	for after, found := range map[string]int{"": 10, "SN-07994/device": 5} {
		query, args := IdentityFilter{Search: "SN-0799"}.query(after, 100)
		rows, err := d.reads.query(t.Context(), "EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) "+query, args...)
		require.NoError(t, err)
		var text []byte
		require.NoError(t, scanOne(rows, []any{&text}))
		var plan []struct {
			Plan struct {
				Rows  int `json:"Actual Rows"`
				Found int `json:"Shared Hit Blocks"`
				Read  int `json:"Shared Read Blocks"`
			}
		}
		require.NoError(t, json.Unmarshal(text, &plan))
		require.Equal(t, found, plan[0].Plan.Rows)
		require.Less(t, plan[0].Plan.Found+plan[0].Plan.Read, 16, string(text))
	}
}
