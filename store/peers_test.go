package store

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// What a process knows of the others lets a revocation go on only when each of them
// has applied it, or has certainly no lease any more. The times are those of the
// process's own monotonic clock.
func TestPeersBehind(t *testing.T) {
	const trusted = leaseTime + leaseSlack
	row := func(beats, seen int64) []peerRow { return []peerRow{{1, beats, seen}} }
	for _, tt := range []struct {
		name   string
		do     func(*peers)
		behind bool // number 7
	}{
		{"nothing was read", func(*peers) {}, true},
		{"a session that is younger than a lease", func(p *peers) { p.read(7, nil, trusted-1, trusted) }, true},
		{"alone", func(p *peers) { p.read(7, nil, trusted, trusted) }, false},
		{"read before the revocation", func(p *peers) { p.read(6, nil, trusted, trusted) }, true},
		{"another is as far", func(p *peers) { p.read(7, row(1, 7), trusted, trusted) }, false},
		{"another is not", func(p *peers) { p.read(7, row(1, 6), trusted, trusted) }, true},
		{"another says that it is", func(p *peers) {
			p.read(7, row(1, 6), trusted, trusted)
			p.saw(1, 7)
		}, false},
		{"another says so, and an older row of its is read", func(p *peers) {
			p.read(7, row(1, 6), trusted, trusted)
			p.saw(1, 7)
			p.read(8, row(2, 6), trusted, trusted)
		}, false},
		{"a stranger says so", func(p *peers) {
			p.read(7, row(1, 6), trusted, trusted)
			p.saw(2, 7)
		}, true},
		{"a row that stands still for a lease", func(p *peers) {
			p.read(7, row(5, 6), 0, 1)
			p.read(7, row(5, 6), 1+trusted, 2+trusted)
		}, false},
		{"for not quite as long, since it was read later than it was asked for", func(p *peers) {
			p.read(7, row(5, 6), 0, 2)
			p.read(7, row(5, 6), 1+trusted, 2+trusted)
		}, true},
		{"a row that moved meanwhile", func(p *peers) {
			p.read(7, row(5, 6), 0, 1)
			p.read(7, row(6, 6), trusted/2, trusted/2)
			p.read(7, row(6, 6), 1+trusted, 2+trusted)
		}, true},
		{"a row that moves again", func(p *peers) {
			p.read(7, row(5, 6), 0, 1)
			p.read(7, row(5, 6), 1+trusted, 2+trusted)
			p.read(7, row(6, 6), 2+trusted, 3+trusted)
		}, true},
		{"a row that is gone", func(p *peers) {
			p.read(7, row(5, 6), trusted, trusted)
			p.read(7, nil, 1+trusted, 2+trusted)
		}, false},
		{"a session that began anew", func(p *peers) {
			p.read(7, nil, trusted, trusted)
			p.forget(2 * trusted)
		}, true},
		{"and read an empty table", func(p *peers) {
			p.read(7, nil, trusted, trusted)
			p.forget(2 * trusted)
			p.read(7, nil, 3*trusted-1, 3*trusted)
		}, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := &peers{}
			tt.do(p)
			require.Equal(t, tt.behind, p.behind(7) != nil)
		})
	}
}

// Whoever waits is woken by what it waits for.
func TestPeersAwait(t *testing.T) {
	const trusted = leaseTime + leaseSlack
	p := &peers{}
	p.read(7, []peerRow{{1, 1, 6}, {2, 1, 7}}, trusted, trusted)
	changed := p.behind(7)
	require.NotNil(t, changed)
	go p.saw(1, 7)
	select {
	case <-changed:
	case <-time.After(30 * time.Second):
		require.Fail(t, "not woken")
	}
	p.await(7)
}
