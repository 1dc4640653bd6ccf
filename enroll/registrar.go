package enroll

import (
	"context"
	"crypto/sha256"
	"errors"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/betonica/betonica/ca"
	"github.com/betonica/betonica/enroll/turns"
	"github.com/betonica/betonica/store"
)

// Config is what a [Registrar] is made of.
type Config struct {
	// Store remembers. The Registrar does not close it.
	Store *store.DB
	// Issuers sign; nothing else may call their Issue.
	Issuers *ca.Issuers
	// Sealer keeps the secrets of tokens for external account binding where only this
	// authority can read them, and has the key of the challenges for TPMs; nil: there can
	// be no such tokens, and no TPMs.
	Sealer Sealer
	// Log gets a line for each certificate and each alarm; nil: slog.Default().
	Log *slog.Logger
	// Turns says how many renew at once; the zero Config has defaults. Its Now is ours.
	Turns turns.Config
	// Now is the clock; nil: time.Now. It must be the Store's and the Authority's.
	Now func() time.Time
}

// A Registrar gives certificates to whoever can prove to be one of its
// identities. Its methods may be called concurrently.
type Registrar struct {
	// Policies holds the policy in force.
	Policies *Policies

	store   *store.DB
	council *council
	issuers *ca.Issuers
	turns   *turns.Queue // of those who renew
	moving  atomic.Pointer[Move]
	sealer  Sealer
	logKey  string // verifies the log's checkpoints
	log     *slog.Logger
	now     func() time.Time

	root     [32]byte // SHA-256 of the root's DER: what our tokens carry
	refusals *refusals
	tally    *tally
	bad      *badTokens
	often    *often
	begun    *begun
}

// New returns a Registrar under the policy that the store says is in force;
// before the first one, only built-in roles exist. [Registrar.Run] must run as
// long as it is used.
func New(ctx context.Context, c Config) (*Registrar, error) {
	if c.Store == nil || c.Issuers == nil {
		return nil, errors.New("enroll: a store and issuers are required")
	}
	if c.Log == nil {
		c.Log = slog.Default()
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	for _, a := range c.Issuers.All() {
		if err := c.Store.AddIssuer(ctx, a.IssuerID()); err != nil {
			return nil, err
		}
	}
	council := &council{store: c.Store, log: c.Log}
	policies, err := openPolicies(ctx, council)
	if err != nil {
		return nil, err
	}
	logKey, err := c.Store.VerifierKey()
	if err != nil {
		return nil, err
	}
	c.Turns.Now = c.Now
	return &Registrar{
		Policies: policies,
		store:    c.Store,
		council:  council,
		issuers:  c.Issuers,
		turns:    turns.New(c.Turns),
		sealer:   c.Sealer,
		logKey:   logKey,
		log:      c.Log,
		now:      c.Now,
		root:     sha256.Sum256(c.Issuers.Root().Raw),
		refusals: newRefusals(c.Store, c.Log),
		tally:    newTally(),
		bad:      newBadTokens(),
		often:    newOften(),
		begun:    newBegun(),
	}, nil
}

// Run records the refusals of strangers until ctx ends, and then what is still
// waiting. It returns nil.
func (r *Registrar) Run(ctx context.Context) error { return r.refusals.run(ctx) }

// Renewals returns how many renewals are under way and wait for that, and how many were
// ever told to come back later.
func (r *Registrar) Renewals() (running, waiting int, away int64) { return r.turns.Stats() }
