package watch

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/betonica/betonica/store"
	"github.com/betonica/betonica/store/alert"
)

// Bounds of what is remembered of the store; beyond them it is asked again.
const (
	maxPlaces  = 100_000
	maxSerials = 200_000
	placeFor   = 10 * time.Minute // for so long an identity is where it was
)

// places are where identities stand, by path.
type places map[string]place

type place struct {
	site  string
	until time.Time
}

// serials are certificates that are on record.
type serials map[store.Serial]struct{}

// locate fills in where the machines of facts stand, as far as the store knows: it is asked
// once for all of them.
func (s *session) locate(ctx context.Context, facts []alert.Fact) error {
	now := s.Now()
	if len(s.places) >= maxPlaces {
		clear(s.places)
	}
	unknown := map[string]bool{}
	for i := range facts {
		f := &facts[i]
		if p, known := s.places[f.Identity]; lacksSite(f) && !(known && now.Before(p.until)) {
			unknown[f.Identity] = true
		}
	}
	sites, err := s.Store.Sites(ctx, slices.Collect(maps.Keys(unknown)))
	if err != nil {
		return err
	}
	for path := range unknown {
		s.places[path] = place{sites[path], now.Add(placeFor)}
	}
	for i := range facts {
		if f := &facts[i]; lacksSite(f) {
			f.Site = s.places[f.Identity].site
		}
	}
	return nil
}

// lacksSite says whether a fact is about a machine, and does not say where that stands.
func lacksSite(f *alert.Fact) bool {
	return f.Kind != 0 && f.Site == "" && strings.Contains(f.Identity, "/")
}

// fresh is for how long the store knows every certificate that was good when a guard saw
// it, by far.
const fresh = 7 * 24 * time.Hour

// unissued looks whether the store knows the certificate that a guard let through.
func (s *session) unissued(ctx context.Context, f alert.Fact) error {
	if f.Kind != alert.Used || f.Serial == "" || s.silent || s.Now().Sub(f.At) > fresh {
		return nil
	}
	serial, err := store.ParseSerial(f.Serial)
	if err != nil {
		return nil // no serial of ours; that guard sees other CAs' certificates
	}
	if _, ok := s.known[serial]; ok {
		return nil
	}
	_, err = s.Store.Certificate(ctx, serial)
	if errors.Is(err, store.ErrNotFound) {
		s.add(s.engine.Observe(alert.Fact{
			Kind: alert.Unissued, At: f.At, Identity: f.Identity, Site: f.Site, Serial: f.Serial, Other: f.Other,
			Cites: alert.Ref{Origin: f.Origin, Seq: f.Seq},
		}))
		return nil
	}
	if err != nil {
		return err
	}
	if len(s.known) >= maxSerials {
		clear(s.known)
	}
	s.known[serial] = struct{}{}
	return nil
}
