package agent_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/enroll/agent"
	"github.com/betonica/betonica/enroll/api"
	"github.com/betonica/betonica/enroll/client/catest"
)

// wire is a network within the test, so that its clock is the test's.
type wire struct {
	conns chan net.Conn
	down  chan struct{}
}

func newWire() *wire {
	return &wire{conns: make(chan net.Conn), down: make(chan struct{})}
}

func (w *wire) Accept() (net.Conn, error) {
	select {
	case c := <-w.conns:
		return c, nil
	case <-w.down:
		return nil, net.ErrClosed
	}
}

func (w *wire) Close() error {
	close(w.down)
	return nil
}

func (w *wire) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 8443} }

func (w *wire) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	here, there := net.Pipe()
	select {
	case w.conns <- there:
		return here, nil
	case <-w.down:
		return nil, errors.New("connection refused")
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// world is a CA and a running agent on one clock.
type world struct {
	ca     *catest.Server
	agent  *agent.Agent
	conf   agent.Config
	events *journal
	stop   context.CancelFunc // ends the agent, before the end of the test does
}

// inWorld runs f beside an agent that has just enrolled and told the CA so. The
// certificates live for a day, and are renewed after 14 hours.
func inWorld(t *testing.T, change func(*agent.Config), f func(t *testing.T, w *world)) {
	synctest.Test(t, func(t *testing.T) {
		net := newWire()
		ca := catest.Serve(t, net)
		w := &world{ca: ca, events: &journal{}}
		w.conf = agent.Config{
			Dir: t.TempDir(), URL: ca.URL, TokenFile: filepath.Join(t.TempDir(), "token"), Events: w.events.add, DialContext: net.dial,
		}
		if change != nil {
			change(&w.conf)
		}
		require.NoError(t, os.WriteFile(w.conf.TokenFile, []byte(ca.Token("device", "SN-1").String()), 0o600))
		ctx, cancel := context.WithCancel(t.Context())
		var err error
		w.stop = cancel
		w.agent, err = agent.Start(ctx, w.conf)
		require.NoError(t, err)
		after(time.Second)
		f(t, w)
		cancel()
		w.agent.Wait()
	})
}

// after lets d pass.
func after(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

// answer makes the CA answer renewals with p, nil: as it should.
func (w *world) answer(p *api.Problem) {
	w.ca.Lock()
	defer w.ca.Unlock()
	w.ca.Intercept = func(rw http.ResponseWriter, r *http.Request) bool {
		if p == nil || r.URL.Path != api.PathRenew && r.URL.Path != api.PathRenewLate {
			return false
		}
		catest.Refuse(rw, p)
		return true
	}
}

// A certificate is renewed when the CA said so, for as long as the agent runs,
// and each is confirmed before the next.
func TestRenewsForEver(t *testing.T) {
	inWorld(t, nil, func(t *testing.T, w *world) {
		serial := w.agent.Credential().Serial()
		after(14*time.Hour - 2*time.Minute)
		require.Equal(t, serial, w.agent.Credential().Serial())
		after(3 * time.Minute)
		require.NotEqual(t, serial, w.agent.Credential().Serial())
		require.True(t, w.ca.Issued()[w.agent.Credential().Serial()].Confirmed)

		after(10 * 24 * time.Hour)
		require.Len(t, w.events.all(agent.Renewed), 18) // one every 14 hours
		require.Zero(t, w.ca.Forks)
		require.Empty(t, w.events.all(agent.Failed))
		require.Equal(t, w.agent.Credential().Serial(), mustLoad(t, w.conf.Dir).Serial())
	})
}

// A CA that wants its certificates renewed sooner, since their issuer ends, is heard
// within hours, and by the next agent on the directory as well.
func TestRenewsSooner(t *testing.T) {
	inWorld(t, nil, func(t *testing.T, w *world) {
		begin := time.Now()
		w.ca.Lock()
		w.ca.Intercept = func(rw http.ResponseWriter, r *http.Request) bool {
			if r.URL.Path != api.PathCheckpoint || time.Since(begin) > 7*time.Hour {
				return false
			}
			since, _ := strconv.ParseInt(r.FormValue("since"), 10, 64)
			cp := w.ca.Log.Checkpoint(since)
			cp.RenewAfter = begin.Add(7 * time.Hour)
			json.NewEncoder(rw).Encode(cp)
			return true
		}
		w.ca.Unlock()
		serial := w.agent.Credential().Serial()
		after(7*time.Hour - 2*time.Minute)
		require.Equal(t, serial, w.agent.Credential().Serial())
		require.True(t, mustLoad(t, w.conf.Dir).RenewAfter.Equal(begin.Add(7*time.Hour)))
		after(4 * time.Minute)
		require.NotEqual(t, serial, w.agent.Credential().Serial())
		require.Empty(t, w.events.all(agent.Failed))
	})
}

func mustLoad(t *testing.T, dir string) *agent.Credential {
	c, err := agent.Load(dir)
	require.NoError(t, err)
	return c
}

// While the CA refuses, the agent tries again within the spans that backoff
// gives, at most an hour apart, with the same request, and goes on when it can.
func TestBackoff(t *testing.T) {
	inWorld(t, nil, func(t *testing.T, w *world) {
		w.answer(api.NewProblem(http.StatusServiceUnavailable, api.ProblemUnavailable, "try again"))
		after(14*time.Hour + 4*time.Hour)
		failed := w.events.all(agent.Failed)
		require.Greater(t, len(failed), 4)
		require.Less(t, len(failed), 60)
		span := 30 * time.Second
		for i, e := range failed[:len(failed)-1] {
			require.Equal(t, "renew", e.Step)
			wait := failed[i+1].Time.Sub(e.Time)
			require.LessOrEqual(t, wait, span, i)
			require.GreaterOrEqual(t, wait, time.Second, i)
			require.WithinDuration(t, e.Retry, failed[i+1].Time, time.Second)
			span = min(2*span, time.Hour)
		}
		key := read(t, w.conf.Dir, "next/key.pem")
		w.answer(nil)
		after(time.Hour)
		require.Len(t, w.events.all(agent.Renewed), 1)
		require.Equal(t, key, read(t, w.conf.Dir, "current/key.pem"))
		require.Zero(t, w.ca.Forks)
	})
}

// A Retry-After is honoured, but not past half of what is left of the
// certificate's life.
func TestRetryAfter(t *testing.T) {
	inWorld(t, nil, func(t *testing.T, w *world) {
		p := api.NewProblem(http.StatusTooManyRequests, api.ProblemRateLimited, "later")
		p.RetryAfter = 2 * time.Hour
		w.answer(p)
		after(24*time.Hour - time.Minute)
		failed := w.events.all(agent.Failed)
		require.GreaterOrEqual(t, len(failed), 4)
		left := func(e agent.Event) time.Duration { return e.Credential.NotAfter().Sub(e.Time) }
		for i, e := range failed[:len(failed)-1] {
			require.WithinDuration(t, e.Time.Add(min(2*time.Hour, max(left(e)/2, time.Second))), failed[i+1].Time, time.Second, i)
		}
		require.Less(t, time.Since(failed[len(failed)-1].Time), 10*time.Minute) // ever more often towards the end
	})
}

// An agent whose certificate ran out says so, goes on asking, and does not
// enrol again, token or not.
func TestExpires(t *testing.T) {
	inWorld(t, nil, func(t *testing.T, w *world) {
		require.NoError(t, os.WriteFile(w.conf.TokenFile, []byte(w.ca.Token("device", "SN-1").String()), 0o600))
		w.answer(api.NewProblem(http.StatusForbidden, api.ProblemDenied, "suspended"))
		after(3 * 24 * time.Hour)
		expired := w.events.all(agent.Expired)
		require.NotEmpty(t, expired)
		require.ErrorContains(t, expired[0].Err, "--replace")
		require.ErrorContains(t, expired[0].Err, "suspended (403)")
		require.Less(t, len(expired), 48*20)
		require.Len(t, w.ca.Issued(), 1)
	})
}

// A command that fails is run again until it succeeds, and holds up neither the
// CA's confirmation nor renewals.
func TestHookAgain(t *testing.T) {
	flag := filepath.Join(t.TempDir(), "ready")
	exec := func(c *agent.Config) { c.Exec = []string{"/bin/sh", "-c", "test -e " + flag} }
	inWorld(t, exec, func(t *testing.T, w *world) {
		require.True(t, w.ca.Issued()[w.agent.Credential().Serial()].Confirmed)
		after(10 * time.Minute)
		failed := w.events.all(agent.Failed)
		require.Greater(t, len(failed), 1)
		require.Equal(t, "hook", failed[0].Step)
		require.WithinDuration(t, failed[0].Retry, failed[1].Time, time.Second)
		require.Empty(t, w.events.all(agent.HookRan))

		require.NoError(t, os.WriteFile(flag, nil, 0o600))
		after(time.Hour)
		require.Len(t, w.events.all(agent.HookRan), 1)
		after(6 * time.Hour)
		require.Len(t, w.events.all(agent.HookRan), 1)
		after(8 * time.Hour)
		require.Len(t, w.events.all(agent.HookRan), 2) // for the next certificate
	})
}

// A certificate that the CA could not be told of is confirmed later.
func TestConfirmAgain(t *testing.T) {
	inWorld(t, nil, func(t *testing.T, w *world) {
		w.ca.Lock()
		w.ca.Intercept = func(rw http.ResponseWriter, r *http.Request) bool {
			if r.URL.Path == api.PathConfirm {
				panic(http.ErrAbortHandler)
			}
			return false
		}
		w.ca.Unlock()
		after(14*time.Hour + 2*time.Minute)
		c := w.agent.Credential()
		require.Len(t, w.events.all(agent.Renewed), 1)
		require.False(t, w.ca.Issued()[c.Serial()].Confirmed)
		require.Equal(t, "confirm", w.events.all(agent.Failed)[0].Step)
		w.answer(nil)
		after(time.Hour)
		require.True(t, w.ca.Issued()[c.Serial()].Confirmed)
	})
}

// What another process puts in place is taken up, with no second renewal.
func TestSharedDirectory(t *testing.T) {
	inWorld(t, nil, func(t *testing.T, w *world) {
		other := w.conf
		other.Events = nil
		c, renewed, err := agent.Renew(t.Context(), other, false)
		require.NoError(t, err)
		require.True(t, renewed)
		after(2 * time.Minute)
		require.Equal(t, c.Serial(), w.agent.Credential().Serial())
		require.Equal(t, c.Serial(), catest.Serial(w.agent.Certificate().Leaf))
		after(13 * time.Hour)
		require.Len(t, w.ca.Issued(), 2)
	})
}

// A renewal that is asked for comes at once, is confirmed, and moves those that
// follow. One that is refused changes nothing, and an agent that has stopped
// says so.
func TestRenewNow(t *testing.T) {
	inWorld(t, nil, func(t *testing.T, w *world) {
		first := w.agent.Credential().Serial()
		require.NoError(t, w.agent.Renew(t.Context()))
		second := w.agent.Credential().Serial()
		require.NotEqual(t, first, second)
		synctest.Wait()
		require.True(t, w.ca.Issued()[second].Confirmed)
		after(14*time.Hour - 2*time.Minute)
		require.Equal(t, second, w.agent.Credential().Serial())

		w.answer(api.NewProblem(http.StatusUnauthorized, api.ProblemUnauthenticated, "revoked"))
		problem, ok := errors.AsType[*api.Problem](w.agent.Renew(t.Context()))
		require.True(t, ok)
		require.Equal(t, http.StatusUnauthorized, problem.Status)
		require.Equal(t, second, w.agent.Credential().Serial())

		w.answer(nil)
		after(time.Hour)
		require.Len(t, w.events.all(agent.Renewed), 2)
		require.Zero(t, w.ca.Forks)

		w.stop()
		w.agent.Wait()
		require.ErrorContains(t, w.agent.Renew(t.Context()), "stopped")
	})
}

// A directory that vanishes costs the program nothing but a report: it goes on
// with what it has in memory.
func TestDirectoryLost(t *testing.T) {
	inWorld(t, nil, func(t *testing.T, w *world) {
		require.NoError(t, os.Rename(w.conf.Dir, w.conf.Dir+".away"))
		after(10 * time.Minute)
		require.NotNil(t, w.agent.Certificate())
		failed := w.events.all(agent.Failed)
		failed = slices.DeleteFunc(failed, func(e agent.Event) bool { return e.Step == "monitor" }) // its time may come meanwhile
		require.Len(t, failed, 1)
		require.NoError(t, os.Rename(w.conf.Dir+".away", w.conf.Dir))
		after(14 * time.Hour)
		require.Len(t, w.events.all(agent.Renewed), 1)
	})
}

// An agent that is told to stop while the CA does not answer stops.
func TestStops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net := newWire()
		ca := catest.Serve(t, net)
		conf := agent.Config{Dir: t.TempDir(), URL: ca.URL, DialContext: net.dial}
		_, err := agent.Enroll(t.Context(), conf, ca.Token("device", "SN-1"))
		require.NoError(t, err)
		ca.Intercept = func(_ http.ResponseWriter, r *http.Request) bool {
			io.Copy(io.Discard, r.Body) // only then a server notices that its caller went away
			<-r.Context().Done()
			return true
		}
		ctx, cancel := context.WithCancel(t.Context())
		a, err := agent.Start(ctx, conf)
		require.NoError(t, err)
		after(14*time.Hour + time.Minute) // it asks, and waits
		cancel()
		began := time.Now()
		a.Wait()
		require.Zero(t, time.Since(began))
	})
}
