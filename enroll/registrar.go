package enroll

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/pem"
	"errors"
	"log/slog"
	"time"

	"github.com/betonica/betonica/ca"
	"github.com/betonica/betonica/store"
)

// Config is what a [Registrar] is made of.
type Config struct {
	// Store remembers. The Registrar does not close it.
	Store *store.DB
	// Authority signs; nothing else may call its Issue.
	Authority *ca.Authority
	// Sealer keeps the secrets of tokens for external account binding where only this
	// authority can read them; nil: there can be no such tokens.
	Sealer Sealer
	// Log gets a line for each certificate and each alarm; nil: slog.Default().
	Log *slog.Logger
	// Now is the clock; nil: time.Now. It must be the Store's and the Authority's.
	Now func() time.Time
}

// A Registrar gives certificates to whoever can prove to be one of its
// identities. Its methods may be called concurrently.
type Registrar struct {
	// Policies holds the policy in force.
	Policies *Policies

	store     *store.DB
	authority *ca.Authority
	sealer    Sealer
	logKey    string // verifies the log's checkpoints
	log       *slog.Logger
	now       func() time.Time

	root     [32]byte // SHA-256 of the root's DER: what our tokens carry
	chain    []byte   // the intermediates in PEM
	refusals *refusals
	bad      *badTokens
}

// New returns a Registrar under the policy that the store says is in force;
// before the first one, only built-in roles exist. [Registrar.Run] must run as
// long as it is used.
func New(ctx context.Context, c Config) (*Registrar, error) {
	if c.Store == nil || c.Authority == nil {
		return nil, errors.New("enroll: a store and an authority are required")
	}
	if c.Log == nil {
		c.Log = slog.Default()
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if err := c.Store.AddIssuer(ctx, c.Authority.IssuerID()); err != nil {
		return nil, err
	}
	policies, err := openPolicies(ctx, c.Store, c.Log)
	if err != nil {
		return nil, err
	}
	logKey, err := c.Store.VerifierKey()
	if err != nil {
		return nil, err
	}
	var chain bytes.Buffer
	for _, cert := range c.Authority.Chain() {
		pem.Encode(&chain, &pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw}) // a bytes.Buffer takes everything
	}
	return &Registrar{
		Policies:  policies,
		store:     c.Store,
		authority: c.Authority,
		sealer:    c.Sealer,
		logKey:    logKey,
		log:       c.Log,
		now:       c.Now,
		root:      sha256.Sum256(c.Authority.Root().Raw),
		chain:     chain.Bytes(),
		refusals:  newRefusals(c.Store, c.Log),
		bad:       newBadTokens(),
	}, nil
}

// Run records the refusals of strangers until ctx ends, and then what is still
// waiting. It returns nil.
func (r *Registrar) Run(ctx context.Context) error { return r.refusals.run(ctx) }
