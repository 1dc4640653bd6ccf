package main_test

import (
	"crypto/tls"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/cmd/internal/adminapi"
	"github.com/betonica/betonica/enroll/api"
	"github.com/betonica/betonica/store/storetest"
)

// A token that is used twice, and a certificate whose machine was suspended: each is an
// alert, one, though the daemon is killed between; an auditor says that he has seen it, and
// it resolves once the machine is dealt with.
func TestAlerted(t *testing.T) {
	t.Parallel()
	dir := newCA(t)
	d := serve(t, dir)
	roots, admin := rootsOf(t, dir), d.admin(t)
	asked := func(path, bearer string, want int, r request, own ...tls.Certificate) (pair tls.Certificate) {
		t.Helper()
		c, err := dial(d.HTTPS, roots, own...)
		require.NoError(t, err)
		defer c.Close()
		status, answer, err := c.post(path, bearer, r.csr)
		require.NoError(t, expect(want)(status, answer, err))
		if want == http.StatusCreated {
			pair, err = r.certificate(answer)
			require.NoError(t, err)
		}
		return pair
	}
	enrolled := func(role, name string) (tls.Certificate, string) {
		t.Helper()
		token, err := admin.CreateToken(t.Context(), adminapi.TokenRequest{Role: role, Name: name, Owner: "ward 3"})
		require.NoError(t, err)
		return asked(api.PathEnroll, token.Secret, http.StatusCreated, newRequest(t)), token.Secret
	}
	_, token := enrolled("device", "pump-0")
	asleep, _ := enrolled("device", "pump-1")
	auditor, _ := enrolled("auditor", "cleo")
	_, err := admin.Suspend(t.Context(), "device/pump-1")
	require.NoError(t, err)
	asked(api.PathEnroll, token, http.StatusConflict, newRequest(t))
	asked(api.PathRenew, "", http.StatusForbidden, newRequest(t), asleep)

	open := func() []adminapi.Alert {
		page, err := admin.Alerts(t.Context(), adminapi.AlertFilter{}, adminapi.PageRequest{})
		if err != nil {
			return nil
		}
		slices.SortFunc(page.Items, func(a, b adminapi.Alert) int { return int(a.ID - b.ID) })
		return page.Items
	}
	rules := func(all []adminapi.Alert) (names []string) {
		for _, a := range all {
			names = append(names, a.Rule)
		}
		slices.Sort(names)
		return names
	}
	require.EventuallyWithT(t, func(c *assert.CollectT) { require.Equal(c, []string{"A04", "A06"}, rules(open())) }, patience, tickOf)
	before := open()

	d = d.again(t)
	admin = d.admin(t)
	asked(api.PathEnroll, token, http.StatusConflict, newRequest(t))
	byRule := func(rule string) adminapi.Alert {
		all := open()
		if i := slices.IndexFunc(all, func(a adminapi.Alert) bool { return a.Rule == rule }); i >= 0 {
			return all[i]
		}
		return adminapi.Alert{}
	}
	require.EventuallyWithT(t, func(c *assert.CollectT) { require.GreaterOrEqual(c, byRule("A06").Count, int64(2)) }, patience, tickOf)
	var listed []adminapi.Alert // as scripts have it
	require.NoError(t, json.Unmarshal([]byte(run(t, "betonica", "alert", "list", "--socket", d.Socket, "-o", "json")), &listed))
	require.Len(t, listed, len(before))
	for i, a := range open() {
		require.Equal(t, []any{before[i].ID, before[i].Rule}, []any{a.ID, a.Rule}, "none is opened again")
	}

	twice := byRule("A06")
	require.Equal(t, "device/pump-0", twice.Subject)
	config := &tls.Config{RootCAs: roots, ServerName: "localhost", Certificates: []tls.Certificate{auditor}}
	cleo := adminapi.New("https://"+d.HTTPS, config)
	defer cleo.Close()
	_, err = cleo.AcknowledgeAlert(t.Context(), twice.ID, adminapi.ReviewRequest{Word: "the ward tried it again"})
	require.NoError(t, err)
	_, err = admin.Revoke(t.Context(), adminapi.RevokeRequest{Identity: "device/pump-0"})
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		a, err := admin.Alert(t.Context(), twice.ID)
		return err == nil && a.State == "resolved"
	}, patience, tickOf)
	said := run(t, "betonica", "alert", "show", strconv.FormatInt(twice.ID, 10), "--socket", d.Socket)
	require.Regexp(t, `history +\S+ open by self, entry \d+: `, said)
	require.Contains(t, said, "acknowledge by auditor/cleo")
	require.Contains(t, said, "its certificates were revoked")
	require.Contains(t, said, "betonica audit list --action token.reuse")
	_, err = cleo.AcknowledgeAlert(t.Context(), twice.ID, adminapi.ReviewRequest{Word: "late"})
	var p *adminapi.Problem
	require.ErrorAs(t, err, &p)
	require.Equal(t, http.StatusConflict, p.Status)
}

// Of two daemons on one database one evaluates: when it is killed the other goes on where it
// stood. What happened at either, before, meanwhile and after, is one alert each.
func TestAlertedByReplicas(t *testing.T) {
	t.Parallel()
	dsn := storetest.Postgres(t).Database(t)
	dir := newCA(t, "--dsn", dsn)
	other := filepath.Join(t.TempDir(), "ca")
	require.NoError(t, os.WriteFile(other+".passphrase", read(t, dir+".passphrase"), 0o600))
	run(t, "betonicad", "join", "--dsn", dsn, "--dir", other, "--name", "ca-2")
	one, two, roots := serve(t, dir), serve(t, other), rootsOf(t, dir)
	reuse := func(d *daemon, name string) {
		t.Helper()
		token, err := d.admin(t).CreateToken(t.Context(), adminapi.TokenRequest{Role: "device", Name: name})
		require.NoError(t, err)
		for _, want := range []int{http.StatusCreated, http.StatusConflict} {
			c, err := dial(d.HTTPS, roots)
			require.NoError(t, err)
			status, answer, err := c.post(api.PathEnroll, token.Secret, newRequest(t).csr)
			c.Close()
			require.NoError(t, expect(want)(status, answer, err))
		}
	}
	opened := func(d *daemon, want ...string) {
		t.Helper()
		require.EventuallyWithT(t, func(c *assert.CollectT) {
			page, err := d.admin(t).Alerts(t.Context(), adminapi.AlertFilter{}, adminapi.PageRequest{})
			require.NoError(c, err)
			var got []string
			for _, a := range page.Items {
				got = append(got, fmt.Sprintf("%d %s %s", a.ID, a.Rule, a.Subject))
			}
			require.ElementsMatch(c, want, got)
		}, patience, tickOf)
	}
	watches := func(d *daemon) bool { return strings.Contains(d.metrics(t), "\nbetonica_alert_watching 1\n") }
	reuse(one, "pump-1")
	opened(two, "1 A06 device/pump-1")
	require.True(t, watches(one))
	require.False(t, watches(two))

	reuse(two, "pump-2")
	one.kill()
	reuse(two, "pump-3")
	opened(two, "1 A06 device/pump-1", "2 A06 device/pump-2", "3 A06 device/pump-3")
	require.Eventually(t, func() bool { return watches(two) }, patience, tickOf)
	entries, err := two.admin(t).Audit(t.Context(), adminapi.AuditFilter{Action: "alert.open"}, adminapi.PageRequest{})
	require.NoError(t, err)
	require.Len(t, entries.Items, 3, "none is opened twice")
}
