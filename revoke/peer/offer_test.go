package peer_test

import (
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/revoke/evidence"
	"github.com/betonica/betonica/revoke/peer"
	"github.com/betonica/betonica/revoke/peer/peertest"
)

// A recoverer stands before a CA's listener and takes the lists that machines bring; it
// can answer in the CA's place as one that is being recovered.
type recoverer struct {
	URL    string
	asking atomic.Bool

	mu      sync.Mutex
	known   *evidence.Evidence
	brought int
}

func newRecoverer(t *testing.T, ca *peertest.CA) *recoverer {
	f := &recoverer{known: evidence.New(time.Now, ca.Intermediate())}
	f.URL = newFront(t, ca, func(w http.ResponseWriter, r *http.Request) bool {
		switch {
		case r.Method == http.MethodPost && strings.HasSuffix(r.URL.Path, "/evidence"):
			f.take(w, r)
			return true
		case f.asking.Load():
			w.Header().Set("Betonica-Evidence", "wanted")
			w.WriteHeader(http.StatusServiceUnavailable)
			return true
		}
		return false
	}).URL
	return f
}

func (f *recoverer) take(w http.ResponseWriter, r *http.Request) {
	der, err := io.ReadAll(r.Body)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.brought++
	if err == nil {
		_, err = f.known.Add(der)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	w.WriteHeader(http.StatusAccepted)
}

func (f *recoverer) number() int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.known.Number()
}

// A CA that says that it never signed such a number was set back: it is brought the very
// list that it did sign. One that is being recovered, and asks, gets all that is held,
// so that nothing is left open. Neither is overrun.
func TestOffer(t *testing.T) {
	ca := peertest.New(t)
	f := newRecoverer(t, ca)
	pump := ca.Identity("device/pump-1")
	r := newRegistry(t, ca.Identity("ca/one"), nil)
	r.behind.Store(true)
	gateway := openAt(t, ca.Identity("device/gw"), reportTo(r), func(c *peer.Config) { c.URL = f.URL })
	await(t, "the refusal", func() bool { return gateway.events.has(peer.Unreported) }) // said once the list was brought
	require.NotZero(t, f.number(), "a CA that was set back is not brought the list that it signed")
	await(t, "the list", func() bool { return f.number() == gateway.Number() })
	require.Equal(t, 1, gateway.events.count(peer.Offered))
	number := ca.Revoke(pump)
	await(t, "the delta", func() bool { return gateway.Number() == number })
	require.Equal(t, 1, f.brought, "at most once a minute")

	other := newRecoverer(t, ca)
	gateway = openAt(t, ca.Identity("device/gw-2"), func(c *peer.Config) { c.URL, c.Heartbeat = other.URL, 300*time.Millisecond })
	number = ca.Revoke(ca.Identity("device/pump-2"))
	await(t, "the delta", func() bool { return gateway.Number() >= number })
	other.asking.Store(true)
	await(t, "the lists", func() bool { return other.number() >= number })
	await(t, "that it is said", func() bool { return gateway.events.count(peer.Offered) == 1 })
	require.NoError(t, other.known.Gaps(0))
	require.Equal(t, 2, other.brought)
}
