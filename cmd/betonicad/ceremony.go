package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/betonica/betonica/ca"
	"github.com/betonica/betonica/ca/keys"
	"github.com/betonica/betonica/cmd/internal/server"
	"github.com/betonica/betonica/revoke"
	"github.com/betonica/betonica/revoke/crl"

	"golang.org/x/sys/unix"
)

// A ceremony is one that changes which intermediates there are, or what the root
// says of them. It writes files and nothing else: the daemon may run, and takes them
// over when it is told to.
type ceremony struct {
	layout  layout
	config  *server.Config
	secrets *secrets
	unlock  func()
}

// begin opens the CA for a ceremony. Two at a time are refused.
func begin(dir string) (*ceremony, error) {
	d, err := layoutOf(dir)
	if err != nil {
		return nil, err
	}
	config, err := server.ReadConfig(string(d))
	if err != nil {
		return nil, err
	}
	c := &ceremony{layout: d, config: config}
	if c.unlock, err = lockCeremony(d.rosterLock()); err != nil {
		return nil, err
	}
	if c.secrets, err = openSecrets(d, config); err != nil {
		c.unlock()
		return nil, err
	}
	return c, nil
}

// lockCeremony locks a file as lockFile does.
func lockCeremony(name string) (unlock func(), err error) {
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("locking: %w", err)
	}
	err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		err = errors.New("another ceremony is held on this CA")
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return func() { f.Close() }, nil
}

// end lets others begin.
func (c *ceremony) end() {
	c.secrets.close()
	c.unlock()
}

// A rootKey is where the root's key is.
type rootKey struct{ file, passphrase string }

// open opens the root's key for a moment.
func (k rootKey) open(c *ceremony) (*ca.Root, error) {
	file := k.passphrase
	if file == "" {
		file = filepath.Join(filepath.Dir(k.file), "passphrase")
	}
	passphrase, err := keys.ReadPassphrase(file)
	if err != nil {
		return nil, err
	}
	key, err := keys.Open("file:"+k.file, passphrase)
	if err != nil {
		return nil, err
	}
	return ca.NewRoot(c.secrets.root, key, nil)
}

// state has the root say anew what it says of the intermediates, and revoke those.
func (c *ceremony) state(root *ca.Root, revoked ...crl.Entry) (*crl.List, error) {
	said, err := revoke.SignRoot(root, c.secrets.statement.CRL, time.Now(), revoked...)
	if err != nil {
		return nil, err
	}
	if err := writeStatement(c.layout, said, c.secrets.sealer, replaceFile); err != nil {
		return nil, err
	}
	c.secrets.statement = said
	// The responder has brought its own key along.
	if err := os.Remove(c.layout.rootOCSPKey()); err != nil && !os.IsNotExist(err) {
		return nil, err
	}
	return crl.Open(said.CRL, c.secrets.root)
}

// order is one that is given now.
func (c *ceremony) order(action, id string, detail map[string]any) order {
	return order{
		Action: action, By: fmt.Sprintf("uid:%d", os.Getuid()), At: time.Now().UTC().Truncate(time.Second),
		Subject: c.secrets.intermediate(id).Subject.String(), Detail: detail,
	}
}

// fit says why an intermediate cannot issue, or nil.
func (c *ceremony) fit(id string) error {
	cert := c.secrets.intermediate(id)
	if now := time.Now(); now.After(cert.NotAfter) {
		return fmt.Errorf("%q ended at %s", cert.Subject, cert.NotAfter.Format(time.DateOnly))
	}
	anchor, err := revoke.NewAnchor(c.secrets.root, c.secrets.statement)
	if err != nil {
		return err
	}
	if _, revoked := anchor.Revoked(cert); revoked {
		return fmt.Errorf("the root revoked %q", cert.Subject)
	}
	return nil
}

// replaceFile writes a file whole: after a crash it is the old one or the new one. It
// belongs to whom the folder belongs to, who need not be who holds the ceremony.
func replaceFile(path string, content []byte) error {
	next := path + ".new"
	if err := os.Remove(next); err != nil && !os.IsNotExist(err) {
		return err
	}
	if err := writeFile(next, content); err != nil {
		return err
	}
	if err := bestow(next); err != nil {
		return err
	}
	if err := os.Rename(next, path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

// bestow gives a file to the owner of its folder, if we are root and he is not.
func bestow(path string) error {
	if os.Geteuid() != 0 {
		return nil
	}
	var folder unix.Stat_t
	if err := unix.Stat(filepath.Dir(path), &folder); err != nil {
		return err
	}
	return os.Lchown(path, int(folder.Uid), int(folder.Gid))
}
