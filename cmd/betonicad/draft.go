package main

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/betonica/betonica/ca"
	"github.com/betonica/betonica/ca/keys"
	"github.com/betonica/betonica/cmd/internal/server"
	"github.com/betonica/betonica/enroll"
	"github.com/betonica/betonica/revoke"
	"github.com/betonica/betonica/store"
	"github.com/betonica/betonica/store/audit"
)

// A draft is a new CA in the making.
type draft struct {
	target
	stage
	passphrase []byte
	made       bool // passphrase is new
	log        [32]byte
	sealer     *keys.Sealer // once there are keys
}

func newDraft(t target) (*draft, error) {
	d := &draft{target: t, log: audit.NewMaster()}
	var err error
	d.passphrase, err = keys.ReadPassphrase(t.passphrase)
	if errors.Is(err, fs.ErrNotExist) {
		d.passphrase, d.made, err = keys.NewPassphrase(), true, nil
	}
	if err != nil {
		return nil, err
	}
	if d.stage, err = newStage(t.dir, "init"); err != nil {
		return nil, err
	}
	if err := os.Mkdir(d.root(), 0o700); err != nil {
		d.discard()
		return nil, err
	}
	return d, nil
}

func (d *draft) root() string { return filepath.Join(d.tmp, "root") }

// writeKeys writes certificates and keys. The root's passphrase is of its own:
// who has the daemon's opens nothing but the intermediate.
func (d *draft) writeKeys(h *ca.Hierarchy) error {
	at := d.layout()
	rootPassphrase := keys.NewPassphrase()
	if err := d.writeKey(h.IntermediateKey); err != nil {
		return err
	}
	return errors.Join(
		keys.Write(filepath.Join(d.root(), "root.key"), h.RootKey, rootPassphrase),
		writeFile(filepath.Join(d.root(), "passphrase"), append(rootPassphrase, '\n')),
		writeFile(filepath.Join(d.root(), "root.pem"), encodeCertificate(h.Root)),
		writeFile(at.intermediate(), encodeCertificate(h.Intermediate)),
		writeFile(at.rootCertificate(), encodeCertificate(h.Root)),
		writeFile(at.logKey(), d.sealer.Seal(logKeyName, d.log[:])),
		d.writeStatement(h),
	)
}

// writeKey writes the intermediate's key, and has it seal the other secrets. One in a
// token is not written, and cannot: a key of its own does.
func (d *draft) writeKey(key crypto.Signer) error {
	file := d.layout().key()
	if _, token := key.(*keys.TokenKey); token {
		file = d.layout().sealingKey()
		var err error
		if key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
			return err
		}
	}
	var err error
	if d.sealer, err = keys.NewSealer(key); err != nil {
		return err
	}
	return keys.Write(file, key, d.passphrase)
}

// writeStatement has the root say that the intermediate is good.
func (d *draft) writeStatement(h *ca.Hierarchy) error {
	root, err := ca.NewRoot(h.Root, h.RootKey, nil)
	if err != nil {
		return err
	}
	said, err := revoke.SignRoot(root, nil, time.Now())
	if err != nil {
		return err
	}
	return writeStatement(d.layout(), said, d.sealer, writeFile)
}

// writeConfig writes betonica.toml and policy.toml.
func (d *draft) writeConfig(in initialization, names []server.Name) error {
	var passphraseFile string
	if in.passphraseFile != "" {
		passphraseFile = d.target.passphrase
	}
	text, err := server.Beginning{Names: names, URL: in.url, DSN: in.dsn, Key: in.caKey, PassphraseFile: passphraseFile}.Text()
	if err != nil {
		return &usageError{err.Error()}
	}
	return errors.Join(
		writeFile(d.layout().config(), text),
		writeFile(d.layout().policy(), ca.DefaultPolicy(in.trustDomain)),
	)
}

// fillStore makes the store, whose log begins with the making of the CA and its
// first policy.
func (d *draft) fillStore(ctx context.Context, h *ca.Hierarchy, in initialization) (err error) {
	dsn := in.dsn
	if dsn == "" {
		dsn = "sqlite:" + d.layout().database()
	}
	logKeys := audit.NewKeys(d.log)
	db, err := store.Open(ctx, store.Config{DSN: dsn, Keys: logKeys, Origin: origin(in.trustDomain), Evidence: d.layout().evidence(), IDFile: d.layout().storeID()})
	if err != nil {
		return fmt.Errorf("making the store, for which a database of its own is needed: %w", err)
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	by := enroll.Actor{Name: fmt.Sprintf("uid:%d", os.Getuid()), Root: true}
	err = db.Update(ctx, func(*store.Tx) audit.Event {
		return audit.Event{Action: "ca.init", Actor: by.Name, Subject: h.Intermediate.Subject.String(), Outcome: "ok", Detail: map[string]any{
			"root": fingerprint(h.Root), "intermediate": fingerprint(h.Intermediate), "version": version(),
		}}
	})
	if err != nil {
		return err
	}
	authority, err := ca.New(ca.Config{Certificate: h.Intermediate, Root: h.Root, Signer: h.IntermediateKey, URL: "http://localhost"})
	if err != nil {
		return err
	}
	issuers, err := ca.NewIssuers(authority)
	if err != nil {
		return err
	}
	registrar, err := enroll.New(ctx, enroll.Config{Store: db, Issuers: issuers, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		return err
	}
	if err := registrar.Policies.Load(ctx, by, d.layout().policy()); err != nil {
		return err
	}
	if db.Shared() {
		if err := d.deposit(ctx, db, h, in.trustDomain); err != nil {
			return err
		}
	}
	_, err = db.SignCheckpoint(ctx)
	return err
}

// deposit leaves in the store what further replicas are made from.
func (d *draft) deposit(ctx context.Context, db *store.DB, h *ca.Hierarchy, trustDomain string) error {
	c, err := server.ReadConfig(string(d.layout()))
	if err != nil {
		return err
	}
	p, err := newDeposit(d.layout(), c, trustDomain)
	if err != nil {
		return err
	}
	p.Version = 1
	return p.put(ctx, db, d.sealer, 0, c.Server.Replica.String())
}

// publish puts the draft in place: the CA's own folder last, so that there is a
// CA only when all of it is there. What it has put in place it takes back if a
// later step fails.
func (d *draft) publish() (err error) {
	var undo []string
	defer func() {
		if err != nil {
			for _, path := range undo {
				os.RemoveAll(path)
			}
		}
	}()
	if err := d.sync(d.root()); err != nil {
		return err
	}
	if d.made {
		if err := writeFile(d.target.passphrase, append(bytes.Clone(d.passphrase), '\n')); err != nil {
			return err
		}
		undo = append(undo, d.target.passphrase)
		if err := syncDir(filepath.Dir(d.target.passphrase)); err != nil {
			return err
		}
	}
	if err := rename(d.root(), d.rootDir); err != nil {
		return err
	}
	undo = append(undo, d.rootDir)
	if err := rename(string(d.layout()), d.dir); err != nil {
		return err
	}
	undo = nil
	return syncDir(filepath.Dir(d.dir))
}
