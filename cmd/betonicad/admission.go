package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strconv"

	"github.com/betonica/betonica/ca/keys"
	"github.com/betonica/betonica/cmd/internal/server"
	"github.com/betonica/betonica/store"
)

// An admission is a replica in the making: a deposit that was found to be good, in a
// folder on the side.
type admission struct {
	joining
	store   *store.Visit
	deposit *deposit
	content []byte // as it lay in the store
	seal    *sealedDeposit
	side    stage
	secrets *secrets
}

// admit reads the deposit. Nothing in it is believed before its keys were opened with
// our passphrase, and nothing is opened that is not of the root that was demanded.
func (j joining) admit(ctx context.Context) (_ *admission, err error) {
	a := &admission{joining: j}
	if a.store, err = store.OpenVisit(ctx, j.dsn); err != nil {
		return nil, fmt.Errorf("looking at the database of the others: %w", err)
	}
	defer func() {
		if err != nil {
			a.close()
		}
	}()
	stored, err := a.store.Deposit(ctx)
	if errors.Is(err, store.ErrNotFound) {
		return nil, errors.New("no replica has deposited its keys in this database: start one of this version there, or make a CA with betonicad init")
	}
	if err != nil {
		return nil, err
	}
	if stored.Content == nil {
		return nil, fmt.Errorf("%w: it is longer than %d bytes", errForeign, store.MaxDeposit)
	}
	if a.seal, err = unwrapDeposit(stored.Content); err != nil {
		return nil, err
	}
	if a.deposit, err = a.seal.open(stored.Version); err != nil {
		return nil, err
	}
	a.content = stored.Content
	return a, a.checkRoot()
}

// checkRoot compares the root with what the operator knows of it.
func (a *admission) checkRoot() error {
	cert, _, err := decodeCertificate(a.deposit.Files["root.pem"])
	if err != nil {
		return fmt.Errorf("%w: its root.pem: %w", errForeign, err)
	}
	if a.fingerprint != "" && fingerprint(cert) != a.fingerprint {
		return fmt.Errorf("the deposit in the database is of the root %s, and not of the one that --root-fingerprint demands: somebody put it there, or this is another CA's database", fingerprint(cert))
	}
	return nil
}

func (a *admission) close() {
	if a.side.tmp != "" {
		a.side.discard()
	}
	if a.secrets != nil {
		a.secrets.close()
	}
	a.store.Close()
}

// make makes the folder and puts it in place.
func (a *admission) make(ctx context.Context, names []server.Name) (err error) {
	if a.side, err = newStage(a.dir, "join"); err != nil {
		return err
	}
	if err := a.writeConfig(names); err != nil {
		return err
	}
	if err := checkWork(a.deposit.Files); err != nil {
		return err
	}
	if err := a.deposit.write(a.side.layout(), writeFile); err != nil {
		return err
	}
	if err := a.openSecrets(); err != nil {
		return err
	}
	if err := a.vouched(ctx); err != nil {
		return err
	}
	policy, err := a.store.CurrentPolicy(ctx)
	if err != nil {
		return err
	}
	if err := writeFile(a.side.layout().policy(), policy.Text); err != nil {
		return err
	}
	if err := store.WriteID(a.side.layout().storeID(), a.store.Said().ID); err != nil {
		return err
	}
	if err := a.side.sync(); err != nil {
		return err
	}
	if err := rename(string(a.side.layout()), a.dir); err != nil {
		return err
	}
	return syncDir(filepath.Dir(a.dir))
}

// writeConfig writes betonica.toml.
func (a *admission) writeConfig(own []server.Name) error {
	names, err := parseNames(a.deposit.Names)
	if err != nil {
		return fmt.Errorf("%w: %w", errForeign, err)
	}
	text, err := server.Beginning{
		Names: server.WithLoopback(append(names, own...)), Replica: a.name, URL: a.deposit.URL, DSN: a.dsn, Key: a.deposit.Key, PassphraseFile: a.passphraseFile,
	}.Text()
	if err != nil {
		return fmt.Errorf("%w: %w", errForeign, err)
	}
	return writeFile(a.side.layout().config(), text)
}

// openSecrets opens the keys with the passphrase, which is the test that it is theirs,
// and has the certificates fit them and each other. The key that seals the deposit comes
// first: a key may be in a token, by a module that the deposit names, which is not loaded
// on a stranger's word.
func (a *admission) openSecrets() error {
	d := a.side.layout()
	c, err := server.ReadConfig(string(d))
	if err != nil {
		return err
	}
	if c.CA.PassphraseFile != "" && a.passphraseFile == "" {
		c.CA.PassphraseFile = a.dir + ".passphrase" // and not beside the side
	}
	passphrase, err := keys.ReadPassphrase(c.CA.PassphraseFile)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("there is no %s: copy the passphrase file of another replica there, or name it with --passphrase-file", c.CA.PassphraseFile)
	}
	if err != nil {
		return err
	}
	sealing := d.key()
	if a.deposit.Key != "" {
		sealing = d.sealingKey()
	}
	key, err := keys.Open("file:"+sealing, passphrase)
	if errors.Is(err, keys.ErrPassphrase) {
		return fmt.Errorf("the passphrase does not open the keys in the deposit: %w; take that of the other replicas", keys.ErrPassphrase)
	}
	if err != nil {
		return fmt.Errorf("opening the deposit: %w", err)
	}
	sealer, err := keys.NewSealer(key)
	if err != nil {
		return err
	}
	if err := a.seal.genuine(sealer); err != nil {
		return err
	}
	if a.secrets, err = openSecrets(d, c); err != nil {
		return fmt.Errorf("opening the deposit: %w", err)
	}
	return a.secrets.check()
}

// vouched has the audit log of the store, which opens with the deposit's key, vouch for
// the deposit being the newest one.
func (a *admission) vouched(ctx context.Context) error {
	if domain := a.secrets.trustDomain(); domain != a.deposit.TrustDomain {
		return fmt.Errorf("%w: it is said to be of %s, and its certificates are of %s", errForeign, a.deposit.TrustDomain, domain)
	}
	if err := a.store.Unlock(ctx, a.secrets.log, origin(a.deposit.TrustDomain)); err != nil {
		return fmt.Errorf("the deposit and the log in the database are not of one CA: %w", err)
	}
	if said := a.store.Said(); said.Restored || said.Behind {
		return errors.New("the store is older than what was signed from it: have it recovered first, with betonicad recover")
	}
	e, err := a.store.Newest(ctx, actionDeposit)
	if err != nil {
		return fmt.Errorf("asking the log for the deposit: %w", err)
	}
	sum := sha256.Sum256(a.content)
	version, _ := strconv.ParseInt(fmt.Sprint(e.Detail["version"]), 10, 64)
	if version != a.deposit.Version || e.Detail["sha256"] != hex.EncodeToString(sum[:]) {
		return fmt.Errorf("deposit %d is not the newest one: by the log that is %d; somebody set it back, or it was replaced just now: try again", a.deposit.Version, version)
	}
	return nil
}
