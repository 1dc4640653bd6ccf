package main_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/cmd/internal/record"
)

const guardSoakPumps = 3

// A guardSoak is a guard before three applications, and pumps with a guard of their own.
type guardSoak struct {
	*ward
	server *sentry
	rules  string // file
	apps   []*flaky
	pumps  []*soakPump
	fallen []machine
	told   []record.Record // by the guards of pumps
	named  int
}

// A soakPump is a guard beside programs that ask without a pause.
type soakPump struct {
	*sentry
	stopAsking context.CancelFunc
	asking     sync.WaitGroup
	answered   [3]atomic.Int64 // by application
}

// TestGuardSoak asks through two guards, by HTTP, TCP and HL7, while machines are
// revoked, certificates renewed, rules changed, and applications die. Nobody gets another's
// answer; in the end every pump that was not revoked is served, every other one refused,
// no connection, goroutine or file descriptor is left over in the guard, all journals
// verify, and what two of them say of one access is the same.
func TestGuardSoak(t *testing.T) {
	t.Parallel()
	soaking(t)
	s := &guardSoak{ward: newWard(t), apps: flakies(t)}
	s.openServer()
	idle := s.server.holds()
	for range guardSoakPumps {
		s.grow()
	}
	ctx, cancel := context.WithTimeout(t.Context(), *soakFor)
	defer cancel()
	done := map[string]int{}
	pace := time.NewTicker(100 * time.Millisecond)
	defer pace.Stop()
	for ctx.Err() == nil {
		<-pace.C
		done[s.step()]++
	}
	s.settle()
	for len(s.pumps) > 0 {
		s.fell(0)
	}
	kept.CloseIdleConnections()
	for _, a := range s.apps {
		a.down()
	}
	var now held
	let := false
	defer func() {
		t.Logf("%v; %d revoked; the guard holds %v, and held %v", done, len(s.fallen), now, idle)
		if !let {
			s.server.signal(syscall.SIGQUIT) // its log says what its goroutines wait for
		}
	}()
	require.Eventually(t, func() bool {
		now = s.server.holds()
		return now.connections == 0 && now.files <= idle.files+4 && now.goroutines <= idle.goroutines+4
	}, 2*patience, 100*time.Millisecond, "the guard keeps something") // connections to an application rest for 90 s
	let = true
	require.NoError(t, s.server.stop(), "%s", s.server.log)
	report, records, pairs := s.server.verify(), s.server.records(), map[record.Verdict]int{}
	require.GreaterOrEqual(t, refusals(records), len(s.fallen)*len(s.apps))
	for pair, err := range record.Match(all(s.told), all(records)) {
		require.NoError(t, err)
		if pairs[pair.Verdict]++; pair.Verdict == record.Mismatched {
			t.Logf("mismatched: %+v and %+v", pair.A, pair.B)
		}
	}
	t.Logf("%d entries; %v", report.Last, pairs)
	require.Zero(t, pairs[record.Mismatched])
	require.Positive(t, pairs[record.Matched])
}

// soaking leaves a soak out unless somebody asked for it.
func soaking(t *testing.T) {
	if *soakFor == 0 {
		if os.Getenv("CI") == "" {
			t.Skip("-soak says for how long")
		}
		*soakFor = 30 * time.Second
	}
}

func (s *guardSoak) openServer() {
	m := s.enrol("service", "ehr")
	s.rules = filepath.Join(s.TempDir(), "rules.toml")
	s.setRules(allowed)
	conf := fmt.Sprintf("dir = %q\nrules = %q\nops = \"127.0.0.1:0\"\n", m.dir, s.rules)
	for _, a := range s.apps {
		conf += fmt.Sprintf("[[route]]\nname = %q\nlisten = \"127.0.0.1:0\"\nbackend = \"%[1]s://%s\"\n", a.scheme, a.address)
	}
	s.server = s.guardOf(m, conf)
}

// guardOf starts a guard from a file.
func (w *ward) guardOf(m machine, conf string) *sentry {
	file := filepath.Join(w.TempDir(), "guard.toml")
	require.NoError(w, os.WriteFile(file, []byte(conf), 0o600))
	return w.guard(m, "run", file)
}

func (s *guardSoak) setRules(text string) {
	next := s.rules + ".next"
	require.NoError(s, os.WriteFile(next, []byte(text), 0o600))
	require.NoError(s, os.Rename(next, s.rules))
}

var secureScheme = map[string]string{"http": "https", "tcp": "tls", "mllp": "mllps"}

func (s *guardSoak) grow() {
	s.named++
	m := s.enrol("device", fmt.Sprintf("pump-%d", s.named))
	conf := fmt.Sprintf("dir = %q\nops = \"127.0.0.1:0\"\n", m.dir)
	for _, a := range s.apps {
		conf += fmt.Sprintf("[[route]]\nname = %q\nlisten = \"127.0.0.1:0\"\nconnect = \"%s://%s\"\nexpect = [%q]\nid_only = true\n",
			a.scheme, secureScheme[a.scheme], s.server.at.Routes[a.scheme], s.server.machine.id())
	}
	p := &soakPump{sentry: s.guardOf(m, conf)}
	ctx, cancel := context.WithCancel(context.Background())
	p.stopAsking = cancel
	s.Cleanup(func() { cancel(); p.asking.Wait() })
	for i, a := range s.apps {
		p.asking.Go(func() {
			for ctx.Err() == nil {
				switch err := exchange(ctx, a.scheme, p.at.Routes[a.scheme]); {
				case errors.Is(err, errLost):
					s.Errorf("%s, %s: %v", m.name, a.scheme, err)
				case err == nil:
					p.answered[i].Add(1)
				default: // refused, cut, or the application is dead: not as fast as it can
					select {
					case <-ctx.Done():
					case <-time.After(20 * time.Millisecond):
					}
				}
			}
		})
	}
	s.pumps = append(s.pumps, p)
}

// step does one thing at random, and says what.
func (s *guardSoak) step() string {
	switch n := rand.N(100); {
	case n < 6:
		i := rand.N(len(s.pumps))
		s.revoke(s.pumps[i].machine)
		s.fallen = append(s.fallen, s.pumps[i].machine)
		s.fell(i)
		s.grow()
		return "revocations"
	case n < 16:
		m := s.server.machine
		if i := rand.N(len(s.pumps) + 1); i < len(s.pumps) {
			m = s.pumps[i].machine
		}
		run(s, "betonica", "renew", "--dir", m.dir)
		return "renewals"
	case n < 36:
		s.setRules([]string{allowed, strings.Replace(allowed, "tcp = true", `hl7 = {messages = ["ADT^A01"]}`, 1)}[rand.N(2)])
		if n < 20 {
			s.server.signal(syscall.SIGHUP)
		}
		return "reloads"
	case n < 50:
		a := s.apps[rand.N(len(s.apps))]
		a.down()
		a.up()
		return "deaths"
	}
	return "pauses"
}

// fell ends a pump, whose journal has to add up.
func (s *guardSoak) fell(i int) {
	p := s.pumps[i]
	s.pumps = append(s.pumps[:i], s.pumps[i+1:]...)
	p.stopAsking()
	p.asking.Wait()
	require.NoError(s, p.stop(), "%s", p.log)
	p.verify()
	s.told = append(s.told, p.records()...)
}

// refusals counts the connections that were refused, those too that came too fast to be
// recorded one by one.
func refusals(records []record.Record) (n int) {
	for _, r := range records {
		more := 1
		if r.Operation != "handshake" {
			continue
		}
		fmt.Sscanf(r.Reason, "%d more connections were refused", &more)
		n += more
	}
	return n
}

// all yields records.
func all(records []record.Record) func(func(record.Record, error) bool) {
	return func(yield func(record.Record, error) bool) {
		for _, r := range records {
			if !yield(r, nil) {
				return
			}
		}
	}
}

// settle waits until every pump is served by every application, and tries the fallen.
func (s *guardSoak) settle() {
	s.setRules(allowed)
	for _, p := range s.pumps {
		for i := range p.answered {
			before := p.answered[i].Load()
			require.Eventually(s, func() bool { return p.answered[i].Load() > before }, patience, 10*time.Millisecond, "%s is not served by %s", p.machine.name, s.apps[i].scheme)
		}
	}
	for _, m := range s.fallen {
		pair := m.pair(s)
		for _, route := range s.server.at.Routes {
			c, err := dialTLS(route, pair)
			if err == nil {
				c.SetDeadline(time.Now().Add(patience))
				_, err = c.Read(make([]byte, 1))
				c.Close()
			}
			require.ErrorContains(s, err, "remote error: tls: bad certificate", "%s", m.name)
		}
	}
}
