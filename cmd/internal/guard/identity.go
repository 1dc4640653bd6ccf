package guard

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/betonica/betonica/enroll/agent"
)

// An identity is who this machine is: a peer.Source.
type identity interface {
	Certificate() *tls.Certificate
	Roots() *x509.CertPool
}

// A directory is the identity that another process keeps in a directory. It is read
// again when the link to its newest generation changes.
type directory struct {
	keys func(*agent.Config) error
	path string
	log  *slog.Logger
	held atomic.Pointer[held]
	said string // what was wrong, the last time; of refresh alone
}

type held struct {
	credential *agent.Credential
	roots      *x509.CertPool
	link       string
}

// openDirectory reads a directory; the error wraps [agent.ErrNotEnrolled] if there is
// no certificate in it.
func openDirectory(path string, keys func(*agent.Config) error, log *slog.Logger) (*directory, error) {
	d := &directory{path: path, keys: keys, log: log}
	h, err := d.load()
	if err != nil {
		return nil, err
	}
	d.held.Store(h)
	return d, nil
}

func (d *directory) Certificate() *tls.Certificate { return &d.held.Load().credential.Certificate }
func (d *directory) Roots() *x509.CertPool         { return d.held.Load().roots }

func (d *directory) load() (*held, error) {
	link, _ := os.Readlink(filepath.Join(d.path, "current"))
	conf := agent.Config{Dir: d.path}
	if err := d.keys(&conf); err != nil {
		return nil, err
	}
	c, err := agent.LoadWith(d.path, conf.Keys)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	for _, r := range c.Roots {
		roots.AddCert(r)
	}
	return &held{c, roots, link}, nil
}

// refresh takes up what another process has put there: it costs the reading of one
// link. What cannot be used leaves the certificate before in use, and is said once.
func (d *directory) refresh(ctx context.Context) {
	before := d.held.Load()
	if link, err := os.Readlink(filepath.Join(d.path, "current")); err == nil && link == before.link {
		return
	}
	next, err := d.load()
	if err == nil && next.credential.ID() != before.credential.ID() {
		err = fmt.Errorf("it is %s's now, and the guard began as %s: start it anew", next.credential.ID(), before.credential.ID())
	}
	if err != nil {
		if err.Error() != d.said {
			d.log.WarnContext(ctx, "the machine's directory has no certificate to go on with", "error", err)
		}
		d.said = err.Error()
		return
	}
	d.said = ""
	d.held.Store(next)
	c := next.credential
	d.log.InfoContext(ctx, "renewed", "serial", c.Serial(), "not_after", c.NotAfter())
}

// open returns the identity of a configuration, where its certificate came from, and
// what to wait for once ctx has ended.
func openIdentity(ctx context.Context, c Config, keys func(*agent.Config) error, log *slog.Logger, now func() time.Time) (id identity, url string, wait func(), err error) {
	if !c.Agent.Keep {
		d, err := openDirectory(c.Dir, keys, log)
		if err != nil {
			return nil, "", nil, err
		}
		return d, d.held.Load().credential.URL, func() {}, nil
	}
	conf := agent.Config{Dir: c.Dir, URL: c.Agent.URL, TokenFile: c.Agent.TokenFile, Log: log, Now: now}
	conf.Request.Identity, conf.Request.Key = c.Agent.Identity, c.Agent.KeyType
	if err := keys(&conf); err != nil {
		return nil, "", nil, err
	}
	a, err := agent.Start(ctx, conf)
	if err != nil {
		return nil, "", nil, err
	}
	return a, a.Credential().URL, a.Wait, nil
}
