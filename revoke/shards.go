package revoke

import (
	"context"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/betonica/betonica/ca"
	"github.com/betonica/betonica/revoke/crl"
	"github.com/betonica/betonica/store"
)

// Where lists must not exceed a number of bytes, certificates are spread over n of
// them, a power of two. Which one a certificate is on follows from its serial number,
// and its URL stands in the certificate: whatever n was once in force is published
// until the issuer's end, and for that every n is on record before it is used. The
// complete list is there all the time, and is what our own peers go by.
const (
	spreadEvery = 30 * time.Second // how often n is looked at
	spreadAfter = 2 * time.Minute  // for other daemons to publish the lists of a new n, too

	entryBytes = 49   // of the longest entry with our serial numbers
	frameBytes = 1024 // of a list without entries, at most: names, URL, signature
)

// shards are the lists of every n that is on record, by n. They never change.
type shards map[int][]*Document

// shardsFor returns the least n for which n lists stay below limit bytes even if all
// of so many certificates are revoked, but for one chance in thirty thousand: random
// serial numbers do not spread evenly.
func shardsFor(limit, certificates int) int {
	for n := 1; n < ca.MaxShards; n *= 2 {
		entries := float64(certificates) / float64(n)
		if n > 1 {
			entries += 4 * math.Sqrt(entries)
		}
		if entries*entryBytes+frameBytes <= float64(limit) {
			return n
		}
	}
	return ca.MaxShards
}

// runShards looks after n until ctx ends.
func (p *Publisher) runShards(ctx context.Context) {
	tick := time.NewTicker(p.spreadEvery)
	defer tick.Stop()
	for {
		p.report(ctx, "shards", p.spread(ctx))
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// spread decides over how many lists certificates are spread from now on. If it
// cannot, it stays as it is.
func (p *Publisher) spread(ctx context.Context) error {
	need := 1
	if p.MaxBytes > 0 {
		counts, err := p.Store.CountByIssuer(ctx)
		if err != nil {
			return err
		}
		need = shardsFor(p.MaxBytes, int(counts[p.Authority.IssuerID()].Live))
	}
	known, err := p.shardings(ctx, need)
	if err != nil {
		return err
	}
	signed := *p.shards.Load()
	inForce := 1
	for _, s := range known {
		switch {
		case signed[s.N] == nil:
			p.resign.Store(true)
			p.poke()
		case s.N == need && time.Since(s.Since) >= p.spreadAfter:
			inForce = need
		}
	}
	p.Authority.SetShards(inForce)
	return nil
}

// shardings returns what is on record, and puts need there unless it is one list.
func (p *Publisher) shardings(ctx context.Context, need int) ([]store.Sharding, error) {
	issuer := p.Authority.IssuerID()
	known, err := p.Store.Shardings(ctx, issuer)
	if err != nil || need == 1 || slices.ContainsFunc(known, func(s store.Sharding) bool { return s.N == need }) {
		return known, err
	}
	if err := p.Store.AddSharding(ctx, issuer, need); err != nil {
		return nil, err
	}
	return p.Store.Shardings(ctx, issuer)
}

// hasShards says whether these are the lists of every n that is on record.
func (p *Publisher) hasShards(ctx context.Context, signed shards) (bool, error) {
	known, err := p.Store.Shardings(ctx, p.Authority.IssuerID())
	return !slices.ContainsFunc(known, func(s store.Sharding) bool { return signed[s.N] == nil }), err
}

// signShards signs the lists of every n that is on record. They have the number and
// the times of the full list that t is of: each number rises in its own scope, too.
func (p *Publisher) signShards(ctx context.Context, t crl.Template, all crl.Set) (shards, error) {
	p.resign.Store(false) // what is put on record from now on is for the next time
	known, err := p.Store.Shardings(ctx, p.Authority.IssuerID())
	if err != nil {
		return nil, err
	}
	t.Freshest = "" // our deltas are of another scope
	signed := shards{}
	for _, s := range known {
		for i, set := range all.Split(s.N) {
			t.Point = p.Authority.ListURL(ca.ShardName(s.N, i))
			doc, err := p.seal(t, set)
			if err != nil {
				return nil, fmt.Errorf("shard %s: %w", ca.ShardName(s.N, i), err)
			}
			signed[s.N] = append(signed[s.N], doc)
		}
	}
	return signed, nil
}

// ServeShard answers with the list number {i} of {n}, the path's last two elements
// being "{n}/{i}.crl".
func (p *Publisher) ServeShard(w http.ResponseWriter, r *http.Request) {
	doc := p.shard(r.URL.Path)
	if doc == nil {
		http.NotFound(w, r)
		return
	}
	doc.serve(w, r, fullAge, time.Now())
}

// shard returns the list that a path ends with the name of, or nil.
func (p *Publisher) shard(path string) *Document {
	parts := strings.Split(strings.TrimSuffix(path, ".crl"), "/")
	if len(parts) < 2 {
		return nil
	}
	n, err := strconv.Atoi(parts[len(parts)-2])
	if err != nil {
		return nil
	}
	lists := (*p.shards.Load())[n]
	i, err := strconv.Atoi(parts[len(parts)-1])
	if err != nil || i < 0 || i >= len(lists) || !strings.HasSuffix(path, "/"+ca.ShardName(n, i)) {
		return nil
	}
	return lists[i]
}
