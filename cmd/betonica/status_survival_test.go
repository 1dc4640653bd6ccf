package main

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/cmd/internal/adminapi"
)

// The status says how long machines go on without the CA, by what, and where first.
func TestSurvivalClock(t *testing.T) {
	x, d := talk(t)
	x.now = noon
	in := func(hours int) time.Time { return noon.Add(time.Duration(hours) * time.Hour) }
	group := func(name string, n int64) adminapi.SurvivalGroup {
		return adminapi.SurvivalGroup{Name: name, Devices: n, First: in(9), Half: in(20), FirstCertificate: in(9), HalfCertificate: in(31), FirstIdentity: "device/SN-7"}
	}
	s := adminapi.Status{
		Doubtful: map[string]int64{"unattested": 3, "ownerless": 0},
		Survival: &adminapi.Survival{Counted: in(-1), Bound: adminapi.BoundCertificate, MaxAge: 4 * 3600, All: group("", 12),
			Roles: []adminapi.SurvivalGroup{group("device", 12)}, Sites: []adminapi.SurvivalGroup{group("north\x1b", 5)}},
	}
	d.says(http.StatusOK, s)
	out := x.ok("status")
	require.Contains(t, out, "if the CA stops now, the first of 12 machines falls in 9 h, half of them in 20 h: by its certificate's end\n")
	require.Contains(t, out, "the first (device/SN-7) ends in 9 h, half of them in 31 h; counted 60 min ago\n")
	require.Contains(t, out, "3 unattested: see betonica identity list --stale")
	require.Regexp(t, `device +12 +in 9 h +in 20 h +in 9 h +in 31 h`, out)
	require.Contains(t, out, "SITE")
	require.NotContains(t, out, "\x1b")
	require.Contains(t, x.ok("status", "-o", "json"), `"half_certificate_at"`)

	s.Survival.Bound = adminapi.BoundMaxAge
	d.says(http.StatusOK, s)
	require.Contains(t, x.ok("status"), "as relying parties take, 4 h by default")
	s.Survival.MaxAge, s.Survival.MaxAgeSaid = 3600, true
	d.says(http.StatusOK, s)
	require.Contains(t, x.ok("status"), "as relying parties take, 60 min as the strictest says that is connected")
	s.Survival = nil
	d.says(http.StatusOK, s)
	require.Contains(t, x.ok("status"), "not counted yet")
}

// Attesting goes to the daemon one by one, and what one lacks does not keep the others
// from it.
func TestAttest(t *testing.T) {
	x, d := talk(t)
	x.now = noon
	d.does(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case adminapi.Prefix + "identities":
			w.Write([]byte(`{"items":[{"path":"device/a","state":"active"},{"path":"device/x","state":"revoked"},{"path":"device/gone","state":"active"},{"path":"device/b","state":"pending"}]}`))
		case adminapi.Prefix + "identities/device/gone/attest":
			w.Header().Set("Content-Type", "application/problem+json")
			w.WriteHeader(http.StatusConflict)
			w.Write([]byte(`{"title":"conflict","detail":"device/gone is retired, for good"}`))
		default:
			w.Write([]byte(`{"path":"device/a","state":"suspended","why":"dormant","owner":"icu","attested_at":"2026-11-22T12:00:00Z"}`))
		}
	})
	out := x.run("identity", "attest", "device/gone", "device/a", "--give-owner", "icu")
	require.Equal(t, exitConflict, out.code)
	require.Contains(t, out.stdout, "device/a  suspended, dormant  icu    now")
	require.Contains(t, out.stderr, "for good")
	require.Equal(t, call{"POST", "identities/device/a/attest", "", `{"owner":"icu"}`}, d.asked()[1])

	out = x.run("identity", "attest", "--owner", "icu")
	require.Equal(t, exitConflict, out.code)
	require.Contains(t, out.stderr, "device/gone: ")
	var paths []string
	for _, c := range d.asked() {
		paths = append(paths, c.path)
	}
	require.Equal(t, []string{"identities/device/gone/attest", "identities/device/a/attest", "identities", "identities/device/a/attest", "identities/device/gone/attest", "identities/device/b/attest"}, paths)
	require.Contains(t, d.asked()[2].query, "owner=icu", "what others answer for is not theirs to vouch for")
	require.Equal(t, exitUsage, x.run("identity", "attest").code)
	require.Equal(t, exitUsage, x.run("identity", "attest", "device/a", "--owner", "icu").code)
	require.Equal(t, exitUsage, x.run("identity", "list", "--stale", "--dormant").code)
}
