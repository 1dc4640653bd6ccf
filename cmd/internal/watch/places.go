package watch

import (
	"context"
	"errors"
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

// complete fills in where the machine of a fact stands, if the store knows.
func (s *session) complete(ctx context.Context, f *alert.Fact) error {
	if f.Site != "" || !strings.Contains(f.Identity, "/") {
		return nil
	}
	now := s.Now()
	p, ok := s.places[f.Identity]
	if !ok || !now.Before(p.until) {
		id, err := s.Store.Identity(ctx, f.Identity)
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return err
		}
		if len(s.places) >= maxPlaces {
			clear(s.places)
		}
		p = place{id.Site, now.Add(placeFor)}
		s.places[f.Identity] = p
	}
	f.Site = p.site
	return nil
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
