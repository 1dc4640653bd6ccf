package main_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/acme"

	"github.com/betonica/betonica/cmd/internal/adminapi"
	"github.com/betonica/betonica/enroll/api"
	"github.com/betonica/betonica/revoke/peer"
)

// Three daemons on one PostgreSQL are one CA, and stay it whatever becomes of one of
// them, of the database, or of the way there: what each acknowledged is on record in
// the end, and relying parties that move between them never see a number go back.
func TestReplicas(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	seen, leave := f.follow(t)
	for _, tt := range []struct {
		name string
		run  func(*testing.T, *followers)
	}{
		{"one token", f.oneToken},
		{"one child", f.oneChild},
		{"a token of another's", f.tokenOfAnother},
		{"one order", f.oneOrder},
		{"revoking", f.revoking},
		{"enforcement", f.enforcing},
		{"policy", f.policy},
		{"killed", f.killed},
		{"stalled", f.stalled},
		{"torn off", f.tornOff},
		{"database restarted", f.restarted},
		{"clock", f.clock},
		{"rotation", f.rotation},
		{"rolling upgrade", f.upgraded},
	} {
		if !t.Run(tt.name, func(t *testing.T) { tt.run(t, seen) }) {
			break
		}
	}
	leave()
	t.Log(seen)
	f.end(t)
}

// Of machines that come to all daemons at once with one token, one gets a certificate.
func (f *fleet) oneToken(t *testing.T, _ *followers) {
	for round := range 5 {
		name := fmt.Sprintf("raced-%d", round)
		token, err := f.daemons[round%3].admin(t).CreateToken(t.Context(), adminapi.TokenRequest{Role: "device", Name: name})
		require.NoError(t, err)
		var conns []*conn
		var requests []request
		for i := range 12 {
			c, err := dial(f.daemons[i%3].HTTPS, f.roots)
			require.NoError(t, err)
			defer c.Close()
			conns, requests = append(conns, c), append(requests, newRequest(t))
		}
		statuses := race(t, conns, func(i int) (int, []byte, error) { return conns[i].post(api.PathEnroll, token.Secret, requests[i].csr) })
		require.Equal(t, 1, statuses[http.StatusCreated], statuses)
		require.Equal(t, len(conns)-1, statuses[http.StatusConflict]+statuses[http.StatusTooManyRequests], statuses)
		require.Equal(t, 1, f.count(t, `SELECT count(*) FROM certificates WHERE identity = $1`, "device/"+name))
	}
}

// Of renewals of one certificate over all daemons, one is served where forks are
// refused.
func (f *fleet) oneChild(t *testing.T, _ *followers) {
	h := f.enrol(t, f.daemons[0], "service", "billing")
	var conns []*conn
	var requests []request
	for i := range 12 {
		c, err := dial(f.daemons[i%3].HTTPS, f.roots, h.cert)
		require.NoError(t, err)
		defer c.Close()
		conns, requests = append(conns, c), append(requests, newRequest(t))
	}
	statuses := race(t, conns, func(i int) (int, []byte, error) { return conns[i].post(api.PathRenew, "", requests[i].csr) })
	require.Equal(t, map[int]int{http.StatusCreated: 1, http.StatusForbidden: len(conns) - 1}, statuses)
}

// A token that one daemon made is good on each, once.
func (f *fleet) tokenOfAnother(t *testing.T, _ *followers) {
	for i := range f.daemons {
		name := fmt.Sprintf("traveller-%d", i)
		token, err := f.daemons[i].admin(t).CreateToken(t.Context(), adminapi.TokenRequest{Role: "device", Name: name})
		require.NoError(t, err)
		f.enrolWith(t, f.daemons[(i+1)%3], token.Secret, "device/"+name)
		c, err := dial(f.daemons[(i+2)%3].HTTPS, f.roots)
		require.NoError(t, err)
		defer c.Close()
		status, _, err := c.post(api.PathEnroll, token.Secret, newRequest(t).csr)
		require.NoError(t, err)
		require.Contains(t, []int{http.StatusConflict, http.StatusTooManyRequests}, status) // refused, or for guessing
	}
}

// An ACME order is made on one daemon, finalized on the next, and fetched from the
// third.
func (f *fleet) oneOrder(t *testing.T, _ *followers) {
	over := trusting(t, f.dirs[0])
	at := func(i int, url string) string {
		for _, d := range f.daemons {
			url = strings.Replace(url, d.HTTPS, f.daemons[i].HTTPS, 1)
		}
		return url
	}
	first := bound(t, f.daemons[0], over, "service", "web")
	order, err := first.AuthorizeOrder(t.Context(), acme.DomainIDs(webName))
	require.NoError(t, err)
	others := make([]account, 3)
	for i := range others {
		others[i] = newAccount(t, f.daemons[i], over)
		others[i].Key, others[i].KID = first.Key, acme.KeyID(at(i, string(first.KID)))
	}
	order.FinalizeURL = at(1, order.FinalizeURL)
	cert, err := others[1].finalize(order, webName)
	require.NoError(t, err)
	f.crowd.hold(cert)
	done, err := others[2].GetOrder(t.Context(), at(2, order.URI))
	require.NoError(t, err)
	require.Equal(t, acme.StatusValid, done.Status)
	chain, err := others[2].FetchCert(t.Context(), at(2, done.CertURL), false)
	require.NoError(t, err)
	require.Equal(t, cert.Raw, chain[0])
}

// When a daemon's answer to a revocation is there, no daemon's OCSP says good any
// more; and each stream names the certificate in a moment.
func (f *fleet) revoking(t *testing.T, seen *followers) {
	for round := range 6 {
		h := f.enrol(t, f.daemons[round%3], "device", fmt.Sprintf("thief-%d", round))
		for _, d := range f.daemons {
			require.Equal(t, "good", f.asked(t, d, h))
		}
		begun := time.Now()
		fell := f.revoke(t, f.daemons[(round+1)%3], h)
		took := time.Since(begun)
		for i, d := range f.daemons {
			require.Equal(t, "revoked", f.asked(t, d, h), "daemon %d", i)
		}
		for i := range f.daemons {
			require.Eventually(t, func() bool { return seen.named(i, h) }, patience, time.Millisecond)
			require.Greater(t, seen.number(i), int64(0))
		}
		t.Logf("number %d: the call took %s, all streams named it %s after it began", fell.Number, took.Round(time.Millisecond), time.Since(begun).Round(time.Millisecond))
	}
}

// Relying parties report to whichever daemon; another one, asked to wait until all of
// them enforce a revocation, knows when they do.
func (f *fleet) enforcing(t *testing.T, _ *followers) {
	const parties = 3
	for i := range parties {
		h := f.enrol(t, f.daemons[0], "device", fmt.Sprintf("party-%d", i))
		at := f.daemons[i%2] // none with the third
		p, err := peer.Open(t.Context(), peer.Config{
			Source: &still{&h.cert, f.roots}, URL: "http://" + at.HTTP, Report: "https://" + at.HTTPS, State: t.TempDir(),
			Allow: []string{"spiffe://" + trustDomain + "/device/*"}, Log: slog.New(slog.DiscardHandler),
		})
		require.NoError(t, err)
		defer p.Close()
	}
	admin := f.daemons[2].admin(t)
	require.Eventually(t, func() bool {
		s, err := admin.Status(t.Context())
		require.NoError(t, err)
		return s.RelyingParties.Connected == parties
	}, patience, 20*time.Millisecond)
	fell := f.revoke(t, f.daemons[1], f.enrol(t, f.daemons[0], "device", "thief-of-parties"))
	var e adminapi.Enforcement
	var err error
	for e, err = range admin.WaitEnforced(t.Context(), fell.Number, fell.Number, patience) {
		require.NoError(t, err)
	}
	require.True(t, e.Done(), "%+v", e)
	require.Equal(t, parties, e.Enforcing)
	require.Empty(t, e.Missing)
}

// A policy that is loaded on one daemon is in force on all in a moment, and once on
// record.
func (f *fleet) policy(t *testing.T, _ *followers) {
	changes := f.count(t, `SELECT count(*) FROM audit WHERE action IN ('policy.change', 'policy.bootstrap')`)
	text := string(read(t, filepath.Join(f.dirs[1], "policy.toml"))) + "\n[role.lamp]\n"
	require.NoError(t, os.WriteFile(filepath.Join(f.dirs[1], "policy.toml"), []byte(text), 0o600))
	f.daemons[1].signal(syscall.SIGHUP)
	for i, d := range f.daemons {
		admin := d.admin(t)
		require.Eventually(t, func() bool {
			s, err := admin.Status(t.Context())
			require.NoError(t, err)
			return s.Policy == 2
		}, patience, 10*time.Millisecond)
		require.Eventually(t, func() bool { return string(read(t, filepath.Join(f.dirs[i], "policy.toml"))) == text }, patience, 10*time.Millisecond)
		f.enrol(t, d, "lamp", fmt.Sprintf("lamp-%d", i))
	}
	require.Equal(t, changes+1, f.count(t, `SELECT count(*) FROM audit WHERE action IN ('policy.change', 'policy.bootstrap')`))
}

// A rotation that is held on one host has all daemons issue from the next
// intermediate, and is once on record; what the earlier one issued is answered for.
func (f *fleet) rotation(t *testing.T, _ *followers) {
	h := f.enrol(t, f.daemons[0], "device", "of-before")
	next := strings.TrimSpace(run(t, "betonicad", rotateArgs(f.dirs[0])...))
	f.daemons[0].signal(syscall.SIGHUP)
	for i, d := range f.daemons {
		admin := d.admin(t)
		require.Eventually(t, func() bool {
			s, err := admin.Status(t.Context())
			require.NoError(t, err)
			return s.Issuer.KeyID == next
		}, patience, 10*time.Millisecond)
		f.enrol(t, d, "device", fmt.Sprintf("of-after-%d", i))
		require.Equal(t, "good", f.asked(t, d, h))
	}
	require.Equal(t, 1, f.count(t, `SELECT count(*) FROM audit WHERE action = 'issuer.rotate'`))
	for _, dir := range f.dirs[1:] {
		require.Equal(t, read(t, filepath.Join(f.dirs[0], "keys", "issuers.json")), read(t, filepath.Join(dir, "keys", "issuers.json")))
	}
}

// under has a crowd at these daemons while something happens; issued tells when a
// machine has lived with one of them.
func (f *fleet) under(t *testing.T, faults bool, at []int, happens func(issued []chan struct{})) {
	f.crowd.t, f.crowd.faults = t, faults
	ctx, cancel := context.WithCancel(t.Context())
	var all sync.WaitGroup
	issued := make([]chan struct{}, len(f.daemons))
	for _, i := range at {
		issued[i] = make(chan struct{})
		d := f.daemons[i]
		all.Go(func() { f.crowd.run(ctx, d, 3, issued[i]) })
	}
	defer all.Wait()
	defer cancel()
	happens(issued)
}

// A daemon that is killed under load takes nothing with it, whichever it is: the
// others go on, revoke, and send heartbeats.
func (f *fleet) killed(t *testing.T, seen *followers) {
	for round := range 3 {
		victim := f.eldest(t)
		if round == 1 { // and one that is not the eldest
			victim = (victim + 1) % 3
		}
		f.under(t, false, []int{0, 1, 2}, func(issued []chan struct{}) {
			for i := range issued {
				waitFor(t, f.daemons[i], issued[i])
			}
			f.kill(victim)
			for i := range issued {
				if i != victim {
					waitFor(t, f.daemons[i], issued[i])
				}
			}
			one, other := (victim+1)%3, (victim+2)%3
			h := f.enrol(t, f.daemons[one], "device", fmt.Sprintf("thief-of-the-dead-%d", round))
			begun := time.Now()
			fell := f.revoke(t, f.daemons[other], h)
			t.Logf("with daemon %d dead: revoked in %s", victim, time.Since(begun).Round(time.Millisecond))
			require.Equal(t, "revoked", f.asked(t, f.daemons[one], h))
			for _, i := range []int{one, other} {
				require.Eventually(t, func() bool { return seen.number(i) > fell.Number+2 }, patience, 10*time.Millisecond, "heartbeats")
			}
		})
		f.restart(t, victim)
		f.ready(t)
	}
}

// apart is what holds while the third daemon does not reach its database: it answers no
// OCSP and is not ready; the others revoke nevertheless. Then it is well again, and
// knows.
func (f *fleet) apart(t *testing.T, seen *followers, name string, cut func()) {
	h := f.enrol(t, f.daemons[2], "device", name)
	require.Equal(t, "good", f.asked(t, f.daemons[2], h))
	cut()
	begun := time.Now()
	f.revoke(t, f.daemons[0], h)
	took := time.Since(begun)
	require.Equal(t, "revoked", f.asked(t, f.daemons[0], h))
	require.Equal(t, "revoked", f.asked(t, f.daemons[1], h))
	require.Equal(t, "try later", f.asked(t, f.daemons[2], h))
	f.daemons[2].awaitReadiness(t, http.StatusServiceUnavailable)
	require.False(t, seen.named(2, h))
	t.Logf("with daemon 2 apart: revoked in %s", took.Round(time.Millisecond))

	f.tap.turn(false, false)
	f.ready(t)
	require.Eventually(t, func() bool { return f.asked(t, f.daemons[2], h) == "revoked" }, patience, 10*time.Millisecond)
	require.Eventually(t, func() bool { return seen.named(2, h) }, patience, 10*time.Millisecond)
	f.enrol(t, f.daemons[2], "device", name+"-after")
}

func (f *fleet) stalled(t *testing.T, seen *followers) {
	f.apart(t, seen, "thief-of-the-stalled", func() { f.tap.turn(true, false) })
}

func (f *fleet) tornOff(t *testing.T, seen *followers) {
	f.apart(t, seen, "thief-of-the-torn", func() { f.tap.turn(false, true) })
}

// PostgreSQL crashes under load and comes back: all daemons are well again by
// themselves, and go on.
func (f *fleet) restarted(t *testing.T, _ *followers) {
	f.under(t, true, []int{0, 1, 2}, func(issued []chan struct{}) {
		for i := range issued {
			waitFor(t, f.daemons[i], issued[i])
		}
		f.cluster.Crash(t)
		for _, d := range f.daemons {
			d.awaitReadiness(t, http.StatusServiceUnavailable)
		}
		f.cluster.Start(t)
		f.ready(t)
		for i := range issued {
			waitFor(t, f.daemons[i], issued[i])
		}
	})
	h := f.enrol(t, f.daemons[0], "device", "thief-after-the-crash")
	f.revoke(t, f.daemons[1], h)
	require.Equal(t, "revoked", f.asked(t, f.daemons[2], h))
}

// A schema that a newer program has expanded does not stop an older one, which may even
// start on it. One that it has contracted does: who runs is not ready any more, who starts
// says why it does not.
func (f *fleet) upgraded(t *testing.T, _ *followers) {
	const future = 9001
	f.execute(t, `INSERT INTO migrations (number, name, applied_at) VALUES ($1, 'future', 0)`, future)
	f.restart(t, 1)
	f.ready(t)
	f.enrol(t, f.daemons[1], "device", "of-the-expanded")
	require.Contains(t, f.daemons[1].log.String(), "a newer program has expanded the schema")

	f.execute(t, `UPDATE meta SET value = '9001' WHERE key = 'schema_oldest'`)
	f.kill(1)
	_, err := start(f.dirs[1])
	require.ErrorContains(t, err, "newer")
	f.daemons[0].awaitReadiness(t, http.StatusServiceUnavailable)
	f.daemons[2].awaitReadiness(t, http.StatusServiceUnavailable)
	f.execute(t, `UPDATE meta SET value = '1' WHERE key = 'schema_oldest'`)
	f.execute(t, `DELETE FROM migrations WHERE number = $1`, future)
	for i := range f.daemons { // the newer one is gone, as after a restore
		f.restart(t, i)
	}
	f.ready(t)
}
