package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/betonica/betonica/ca/keys"
	"github.com/betonica/betonica/cmd/internal/server"
	"github.com/betonica/betonica/store"
)

// keysTopic is the notice of a deposit; its payload is the version.
const keysTopic = "keys"

// A custody keeps the files of this host and the deposit in a shared store the same: a
// ceremony that was held here is deposited, and one that was held elsewhere is taken
// over. It is for one goroutine.
type custody struct {
	layout layout
	config *server.Config
	store  *store.DB
	log    *slog.Logger

	settled int64         // version of the deposit that was last found to be ours
	tried   int64         // version that was last looked at
	failed  bool          // settle is to be called again
	word    chan struct{} // somebody else may have deposited others

	trouble atomic.Pointer[error] // why the deposit could not be taken over; nil: it could
}

// openCustody returns nil for a store that is of this host alone.
func openCustody(d layout, c *server.Config, db *store.DB, log *slog.Logger) *custody {
	if !db.Shared() {
		return nil
	}
	return &custody{layout: d, config: c, store: db, log: log, word: make(chan struct{}, 1)}
}

// begin is settle for a daemon that starts: it goes on with ours where there is
// something wrong with the deposit, and the log says so.
func (c *custody) begin(ctx context.Context, ours *secrets) *secrets {
	if c == nil {
		return ours
	}
	s, err := c.settle(ctx, ours)
	if err != nil {
		c.log.ErrorContext(ctx, "the keys of this host are not those of the other replicas", "error", err)
		return ours
	}
	return s
}

// settle returns what is in force after ours, which the files of this host hold: ours
// as well, and then it is deposited; or the deposit, and then the files hold that. Of
// two ceremonies that were held at once the one stands that was deposited first, and
// the files of the other are put aside.
//
// A deposit that nobody made who has the CA's keys is replaced, and the log says so.
func (c *custody) settle(ctx context.Context, ours *secrets) (_ *secrets, err error) {
	defer func() { c.failed = err != nil }()
	unlock, err := lockCeremony(c.layout.rosterLock())
	if err != nil {
		return nil, err
	}
	defer unlock()
	local, err := newDeposit(c.layout, c.config, ours.trustDomain())
	if err != nil {
		return nil, err
	}
	for {
		next, err := c.settleOnce(ctx, local, ours)
		if !errors.Is(err, store.ErrStale) {
			return next, err
		}
	}
}

func (c *custody) settleOnce(ctx context.Context, local *deposit, ours *secrets) (*secrets, error) {
	stored, err := c.store.Deposit(ctx)
	if errors.Is(err, store.ErrNotFound) {
		return ours, c.put(ctx, local, ours, 0, 1)
	}
	if err != nil {
		return nil, err
	}
	c.tried = stored.Version
	there, err := c.read(stored, ours.sealer)
	if errors.Is(err, errForeign) {
		c.log.ErrorContext(ctx, "the deposit is replaced: somebody else wrote into the database", "version", stored.Version, "error", err)
		return ours, c.put(ctx, local, ours, stored.Version, c.settled+1)
	}
	if err == nil && there.same(local) {
		c.agree(stored.Version)
		return ours, nil
	}
	var theirs *secrets
	if err == nil {
		theirs, err = c.open(there)
	}
	if err == nil && ours.follows(theirs) && !theirs.follows(ours) {
		theirs.close()
		return ours, c.put(ctx, local, ours, stored.Version, stored.Version+1)
	}
	if err == nil {
		if err = c.takeOver(local, there, theirs.follows(ours) && !ours.follows(theirs)); err != nil {
			theirs.close()
		}
	}
	if err != nil {
		err = fmt.Errorf("deposit %d: %w", stored.Version, err)
		c.trouble.Store(&err)
		return nil, err
	}
	c.agree(stored.Version)
	c.log.InfoContext(ctx, "took over the keys that another replica deposited", "version", stored.Version, "revision", theirs.roster.Revision)
	return theirs, nil
}

// takeOver writes the files of a deposit. Those that it does not follow on are put
// aside.
func (c *custody) takeOver(local, there *deposit, follows bool) error {
	if !follows {
		if err := c.putAside(local); err != nil {
			return err
		}
	}
	return there.write(c.layout, replaceFile)
}

// agree notes that the files of this host and the deposit are the same.
func (c *custody) agree(version int64) {
	c.settled, c.tried = version, version
	c.trouble.Store(nil)
}

// read reads a deposit that whoever has the CA's keys made.
func (c *custody) read(stored store.Deposit, sealer *keys.Sealer) (*deposit, error) {
	seal, err := unwrapDeposit(stored.Content)
	if err != nil {
		return nil, err
	}
	if err := seal.genuine(sealer); err != nil {
		return nil, err
	}
	return seal.open(stored.Version)
}

// open opens the keys of a deposit on the side, as they would be once taken over.
func (c *custody) open(p *deposit) (*secrets, error) {
	side, err := stageIn(string(c.layout), "deposit")
	if err != nil {
		return nil, err
	}
	defer side.discard()
	if err := p.write(side.layout(), writeFile); err != nil {
		return nil, err
	}
	s, err := openSecrets(side.layout(), c.config)
	if err != nil {
		return nil, err
	}
	if err := s.check(); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

// put deposits what is here. What was ordered is on record before that, so that those
// who take it over find it there, and it is on record once.
func (c *custody) put(ctx context.Context, local *deposit, ours *secrets, replaces, version int64) error {
	if err := record(ctx, c.store, ours.roster.Orders); err != nil && !errors.Is(err, store.ErrOlderReplica) {
		return err
	}
	local.Version = version
	if err := local.put(ctx, c.store, ours.sealer, replaces, c.config.Server.Replica.String()); err != nil {
		return err
	}
	c.agree(version)
	if err := c.store.Notify(ctx, keysTopic, strconv.FormatInt(version, 10)); err != nil {
		c.log.WarnContext(ctx, "the other replicas learn of the keys a little later", "error", err)
	}
	c.log.InfoContext(ctx, "deposited the keys for the other replicas", "version", version, "revision", ours.roster.Revision)
	return nil
}

// putAside keeps the files of a ceremony that came second.
func (c *custody) putAside(local *deposit) error {
	dir := filepath.Join(string(c.layout), "keys.aside-"+time.Now().UTC().Format("20060102T150405.000"))
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	for name, text := range local.Files {
		if err := writeFile(filepath.Join(dir, name), text); err != nil {
			return err
		}
	}
	c.log.Error("another replica held a ceremony at the same time, and was first: hold this one again", "the files of this one", dir)
	return bestow(dir)
}
