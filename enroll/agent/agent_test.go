package agent_test

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/json"
	"io/fs"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/enroll/agent"
	"github.com/betonica/betonica/enroll/api"
	"github.com/betonica/betonica/enroll/client"
	"github.com/betonica/betonica/enroll/client/catest"
)

// journal collects events.
type journal struct {
	mu     sync.Mutex
	events []agent.Event
}

func (j *journal) add(e agent.Event) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.events = append(j.events, e)
}

func (j *journal) all(kind agent.Kind) (found []agent.Event) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, e := range j.events {
		if e.Kind == kind {
			found = append(found, e)
		}
	}
	return found
}

func config(t *testing.T, ca *catest.Server) (agent.Config, *journal) {
	j := &journal{}
	return agent.Config{Dir: filepath.Join(t.TempDir(), "a", "pump"), URL: ca.URL, Events: j.add}, j
}

// mustEnroll enrols device/SN-1.
func mustEnroll(t *testing.T, ca *catest.Server, conf agent.Config) *agent.Credential {
	c, err := agent.Enroll(t.Context(), conf, ca.Token("device", "SN-1"))
	require.NoError(t, err)
	return c
}

// A directory that was enrolled holds what doc.go says, under modes that the
// umask does not decide; the CA knows that the certificate is in use.
func TestEnroll(t *testing.T) {
	for _, umask := range []int{0o000, 0o077} {
		old := syscall.Umask(umask)
		ca := catest.New(t)
		conf, events := config(t, ca)
		c := mustEnroll(t, ca, conf)
		syscall.Umask(old)

		require.Equal(t, "spiffe://hospital.example/device/SN-1", c.ID())
		require.Equal(t, 1, c.Generation)
		target, err := os.Readlink(filepath.Join(conf.Dir, "current"))
		require.NoError(t, err)
		require.Equal(t, "gen-000001", target)
		for name, mode := range map[string]fs.FileMode{"": 0o755, "cert.pem": 0o644, "key.pem": 0o600, "chain.pem": 0o644, "roots.pem": 0o644, "agent.json": 0o644} {
			info, err := os.Stat(filepath.Join(conf.Dir, "current", name))
			require.NoError(t, err)
			require.Equal(t, mode, info.Mode().Perm(), name)
		}
		require.Equal(t, []string{"agent.json", "cert.pem", "chain.pem", "key.pem", "roots.pem"}, names(t, c.Dir))
		require.Equal(t, []string{"current", "gen-000001", "log", "state.json"}, names(t, conf.Dir))

		leaf := c.Certificate.Leaf
		require.Equal(t, catest.PEM(leaf, ca.Intermediate), read(t, conf.Dir, "current/cert.pem"))
		require.Equal(t, catest.PEM(ca.Intermediate), read(t, conf.Dir, "current/chain.pem"))
		require.Equal(t, catest.PEM(ca.Root), read(t, conf.Dir, "current/roots.pem"))
		require.True(t, ca.Issued()[c.Serial()].Confirmed)
		require.Len(t, events.all(agent.Enrolled), 1)
		require.Len(t, events.all(agent.Confirmed), 1)
		require.Empty(t, events.all(agent.Failed))
	}
}

func names(t *testing.T, dir string) (all []string) {
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	for _, e := range entries {
		all = append(all, e.Name())
	}
	return all
}

func read(t *testing.T, path ...string) string {
	text, err := os.ReadFile(filepath.Join(path...))
	require.NoError(t, err)
	return string(text)
}

// What was asked for once is asked for at each renewal, with keys of the same
// kind; a name for a pattern token goes into the request.
func TestRequest(t *testing.T) {
	for _, kind := range []string{"P-256", "P-384", "Ed25519", "RSA-2048"} {
		ca := catest.New(t)
		conf, _ := config(t, ca)
		conf.Request = agent.Request{Identity: "device/SN-7", DNSNames: []string{"sn-7.devices.example"}, IPs: []netip.Addr{netip.MustParseAddr("10.1.2.3")}, Key: kind}
		first, err := agent.Enroll(t.Context(), conf, ca.Token("device", "*"))
		require.NoError(t, err)
		conf.Request = agent.Request{}
		second, renewed, err := agent.Renew(t.Context(), conf, false)
		require.NoError(t, err)
		require.True(t, renewed)
		for _, c := range []*agent.Credential{first, second} {
			require.Equal(t, "spiffe://hospital.example/device/SN-7", c.ID())
			require.Equal(t, []string{"sn-7.devices.example"}, c.Certificate.Leaf.DNSNames)
			require.Equal(t, "10.1.2.3", c.Certificate.Leaf.IPAddresses[0].String())
		}
		require.NotEqual(t, first.Certificate.Leaf.RawSubjectPublicKeyInfo, second.Certificate.Leaf.RawSubjectPublicKeyInfo)
		require.Equal(t, first.Certificate.Leaf.PublicKeyAlgorithm, second.Certificate.Leaf.PublicKeyAlgorithm)
	}
	ca := catest.New(t)
	conf, _ := config(t, ca)
	for _, r := range []agent.Request{{Identity: "SN-7"}, {Identity: "device/a/b"}, {Identity: "/SN-7"}, {Key: "RSA-512"}} {
		conf.Request = r
		_, err := agent.Enroll(t.Context(), conf, ca.Token("device", "*"))
		require.Error(t, err)
	}
	require.Empty(t, ca.Issued())
}

// A script that enrols may run again: the same token is not shown twice, and
// nothing changes. A new token replaces what is there.
func TestEnrollAgain(t *testing.T) {
	ca := catest.New(t)
	conf, _ := config(t, ca)
	token := ca.Token("device", "SN-1")
	first, err := agent.Enroll(t.Context(), conf, token)
	require.NoError(t, err)
	_, _, err = agent.Renew(t.Context(), conf, false)
	require.NoError(t, err)
	asked := len(ca.Seen())
	again, err := agent.Enroll(t.Context(), conf, token)
	require.NoError(t, err)
	require.Equal(t, 2, again.Generation)
	require.Equal(t, first.ID(), again.ID())
	require.Len(t, ca.Seen(), asked)

	late := conf
	late.Now = func() time.Time { return time.Now().Add(48 * time.Hour) }
	_, err = agent.Enroll(t.Context(), late, token) // it ran out: that is not "nothing to do"
	require.ErrorContains(t, err, "--replace")
	require.Len(t, ca.Seen(), asked)

	other := mustEnroll(t, ca, conf)
	require.Equal(t, 3, other.Generation)
	require.Len(t, ca.Issued(), 3)
}

// A reply that was lost is asked for again with the same request, so that the
// CA gives the same certificate: for a token and for a renewal, once, twice, and
// by another process.
func TestLostReply(t *testing.T) {
	ca := catest.New(t)
	conf, _ := config(t, ca)
	token := ca.Token("device", "SN-1")
	drop := func(n int) {
		ca.Lock()
		defer ca.Unlock()
		ca.DropReplies = n
	}
	drop(2)
	for range 2 {
		_, err := agent.Enroll(t.Context(), conf, token)
		require.ErrorIs(t, err, client.ErrUnreachable)
		require.Equal(t, []string{"next", "state.json"}, names(t, conf.Dir))
	}
	c, err := agent.Enroll(t.Context(), conf, token)
	require.NoError(t, err)
	require.Len(t, ca.Issued(), 1)
	require.NoDirExists(t, filepath.Join(conf.Dir, "next"))

	drop(2)
	for range 2 {
		_, _, err := agent.Renew(t.Context(), conf, false)
		require.ErrorIs(t, err, client.ErrUnreachable)
		now, err := agent.Load(conf.Dir)
		require.NoError(t, err)
		require.Equal(t, c.Serial(), now.Serial())
	}
	next, renewed, err := agent.Renew(t.Context(), conf, false)
	require.NoError(t, err)
	require.True(t, renewed)
	require.Len(t, ca.Issued(), 2)
	require.Zero(t, ca.Forks)
	require.Equal(t, c.Serial(), ca.Issued()[next.Serial()].Parent)
	require.True(t, ca.Issued()[next.Serial()].Confirmed)
}

// A pending request for one token is not sent with another.
func TestPendingOfAnotherToken(t *testing.T) {
	ca := catest.New(t)
	conf, _ := config(t, ca)
	_, err := agent.Enroll(t.Context(), conf, api.NewJoinToken(tokenRoot(ca)))
	var p *api.Problem
	require.ErrorAs(t, err, &p)
	require.Equal(t, http.StatusUnauthorized, p.Status)
	before := read(t, conf.Dir, "next/key.pem")
	mustEnroll(t, ca, conf)
	require.NotEqual(t, before, read(t, conf.Dir, "current/key.pem"))
}

func tokenRoot(ca *catest.Server) [32]byte { return ca.Token("x", "y").Root }

func rootOf(i *catest.Issuer) [32]byte { return sha256.Sum256(i.Root.Raw) }

// Renewals count up, keep two generations, and are made only when due if that
// is asked.
func TestRenew(t *testing.T) {
	ca := catest.New(t)
	conf, events := config(t, ca)
	_, _, err := agent.Renew(t.Context(), conf, false)
	require.ErrorIs(t, err, agent.ErrNotEnrolled)
	require.NoDirExists(t, conf.Dir)

	first := mustEnroll(t, ca, conf)
	same, renewed, err := agent.Renew(t.Context(), conf, true)
	require.NoError(t, err)
	require.False(t, renewed)
	require.Equal(t, first.Serial(), same.Serial())

	for n := 2; n <= 5; n++ {
		c, renewed, err := agent.Renew(t.Context(), conf, false)
		require.NoError(t, err)
		require.True(t, renewed)
		require.Equal(t, n, c.Generation)
	}
	require.Equal(t, []string{"current", "gen-000004", "gen-000005", "log", "state.json"}, names(t, conf.Dir))

	conf.Now = func() time.Time { return first.RenewAfter.Add(time.Minute) }
	_, renewed, err = agent.Renew(t.Context(), conf, true)
	require.NoError(t, err)
	require.True(t, renewed)
	require.Zero(t, ca.Forks)
	require.Empty(t, events.all(agent.Failed))
}

// A renew_after that lies before now or after the end does not make a machine
// renew in a loop, or never.
func TestSensibleRenewAfter(t *testing.T) {
	for _, after := range []time.Duration{-time.Hour, 0, 25 * time.Hour} {
		ca := catest.New(t)
		ca.RenewAfter = after
		conf, _ := config(t, ca)
		c := mustEnroll(t, ca, conf)
		require.WithinDuration(t, time.Now().Add(16*time.Hour), c.RenewAfter, time.Minute)
	}
}

// Exec runs after the swap, once for each certificate, and knows where it is;
// failing, or never ending, does not undo a first swap, and its exit status and
// output are reported.
func TestExec(t *testing.T) {
	ca := catest.New(t)
	conf, events := config(t, ca)
	out := filepath.Join(t.TempDir(), "out")
	conf.Exec = []string{"/bin/sh", "-c", `openssl=$(basename "$(readlink "$BETONICA_DIR/current")"); echo "$openssl $BETONICA_SERIAL" >> ` + out}
	c := mustEnroll(t, ca, conf)
	_, _, err := agent.Renew(t.Context(), conf, true) // nothing is due, and nothing owed
	require.NoError(t, err)
	require.Equal(t, "gen-000001 "+c.Serial()+"\n", read(t, out))
	require.Len(t, events.all(agent.HookRan), 1)

	conf.Exec = []string{"/bin/sh", "-c", "echo no such unit >&2; exit 3"}
	_, err = agent.Enroll(t.Context(), conf, ca.Token("device", "SN-1")) // nothing of before counts then
	require.NoError(t, err)
	failed := events.all(agent.Failed)
	require.Len(t, failed, 1)
	require.Equal(t, "hook", failed[0].Step)
	require.ErrorContains(t, failed[0].Err, "exit status 3: no such unit")
	require.True(t, ca.Issued()[failed[0].Credential.Serial()].Confirmed)

	// A step later makes up for it; a child of the command dies with it.
	conf.Exec, conf.ExecTimeout = []string{"/bin/sh", "-c", "sleep 600 & echo $! > " + out + "; wait"}, 200*time.Millisecond
	_, _, err = agent.Renew(t.Context(), conf, true)
	require.NoError(t, err)
	failed = events.all(agent.Failed)
	require.Len(t, failed, 2)
	require.ErrorContains(t, failed[1].Err, "no end after 200ms")
	child := strings.TrimSpace(read(t, out))
	require.Eventually(t, func() bool {
		stat, err := os.ReadFile("/proc/" + child + "/stat")
		return err != nil || strings.Contains(string(stat), ") Z ")
	}, 5*time.Second, 10*time.Millisecond)
}

// A machine whose clock is off is told by how much.
func TestSkew(t *testing.T) {
	ca := catest.New(t)
	conf, events := config(t, ca)
	conf.Now = func() time.Time { return time.Now().Add(20 * time.Minute) }
	mustEnroll(t, ca, conf)
	require.Len(t, events.all(agent.ClockWrong), 1)
	require.Regexp(t, "20m[01]s off", events.all(agent.ClockWrong)[0].Err) // the header has whole seconds
}

// Two steps at once take turns, and the second finds what the first did.
func TestTwoAtOnce(t *testing.T) {
	ca := catest.New(t)
	conf, _ := config(t, ca)
	first := mustEnroll(t, ca, conf)
	conf.Now = func() time.Time { return first.RenewAfter.Add(time.Second) }
	ca.RenewAfter = 20 * time.Hour
	var wg sync.WaitGroup
	var renewals atomic.Int32
	for range 4 {
		wg.Go(func() {
			_, renewed, err := agent.Renew(t.Context(), conf, true)
			assert.NoError(t, err)
			if renewed {
				renewals.Add(1)
			}
		})
	}
	wg.Wait()
	require.EqualValues(t, 1, renewals.Load())
	require.Len(t, ca.Issued(), 2)
	require.Zero(t, ca.Forks)
}

// The machine's own record holds no secret.
func TestRecord(t *testing.T) {
	ca := catest.New(t)
	conf, _ := config(t, ca)
	token := ca.Token("device", "SN-1")
	_, err := agent.Enroll(t.Context(), conf, token)
	require.NoError(t, err)
	text := read(t, conf.Dir, "current/agent.json")
	require.NotContains(t, text, strings.Split(token.String(), ".")[1])
	require.NotContains(t, text, "PRIVATE")
	require.True(t, json.Valid([]byte(text)))
}

// The chain in the directory is what a verifier with the roots needs.
func TestChain(t *testing.T) {
	ca := catest.New(t)
	conf, _ := config(t, ca)
	c := mustEnroll(t, ca, conf)
	roots, sub := x509.NewCertPool(), x509.NewCertPool()
	require.True(t, roots.AppendCertsFromPEM([]byte(read(t, c.Dir, "roots.pem"))))
	require.True(t, sub.AppendCertsFromPEM([]byte(read(t, c.Dir, "chain.pem"))))
	_, err := c.Certificate.Leaf.Verify(x509.VerifyOptions{Roots: roots, Intermediates: sub, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
	require.NoError(t, err)
}

// The CA is told what time the machine has, however wrong that is, and though the agent does
// not go by it.
func TestClockIsTold(t *testing.T) {
	ca := catest.New(t)
	wrong := 10 * time.Minute
	var sent atomic.Pointer[time.Time]
	ca.Intercept = func(_ http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path == api.PathRenew {
			at, _ := http.ParseTime(r.Header.Get("Date"))
			sent.Store(&at)
		}
		return false
	}
	conf, _ := config(t, ca)
	conf.Now = func() time.Time { return time.Now().Add(wrong) }
	mustEnroll(t, ca, conf)
	_, _, err := agent.Renew(t.Context(), conf, false)
	require.NoError(t, err)
	require.WithinDuration(t, time.Now().Add(wrong), *sent.Load(), time.Minute)
}
