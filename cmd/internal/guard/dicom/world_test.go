package dicom

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/cmd/internal/guard/gate"
	"github.com/betonica/betonica/cmd/internal/guard/gate/gatetest"
	"github.com/betonica/betonica/cmd/internal/record"
	"github.com/betonica/betonica/revoke/allow"
	"github.com/betonica/betonica/revoke/peer"
	"github.com/betonica/betonica/revoke/peer/peertest"
)

// patience is how long a test waits for what must happen.
const patience = 20 * time.Second

// A guarded is a gate that serves a listener.
type guarded struct {
	address string
	journal *gatetest.Records
	route   *gate.Route
	drain   chan struct{}
	artim   time.Duration

	mu    sync.Mutex
	links []*gate.Link
}

// link returns the newest link.
func (g *guarded) link() *gate.Link {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.links[len(g.links)-1]
}

// set changes what the next connection finds.
func (g *guarded) set(change func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	change()
}

// serve has a gate serve a listener until the test ends; who makes the link of a
// connection.
func (g *guarded) serve(t *testing.T, l net.Listener, who func(c net.Conn) (gate.Caller, *tls.ConnectionState, func() (string, bool), error)) {
	g.address = l.Addr().String()
	ctx, stop := context.WithCancel(context.Background())
	var serving sync.WaitGroup
	t.Cleanup(func() {
		l.Close()
		stop()
		serving.Wait()
	})
	serving.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			serving.Go(func() {
				defer c.Close()
				caller, state, why, err := who(c)
				if err != nil {
					return
				}
				g.mu.Lock()
				ctx, link := gate.NewLink(ctx, g.route, c, caller, state, why)
				g.links = append(g.links, link)
				gate := Gate{ARTIM: g.artim}
				g.mu.Unlock()
				defer link.End("")
				gate.Serve(ctx, link)
			})
		}
	})
}

func newGuarded(side record.Side, target string) *guarded {
	j, drain := gatetest.NewRecords(), make(chan struct{})
	return &guarded{journal: j, drain: drain, artim: patience, route: &gate.Route{
		Name: "pacs", Target: target, Side: side, Guard: "spiffe://test.example/guard/g",
		Records: j, Meter: new(gate.Meter), Log: slog.New(slog.DiscardHandler), Now: time.Now, Drain: drain,
		Dial: gatetest.Dialer(target),
	}}
}

var modality, _ = allow.ParseID("spiffe://test.example/device/ct-1")

// plain starts a gate that takes callers on the loopback for the modality that rules
// are about.
func plain(t *testing.T, target string, rules ...allow.Rule) *guarded {
	t.Helper()
	g := newGuarded(record.Server, target)
	set, err := allow.NewSet(rules...)
	require.NoError(t, err)
	g.route.Rules = func() allow.Set { return set }
	g.serve(t, gatetest.Listen(t), func(net.Conn) (gate.Caller, *tls.ConnectionState, func() (string, bool), error) {
		return gate.Caller{ID: modality, Address: "test"}, nil, nil, nil
	})
	return g
}

// A pair is two guards with TLS between them: a modality beside the one, the archive
// behind the other.
type pair struct {
	client, server *guarded
	ca             *peertest.CA
	modality       *peertest.Identity
}

// newPair starts two guards, of which the server's has rules for the modality.
func newPair(t *testing.T, target string, rules ...allow.Rule) *pair {
	t.Helper()
	ca := peertest.New(t)
	open := func(id *peertest.Identity) *peer.Peer {
		p, err := peer.Open(t.Context(), peer.Config{Source: id, State: t.TempDir(), Allow: []string{peertest.Everyone}})
		require.NoError(t, err)
		t.Cleanup(func() { p.Close() })
		return p
	}
	p := &pair{ca: ca, modality: ca.Identity("device/ct-1")}
	set, err := allow.NewSet(rules...)
	require.NoError(t, err)
	p.server = newGuarded(record.Server, target)
	p.server.route.Rules = func() allow.Set { return set }
	archive := open(ca.Identity("service/archive"))
	secure, err := archive.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	p.server.serve(t, secure, func(c net.Conn) (gate.Caller, *tls.ConnectionState, func() (string, bool), error) {
		if err := c.(*tls.Conn).Handshake(); err != nil {
			return gate.Caller{}, nil, nil, err
		}
		state := c.(*tls.Conn).ConnectionState()
		id, err := allow.IDOf(state.PeerCertificates[0])
		return gate.Caller{ID: id, Address: c.RemoteAddr().String(), Certificate: state.PeerCertificates[0]}, &state, whyCut(c), err
	})
	p.client = newGuarded(record.Client, secure.Addr().String())
	beside := open(p.modality)
	p.client.route.Dial = func(ctx context.Context, _ *gate.Link) (*gate.Target, error) {
		c, err := beside.Dial(ctx, "tcp", secure.Addr().String())
		if err != nil {
			return nil, err
		}
		state := c.ConnectionState()
		return &gate.Target{Conn: c, TLS: &state, Why: whyCut(c)}, nil
	}
	p.client.serve(t, gatetest.Listen(t), func(c net.Conn) (gate.Caller, *tls.ConnectionState, func() (string, bool), error) {
		return gate.Caller{ID: modality, Address: c.RemoteAddr().String()}, nil, nil, nil
	})
	return p
}

func whyCut(c net.Conn) func() (string, bool) {
	return func() (string, bool) {
		if err := peer.WhyCut(c); err != nil {
			return gate.Revoked, true
		}
		return "", false
	}
}

// rule is one about the modality.
func rule(name string, what allow.DICOMRule) allow.Rule {
	return allow.Rule{Name: name, Peers: []string{"spiffe://test.example/device/ct-*"}, DICOM: &what}
}

var errDiskFull = errors.New("disk full")

// fullOnce has one record not be kept: the one after so many.
func fullOnce(after int) func(record.Record) error {
	return func(record.Record) error {
		if after--; after == -1 {
			return errDiskFull
		}
		return nil
	}
}
