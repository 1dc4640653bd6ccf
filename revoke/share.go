package revoke

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/betonica/betonica/ca"
	"github.com/betonica/betonica/store"
)

// The kinds of lists as they are on record; a shard's is the name of its list.
const (
	kindFull  = "full"
	kindDelta = "delta"
)

// record returns a list as it is put on record.
func (p *Publisher) record(kind string, d *Document) store.CRL {
	return store.CRL{
		Issuer: p.Authority.IssuerID(), Kind: kind, Number: d.Number, Base: d.Base,
		ThisUpdate: d.ThisUpdate, NextUpdate: d.NextUpdate, DER: d.DER,
	}
}

// share puts a list on record, with its shards, for all processes to serve, and tells
// them. It reports whether that is the newest: if not, somebody has published one with a
// greater number meanwhile, and ours must not be served: numbers would fall.
func (p *Publisher) share(ctx context.Context, kind string, doc *Document, along shards) (newest bool, err error) {
	var parts []store.CRL
	for _, n := range slices.Sorted(maps.Keys(along)) { // in one order: rows are locked on the way
		for i, list := range along[n] {
			parts = append(parts, p.record(shardKind(n, i), list))
		}
	}
	newest, err = p.Store.PublishCRL(ctx, p.record(kind, doc), parts, p.others.allRefused())
	if err != nil {
		return false, fmt.Errorf("sharing a CRL: %w", err)
	}
	if newest {
		p.others.forgive(kind)
		for _, part := range parts {
			p.others.forgive(part.Kind)
		}
		p.announce(ctx, kind, doc.Number)
	}
	return newest, nil
}

// shardKind is the kind of list i of n.
func shardKind(n, i int) string { return strings.TrimSuffix(ca.ShardName(n, i), ".crl") }
