package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/betonica/betonica/ca/keys"
	"github.com/betonica/betonica/cmd/internal/server"
	"github.com/betonica/betonica/enroll"
	"github.com/betonica/betonica/store"
	"github.com/betonica/betonica/store/audit"
)

// actionDeposit is the event of a deposit. It names the deposit's digest: what lies in
// the database is the newest one if the log says so.
const actionDeposit = "keys.deposit"

// newDeposit collects the deposit of a CA.
func newDeposit(d layout, c *server.Config, trustDomain string) (*deposit, error) {
	p := &deposit{Format: depositFormat, TrustDomain: trustDomain, URL: c.HTTP.URL.String(), Files: map[string][]byte{}}
	for _, name := range c.Server.Names {
		p.Names = append(p.Names, name.String())
	}
	r, err := readRoster(d)
	if err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(d.keys())
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		if name := e.Name(); depositable.MatchString(name) && !r.leftBehind(name) {
			if p.Files[name], err = os.ReadFile(d.inKeys(name)); err != nil {
				return nil, err
			}
		}
	}
	return p, p.collectKey(d, c.CA.Key)
}

// collectKey puts in the first intermediate's key, wherever it lies, or refers to
// where it is.
func (p *deposit) collectKey(d layout, ref string) (err error) {
	name := filepath.Base(d.key())
	if file, ok := strings.CutPrefix(ref, "file:"); ok {
		p.Files[name], err = os.ReadFile(file)
		return err
	}
	delete(p.Files, name)
	p.Key = ref
	return nil
}

// leftBehind says that a file is one that a ceremony which was killed left there.
func (r *roster) leftBehind(name string) bool {
	return strings.HasPrefix(name, "intermediate-") &&
		!slices.ContainsFunc(r.Intermediates, func(m member) bool { return m.Key == name || m.Certificate == name })
}

// seal returns the deposit as the store keeps it.
func (p *deposit) seal(sealer *keys.Sealer) ([]byte, error) {
	body, err := json.Marshal(p)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(body)
	return json.Marshal(sealedDeposit{body, sealer.Seal(depositName, sum[:])})
}

// put puts the deposit in the place of another, with its event.
func (p *deposit) put(ctx context.Context, db *store.DB, sealer *keys.Sealer, replaces int64, by string) error {
	content, err := p.seal(sealer)
	if err != nil {
		return err
	}
	if len(content) > store.MaxDeposit {
		return fmt.Errorf("the files in keys/ take %d bytes, and may take %d", len(content), store.MaxDeposit)
	}
	sum := sha256.Sum256(content)
	return db.Update(ctx, func(tx *store.Tx) audit.Event {
		tx.PutDeposit(store.Deposit{Version: p.Version, Content: content}, replaces)
		return audit.Event{Action: actionDeposit, Actor: enroll.Daemon().Name, Subject: fmt.Sprintf("deposit/%d", p.Version), Outcome: "ok", Detail: map[string]any{
			"version": p.Version, "sha256": hex.EncodeToString(sum[:]), "replica": by,
		}}
	})
}
