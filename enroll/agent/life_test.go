package agent_test

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/enroll/agent"
	"github.com/betonica/betonica/enroll/api"
	"github.com/betonica/betonica/enroll/client/catest"
)

// long gives the world certificates that live for that long, and are renewed at two
// thirds of it.
func (w *world) long(t *testing.T, life time.Duration) {
	w.ca.Lock()
	w.ca.Lifetime, w.ca.RenewAfter = life, life*2/3
	w.ca.Unlock()
	require.NoError(t, w.agent.Renew(t.Context()))
	after(time.Second)
}

func (w *world) deny(path, why string) {
	w.ca.Lock()
	defer w.ca.Unlock()
	if delete(w.ca.Denied, path); why != "" {
		w.ca.Denied[path] = why
	}
}

func (w *world) state(t *testing.T) agent.Status {
	s, err := agent.ReadStatus(w.conf.Dir)
	require.NoError(t, err)
	return s
}

// A machine that the CA says no to stops, says so and what to do, asks now and then
// whether that has changed, does not enrol again by itself, and goes on when it has.
func TestDenied(t *testing.T) {
	inWorld(t, nil, func(t *testing.T, w *world) {
		w.long(t, 30*24*time.Hour)
		require.NoError(t, os.WriteFile(w.conf.TokenFile, []byte(w.ca.Token("device", "SN-1").String()), 0o600))
		serial := w.agent.Credential().Serial()
		w.deny("device/SN-1", "the identity is suspended")
		after(26 * 24 * time.Hour) // 6 days of it
		said := w.events.all(agent.Refused)
		require.GreaterOrEqual(t, len(said), 5)
		require.Less(t, len(said), 30)
		require.ErrorContains(t, said[0].Err, "the identity is suspended")
		require.ErrorContains(t, said[0].Err, "betonica identity show device/SN-1")
		require.Equal(t, agent.Denied, said[0].State)
		for i, e := range said[1:] {
			require.LessOrEqual(t, e.Time.Sub(said[i].Time), 24*time.Hour+time.Minute)
		}
		require.Equal(t, agent.Denied, w.state(t).State)
		require.Equal(t, serial, w.agent.Credential().Serial())
		require.Equal(t, 1, count(w.ca.Seen(), "POST /v1/enroll"))

		// Another process on the directory leaves the CA alone too, unless a person tells it.
		asked := count(w.ca.Seen(), "POST /v1/renew")
		_, _, err := agent.Renew(t.Context(), w.conf, true)
		var denied *agent.DeniedError
		require.ErrorAs(t, err, &denied)
		require.Equal(t, asked, count(w.ca.Seen(), "POST /v1/renew"))
		_, _, err = agent.Renew(t.Context(), w.conf, false)
		require.ErrorContains(t, err, "suspended")
		require.Equal(t, asked+1, count(w.ca.Seen(), "POST /v1/renew"))

		w.deny("device/SN-1", "")
		after(25 * time.Hour)
		require.NotEqual(t, serial, w.agent.Credential().Serial())
		require.Equal(t, agent.Active, w.state(t).State)
		require.Zero(t, w.ca.Forks)
	})
}

// A machine that was restored from a snapshot, or copied, is told so.
func TestSnapshot(t *testing.T) {
	ca := catest.New(t)
	ca.RefuseForks = true
	conf, _ := config(t, ca)
	mustEnroll(t, ca, conf)
	snapshot := filepath.Join(t.TempDir(), "old")
	require.NoError(t, os.CopyFS(snapshot, os.DirFS(conf.Dir)))
	_, _, err := agent.Renew(t.Context(), conf, false)
	require.NoError(t, err)

	conf.Dir = snapshot
	_, _, err = agent.Renew(t.Context(), conf, false)
	require.ErrorContains(t, err, "restored from a snapshot, or copied?")
	require.ErrorContains(t, err, "betonica token create --role device --name SN-1 --replace")
	status, err := agent.ReadStatus(snapshot)
	require.NoError(t, err)
	require.Equal(t, agent.Denied, status.State)
}

// A CA that is away for days, past the end of the certificate, is asked less and less
// often, and then more often towards the end. Back in the grace of the role, it renews
// late, on the path for that; the machine goes on as if nothing had been.
func TestGrace(t *testing.T) {
	inWorld(t, nil, func(t *testing.T, w *world) {
		w.ca.Lock()
		w.ca.Grace = 10 * 24 * time.Hour
		w.ca.Intercept = func(http.ResponseWriter, *http.Request) bool { panic(http.ErrAbortHandler) }
		w.ca.Unlock()
		after(5 * 24 * time.Hour)
		expired := w.events.all(agent.Expired)
		require.Greater(t, len(expired), 4*24) // half an hour apart
		require.Less(t, len(expired), 5*24*4)
		require.Equal(t, agent.Renewing, w.state(t).State) // what ended may be the clock, until the CA says so
		before := len(w.ca.Issued())
		w.answer(nil)
		after(2 * time.Hour)
		require.Len(t, w.ca.Issued(), before+1)
		require.Equal(t, 1, count(w.ca.Seen(), "POST /v1/renew/late"))
		c := w.agent.Credential()
		require.True(t, time.Now().Before(c.NotAfter()))
		require.True(t, w.ca.Issued()[c.Serial()].Confirmed)
		require.Equal(t, agent.Active, w.state(t).State)
		require.Zero(t, w.ca.Forks)
	})
}

// Beyond the grace there is no way but a person's, and the machine says which.
func TestBeyondGrace(t *testing.T) {
	inWorld(t, nil, func(t *testing.T, w *world) {
		w.answer(api.NewProblem(http.StatusServiceUnavailable, api.ProblemUnavailable, "away"))
		after(40 * time.Hour)
		w.answer(nil)
		asked := count(w.ca.Seen(), "POST /v1/renew/late")
		after(10 * 24 * time.Hour)
		expired := w.events.all(agent.Expired)
		last := expired[len(expired)-1]
		require.Equal(t, agent.Denied, last.State)
		require.ErrorContains(t, last.Err, "betonica token create --role device --name SN-1 --replace")
		require.Less(t, count(w.ca.Seen(), "POST /v1/renew/late")-asked, 30)
		require.Len(t, w.ca.Issued(), 1)
		require.NotNil(t, w.agent.Certificate()) // it is not thrown away
	})
}

// jumpy is a world whose system's clock can be set.
func jumpy(t *testing.T, f func(t *testing.T, w *world, jump *atomic.Int64)) {
	var jump atomic.Int64
	var began time.Time
	change := func(c *agent.Config) {
		began = time.Now()
		c.Now = func() time.Time { return time.Now().Add(time.Duration(jump.Load())) }
		*c = agent.WithUptime(*c, func() time.Duration { return time.Since(began) })
	}
	inWorld(t, change, func(t *testing.T, w *world) { f(t, w, &jump) })
}

// Whatever happens to the system's clock, the agent renews at the right time, once, and
// neither calls a good certificate over, nor lets one run out.
func TestClockJumps(t *testing.T) {
	for name, by := range map[string]time.Duration{"ahead": 3 * 365 * 24 * time.Hour, "back": -30 * 365 * 24 * time.Hour, "by hours": 20 * time.Hour} {
		t.Run(name, func(t *testing.T) {
			jumpy(t, func(t *testing.T, w *world, jump *atomic.Int64) {
				after(time.Hour)
				jump.Store(int64(by))
				after(2 * time.Minute)
				require.Len(t, w.events.all(agent.ClockWrong), 1)
				after(5 * 24 * time.Hour)
				require.Len(t, w.events.all(agent.Renewed), 8) // one every 14 hours
				jump.Store(0)
				after(5 * 24 * time.Hour)
				require.Len(t, w.events.all(agent.Renewed), 17)
				require.Empty(t, w.events.all(agent.Expired))
				require.Empty(t, w.events.all(agent.Failed))
				require.Zero(t, w.ca.Forks)
			})
		})
	}
}

// A clock that jumps while the CA is away costs nothing either.
func TestClockJumpsAlone(t *testing.T) {
	jumpy(t, func(t *testing.T, w *world, jump *atomic.Int64) {
		w.ca.Lock()
		w.ca.Intercept = func(http.ResponseWriter, *http.Request) bool { panic(http.ErrAbortHandler) }
		w.ca.Unlock()
		jump.Store(int64(365 * 24 * time.Hour))
		after(10 * time.Hour)
		require.Empty(t, w.events.all(agent.Expired))
		failed := w.events.all(agent.Failed)
		require.NotEmpty(t, failed)
		require.Equal(t, "clock", failed[0].Step)
		require.Less(t, len(failed), 60)
		w.answer(nil)
		after(5 * time.Hour)
		require.Len(t, w.events.all(agent.Renewed), 1)
	})
}

// A machine that does not know the time enrols all the same, on a connection that is
// proved by the pinned root; it goes by the CA's time then, and so does the next
// process, after the clock was lost again.
func TestNoClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net := newWire()
		ca := catest.Serve(t, net)
		agent.SetStamp(t, time.Now().AddDate(-1, 0, 0))
		events := new(journal)
		conf := agent.Config{Dir: t.TempDir(), URL: ca.URL, DialContext: net.dial, Events: events.add, Now: func() time.Time { return time.Unix(7, 0) }}
		c := mustEnroll(t, ca, conf)
		require.Len(t, events.all(agent.ClockWrong), 1)
		require.WithinDuration(t, time.Now().Add(14*time.Hour), c.RenewAfter, time.Minute)
		status, err := agent.ReadStatus(conf.Dir)
		require.NoError(t, err)
		require.WithinDuration(t, time.Now(), status.Time, time.Minute)

		after(15 * time.Hour)
		_, renewed, err := agent.Renew(t.Context(), conf, false)
		require.NoError(t, err)
		require.True(t, renewed)

		other := catest.NewIssuer(t, "hospital.example")
		proof := agent.Proof{Ask: true, Root: rootOf(other)}
		conf.Dir = t.TempDir()
		_, err = agent.EnrollWith(t.Context(), conf, proof)
		require.Error(t, err) // the pin holds without a clock
		require.Empty(t, ca.Asking())
	})
}

// Who asks for approval shows its code, repeats its request as often as it is told to,
// in this process and the next, gets another code when that one lapsed, and goes on
// when the CA was away meanwhile.
func TestAskForApproval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net := newWire()
		ca := catest.Serve(t, net)
		events := new(journal)
		conf := agent.Config{Dir: t.TempDir(), URL: ca.URL, DialContext: net.dial, Events: events.add}
		conf.Request.Role = "device"
		proof := agent.Proof{Ask: true, Root: rootOf(ca.Issuer)}
		try := func() (context.CancelFunc, chan error) {
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan error, 1)
			go func() {
				_, err := agent.EnrollWith(ctx, conf, proof)
				done <- err
			}()
			return cancel, done
		}
		stop, done := try()
		after(10 * time.Minute)
		require.Len(t, ca.Asking(), 1)
		code := ca.Asking()[0].Code
		require.Len(t, events.all(agent.Waiting), 1)
		require.Equal(t, code, events.all(agent.Waiting)[0].Code)
		require.InDelta(t, 28, count(ca.Seen(), "POST /v1/enroll"), 3) // every 20 s, and a little
		status, err := agent.ReadStatus(conf.Dir)
		require.NoError(t, err)
		require.Equal(t, agent.Pending, status.State)
		require.Equal(t, code, status.Code)
		stop()
		require.ErrorIs(t, <-done, context.Canceled)

		_, done = try()
		after(time.Minute)
		require.Len(t, ca.Asking(), 1)
		require.Equal(t, code, ca.Asking()[0].Code)

		ca.Lapse()
		after(time.Minute)
		again := ca.Asking()[0].Code
		require.NotEqual(t, code, again)
		waiting := events.all(agent.Waiting)
		require.Equal(t, again, waiting[len(waiting)-1].Code)

		ca.Lock()
		ca.Intercept = func(http.ResponseWriter, *http.Request) bool { panic(http.ErrAbortHandler) }
		ca.Unlock()
		after(3 * time.Hour)
		require.NotEmpty(t, events.all(agent.Failed))
		ca.Lock()
		ca.Intercept = nil
		ca.Unlock()
		ca.Approve(again, "device/SN-5")
		require.NoError(t, <-done)
		require.Equal(t, "spiffe://hospital.example/device/SN-5", mustLoad(t, conf.Dir).ID())
		require.Len(t, ca.Issued(), 1)

		conf.Dir = t.TempDir()
		_, done = try()
		after(time.Minute)
		ca.Approve(ca.Asking()[0].Code, "")
		require.ErrorContains(t, <-done, "a person said no")
		status, err = agent.ReadStatus(conf.Dir)
		require.NoError(t, err)
		require.Equal(t, agent.Denied, status.State)
	})
}

// An agent that is told to be patient has its first certificate when the CA is there to
// give it.
func TestPatient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		net := newWire()
		ca := catest.Serve(t, net)
		ca.Intercept = func(http.ResponseWriter, *http.Request) bool { panic(http.ErrAbortHandler) }
		events := new(journal)
		conf := agent.Config{Dir: t.TempDir(), URL: ca.URL, TokenFile: filepath.Join(t.TempDir(), "token"), DialContext: net.dial, Events: events.add}
		write(t, conf.TokenFile, ca.Token("device", "SN-1").String())
		_, err := agent.Start(t.Context(), conf)
		require.Error(t, err)
		conf.Patient = true
		ctx, cancel := context.WithCancel(t.Context())
		started := make(chan *agent.Agent)
		go func() {
			a, err := agent.Start(ctx, conf)
			require.NoError(t, err)
			started <- a
		}()
		after(5 * time.Hour)
		failed := events.all(agent.Failed)
		require.Greater(t, len(failed), 4)
		require.Less(t, len(failed), 40)
		ca.Lock()
		ca.Intercept = nil
		ca.Unlock()
		a := <-started
		require.Equal(t, "spiffe://hospital.example/device/SN-1", a.Credential().ID())
		cancel()
		a.Wait()
	})
}
