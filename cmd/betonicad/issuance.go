package main

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/betonica/betonica/ca"
	"github.com/betonica/betonica/ca/keys"
	"github.com/betonica/betonica/cmd/internal/server"
	"github.com/betonica/betonica/enroll"
	"github.com/betonica/betonica/store"
)

const (
	restCheck    = time.Hour       // between two looks at who may rest
	rosterWait   = time.Minute     // before a roster that could not be taken over is tried again
	depositCheck = 2 * time.Second // between two looks at what other replicas deposited
)

// An issuance is which intermediate issues, and what answers for the others: as the
// roster says, from the start on and after each SIGHUP.
//
// An intermediate that does not issue any more goes on signing its lists and OCSP
// answers until nothing of its is in time, and no list of before can be either. Then
// it rests: its last list is served.
type issuance struct {
	layout layout
	config *server.Config
	url    string
	store  *store.DB
	log    *slog.Logger

	custody    *custody // nil: the store is of this host alone
	issuers    *ca.Issuers
	registrar  *enroll.Registrar
	validation *validation

	// switched is called when another intermediate issues, after that.
	switched func(context.Context) error

	mu          sync.Mutex // of take, and of what follows
	secrets     *secrets
	authorities map[string]*ca.Authority // those that could be opened, by id
	waits       error                    // why an order is not carried out yet; nil: all are

	tokens sync.Map // id -> *keys.TokenKey: those that they sign with
}

// newIssuance opens the authorities: of the roster's intermediates those that have
// not ended.
func newIssuance(d layout, c *server.Config, url string, s *secrets, logger *slog.Logger) (*issuance, error) {
	i := &issuance{layout: d, config: c, url: url, log: logger, secrets: s, authorities: map[string]*ca.Authority{}}
	if err := i.openAuthorities(s); err != nil {
		return nil, err
	}
	current, others, resting := i.sorted(s, time.Now(), nil)
	if current == nil {
		return nil, fmt.Errorf("the intermediate %s: %w", s.roster.issuing(time.Now()), ca.ErrExpired)
	}
	var err error
	if i.issuers, err = ca.NewIssuers(current); err != nil {
		return nil, err
	}
	return i, i.issuers.Set(current, others, resting)
}

func (i *issuance) openAuthorities(s *secrets) error {
	for _, one := range s.intermediates {
		if i.authorities[one.id] != nil {
			if used, _ := i.tokens.Load(one.id); used != any(one.signer) {
				closeKey(one.signer) // it was opened again with the rest
			}
			continue
		}
		a, err := ca.New(ca.Config{Certificate: one.certificate, Root: s.root, Signer: one.signer, URL: i.url, Freshest: i.config.CRL.FreshestInCertificates})
		if errors.Is(err, ca.ErrExpired) {
			continue
		}
		if err != nil {
			return err
		}
		i.authorities[one.id] = a
		if token, ok := one.signer.(*keys.TokenKey); ok {
			i.tokens.Store(one.id, token)
		}
	}
	return nil
}

// sorted says who issues, who answers beside it, and who rests. live are the issuers
// of which something is in time, or was lately; nil: all.
func (i *issuance) sorted(s *secrets, now time.Time, live map[string]bool) (current *ca.Authority, others []*ca.Authority, resting []*x509.Certificate) {
	issuing := s.roster.issuing(now)
	for _, one := range s.intermediates {
		a := i.authorities[one.id]
		next := s.roster.Move != nil && s.roster.Move.To == one.id
		switch {
		case a == nil || now.After(one.certificate.NotAfter):
			resting = append(resting, one.certificate)
		case one.id == issuing:
			current = a
		case next || live[one.id] || live == nil:
			others = append(others, a)
		default:
			resting = append(resting, one.certificate)
		}
	}
	return current, others, resting
}

// take puts a roster and the root's statement in force: first everything that
// answers for the intermediates, then who issues. What it could not do it does when
// it is called again.
func (i *issuance) take(ctx context.Context, s *secrets) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	if err := i.validation.root.Replace(s.statement); err != nil {
		return err
	}
	if err := i.openAuthorities(s); err != nil {
		return err
	}
	for _, one := range s.intermediates { // in the order of their making
		if err := i.store.AddIssuer(ctx, one.id); err != nil {
			return err
		}
	}
	if err := record(ctx, i.store, s.roster.Orders); err != nil && !errors.Is(err, store.ErrOlderReplica) {
		return err
	} else if i.waits = err; err != nil {
		i.log.WarnContext(ctx, "an order waits", "error", err)
	}
	now := time.Now()
	live, err := i.store.LiveIssuers(ctx, now.Add(-i.config.CRL.Lifetime.Duration))
	if err != nil {
		return err
	}
	before := i.issuers.Current()
	current, others, resting := i.sorted(s, now, live)
	if current == nil {
		return fmt.Errorf("the intermediate that is to issue: %w", ca.ErrExpired)
	}
	if current != before { // it answers before it issues
		answering := slices.DeleteFunc(append([]*ca.Authority{current}, others...), func(a *ca.Authority) bool { return a == before })
		if err := i.issuers.Set(before, answering, resting); err != nil {
			return err
		}
		if err := i.validation.follow(ctx, i.issuers, resting); err != nil {
			return err
		}
	}
	if err := i.issuers.Set(current, others, resting); err != nil {
		return err
	}
	if err := i.validation.follow(ctx, i.issuers, resting); err != nil {
		return err
	}
	if next, is := moveOf(s.roster, now), i.registrar.Move(); is == nil || next == nil || *is != *next {
		i.registrar.SetMove(next)
	}
	i.secrets = s
	if current == before {
		return nil
	}
	i.log.InfoContext(ctx, "another intermediate issues", "issuer", current.IssuerID(), "subject", current.Certificate().Subject.String(), "before", before.IssuerID())
	return i.switched(ctx)
}

// moveOf returns what the registrar is to know of the roster's move; nil if nobody is
// asked to renew early.
func moveOf(r *roster, now time.Time) *enroll.Move {
	m := r.Move
	if m == nil || m.State != moveOn || m.Pace == 0 || now.Before(m.Begins) {
		return nil
	}
	return &enroll.Move{To: m.To, Since: m.Since, Pace: time.Duration(m.Pace)}
}

// Run takes over what is ordered, until ctx ends; it returns nil. After a signal it
// reads the roster and the root's statement; if they are not good, all stays as it
// is. So it does when another replica has deposited others.
func (i *issuance) Run(ctx context.Context, hangup <-chan os.Signal) error {
	defer i.custody.listen()()
	look := time.NewTicker(depositCheck)
	defer look.Stop()
	timer := time.NewTimer(i.next(restCheck))
	defer timer.Stop()
	for {
		var err error
		select {
		case <-ctx.Done():
			return nil
		case <-hangup:
			err = i.reload(ctx)
		case <-i.custody.heard():
			if !i.custody.stale(ctx) {
				continue
			}
			err = i.reload(ctx)
		case <-look.C: // the word may have been lost
			if !i.custody.stale(ctx) {
				continue
			}
			err = i.reload(ctx)
		case <-timer.C:
			if i.custody.unsettled() {
				err = i.reload(ctx)
			} else {
				err = i.take(ctx, i.known())
			}
		}
		wait := restCheck
		if err != nil && ctx.Err() == nil {
			i.log.ErrorContext(ctx, "taking over the intermediates", "error", err)
			wait = rosterWait
		}
		timer.Reset(i.next(wait))
	}
}

func (i *issuance) reload(ctx context.Context) error {
	s, err := openSecrets(i.layout, i.config)
	if err != nil {
		return err
	}
	if i.custody != nil {
		ours := s
		if s, err = i.custody.settle(ctx, ours); s != ours {
			ours.close()
		}
		if err != nil {
			return err
		}
	}
	return i.take(ctx, s)
}

// close ends the sessions with tokens. Nothing is signed afterwards.
func (i *issuance) close() {
	i.tokens.Range(func(_, token any) bool {
		closeKey(token.(*keys.TokenKey))
		return true
	})
}

// known returns the secrets that are in force.
func (i *issuance) known() *secrets {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.secrets
}

// next is how long nothing is to be done, wait at most.
func (i *issuance) next(wait time.Duration) time.Duration {
	i.mu.Lock()
	m, waits := i.secrets.roster.Move, i.waits
	i.mu.Unlock()
	if waits != nil {
		wait = min(wait, rosterWait)
	}
	if m != nil && m.State == moveOn {
		if left := time.Until(m.Begins); left > 0 {
			return min(wait, left)
		}
	}
	return wait
}

// Health says why nothing can be signed, or what is issued is of no use; or nil.
func (i *issuance) Health() error {
	var lost error
	i.tokens.Range(func(_, token any) bool {
		lost = token.(*keys.TokenKey).Health()
		return lost == nil
	})
	if lost != nil {
		return store.InTrouble(store.TroubleHSM, lost)
	}
	current := i.issuers.Current().Certificate()
	if _, revoked := i.validation.root.Revoked(current); revoked {
		return store.InTrouble(store.TroubleIssuer, fmt.Errorf("the root revoked %q, which issues: make the next intermediate with betonicad rotate", current.Subject))
	}
	return store.InTrouble(store.TroubleIssuer, i.custody.Health())
}
