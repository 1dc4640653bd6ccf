package enforcement

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"time"
)

// A RelyingParty is what is known of one.
type RelyingParty struct {
	Identity string // path
	Address  string // of its last report's connection
	// Number is the CRL number that it enforces: the lowest, if it speaks about
	// several issuers. Lag is how far that is behind the newest.
	Number, Lag         int64
	FirstSeen, LastSeen time.Time
	Connected           bool // it has reported within 2.5 minutes
	Lagging             bool // its list is older than three heartbeats, or went back
	Connections         int64
}

// A Summary is all relying parties.
type Summary struct {
	Known, Connected, Lagging int
	// Refused is how many reports, since the start, were of numbers that no list has.
	Refused int64
	// Parties are those that lag first, then those not connected, then those furthest
	// behind; More is how many were left out.
	Parties []RelyingParty
	More    int
}

// Summary tells of at most so many relying parties.
func (e *Registry) Summary(ctx context.Context, limit int) (Summary, error) {
	now, signed := e.Now(), e.Signed()
	if err := errors.Join(e.settle(ctx), e.catchUp(ctx, time.Second)); err != nil {
		return Summary{}, err
	}
	out := Summary{Refused: e.refused.Load()}
	e.mu.Lock()
	out.Parties = make([]RelyingParty, 0, len(e.parties))
	for _, p := range e.parties {
		out.Parties = append(out.Parties, p.view(signed, now))
	}
	e.mu.Unlock()
	for _, p := range out.Parties {
		if p.Connected {
			out.Connected++
		}
		if p.Lagging {
			out.Lagging++
		}
	}
	out.Known = len(out.Parties)
	sortParties(out.Parties, worstFirst)
	if out.More = max(0, out.Known-limit); out.More > 0 {
		out.Parties = slices.Clone(out.Parties[:limit])
	}
	return out, nil
}

// view is a party as it is told of, under the lock.
func (p *party) view(signed map[string]int64, now time.Time) RelyingParty {
	last := p.last()
	out := RelyingParty{
		Identity: p.identity, Address: last.Address, Number: last.Number, FirstSeen: last.FirstSeen, LastSeen: last.Reported,
		Connected: p.connected(now), Connections: last.Connections,
	}
	out.Lagging = out.Connected && p.lags()
	for _, s := range p.said {
		if s.FirstSeen.Before(out.FirstSeen) {
			out.FirstSeen = s.FirstSeen
		}
		if !p.current(s) {
			continue
		}
		out.Number = min(out.Number, s.Number)
		if newest, ours := signed[s.Issuer]; ours {
			out.Lag = max(out.Lag, newest-s.Number)
		}
	}
	return out
}

// sortParties sorts by rank, the lowest first, then by identity.
func sortParties(all []RelyingParty, rank func(a, b RelyingParty) int) {
	slices.SortFunc(all, func(a, b RelyingParty) int {
		return cmp.Or(rank(a, b), strings.Compare(a.Identity, b.Identity))
	})
}

func worstFirst(a, b RelyingParty) int {
	return cmp.Or(-compare(a.Lagging, b.Lagging), compare(a.Connected, b.Connected), -cmp.Compare(a.Lag, b.Lag))
}

func connectedFirst(a, b RelyingParty) int {
	return cmp.Or(-compare(a.Connected, b.Connected), -a.LastSeen.Compare(b.LastSeen))
}

// compare puts false before true.
func compare(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	}
	return 1
}
