package revoke

import (
	"context"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/betonica/betonica/ca"
	"github.com/betonica/betonica/revoke/crl"
	"github.com/betonica/betonica/revoke/static"
	"github.com/betonica/betonica/store"
)

const (
	mirrorEvery = time.Minute            // how often to look for what nobody announces
	mirrorRetry = 2 * time.Second        // what could not be written
	mirrorYield = 100 * time.Millisecond // to another daemon that writes
)

// MirrorConfig is what a [Mirror] is made of. Every field is required. Its functions
// are called now and again, and must be quick.
type MirrorConfig struct {
	// Dir is the path of the directory. The one above it has to exist.
	Dir string

	// Publishers returns those that sign at this moment, Root the root's list.
	Publishers func() []*Publisher
	Root       func() *Document

	// Certificates returns the root and every intermediate.
	Certificates func() []*x509.Certificate

	Log *slog.Logger
}

// A Mirror keeps what publishers serve as files, for a web server or a CDN that goes
// on while the daemon is down: the lists, full, delta and shards, the root's, all full
// ones in chain.crl.pem, and the certificates of the CA, each under the path of its
// URL. A list takes the place of one with a lower number only, whoever wrote that one;
// after a restore of an old backup it waits until its numbers are above those that the
// world has seen. What cannot be written is tried again; nothing waits for it.
type Mirror struct {
	MirrorConfig
	dir  *static.Dir
	wake chan struct{}

	// Of Run's goroutine, by name: what lies there, as far as we know, and what did
	// when the chain was made.
	put, chained map[string][]byte

	mu  sync.Mutex
	err error // of the last attempt
}

// NewMirror returns a Mirror. Nothing is written before Run.
func NewMirror(c MirrorConfig) *Mirror {
	return &Mirror{MirrorConfig: c, dir: static.New(c.Dir), wake: make(chan struct{}, 1), put: map[string][]byte{}, chained: map[string][]byte{}}
}

// Poke says that there is something new. It does not wait.
func (m *Mirror) Poke() {
	select {
	case m.wake <- struct{}{}:
	default:
	}
}

// Health returns why the directory is not up to date, or nil.
func (m *Mirror) Health() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return store.InTrouble(store.TroublePublish, m.err)
}

// Run writes what is new until ctx ends; it returns nil.
func (m *Mirror) Run(ctx context.Context) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		wake := m.wake
		err := m.update(ctx)
		switch {
		case errors.Is(err, static.ErrBusy):
			wake = nil
			timer.Reset(mirrorYield)
		case err != nil:
			wake = nil
			timer.Reset(mirrorRetry)
		default:
			timer.Reset(mirrorEvery)
		}
		m.report(ctx, err)
		select {
		case <-ctx.Done():
			return nil
		case <-wake:
		case <-timer.C:
		}
	}
}

// update writes all that is new: first what changes most often.
func (m *Mirror) update(ctx context.Context) error {
	var failed []error
	for _, write := range m.files() {
		if ctx.Err() != nil {
			break
		}
		err := write()
		if errors.Is(err, static.ErrBusy) {
			return err
		}
		failed = append(failed, err)
	}
	return errors.Join(failed...)
}

// files returns what writes each file, if it is new.
func (m *Mirror) files() (all []func() error) {
	var shards []func() error
	var chain []string
	list := func(name string, doc *Document, issuer *x509.Certificate) func() error {
		return func() error { return m.putList(name, doc, issuer) }
	}
	for _, p := range m.Publishers() {
		dir, issuer := "crl/"+p.Authority.IssuerID()+"/", p.Authority.Certificate()
		all = append(all, list(dir+"delta.crl", p.Delta(), issuer), list(dir+"full.crl", p.Full(), issuer))
		chain = append(chain, dir+"full.crl")
		for n, lists := range *p.shards.Load() {
			for i, doc := range lists {
				shards = append(shards, list(dir+ca.ShardName(n, i), doc, issuer))
			}
		}
	}
	for _, cert := range m.Certificates() {
		id := hex.EncodeToString(cert.SubjectKeyId)
		all = append(all, func() error { return m.putFile("ca/"+id+".cer", cert.Raw) })
		if cert.CheckSignatureFrom(cert) == nil { // the root
			all = append(all, list("crl/"+id+"/full.crl", m.Root(), cert))
			chain = append(chain, "crl/"+id+"/full.crl")
		}
	}
	return append(append(all, func() error { return m.putChain(chain) }), shards...)
}

// putList writes a list, unless a newer one of the same kind lies there.
func (m *Mirror) putList(name string, doc *Document, issuer *x509.Certificate) error {
	if m.lies(name, doc.DER) {
		return nil
	}
	err := m.dir.Put(name, doc.DER, func(old []byte) bool {
		head, err := crl.OpenHead(old, issuer)
		return err != nil || head.IsDelta() != (doc.Base > 0) || head.Number() < doc.Number
	})
	if errors.Is(err, static.ErrNewer) {
		m.Log.Warn("publish_dir: what lies there is newer", "list", name, "number", doc.Number)
	} else if err != nil {
		return err
	}
	m.put[name] = doc.DER
	return nil
}

func (m *Mirror) putFile(name string, data []byte) error {
	if m.lies(name, data) {
		return nil
	}
	err := m.dir.Put(name, data, func([]byte) bool { return true })
	if err == nil {
		m.put[name] = data
	}
	return err
}

// lies reports whether a file is there, and is these bytes or what is newer.
func (m *Mirror) lies(name string, data []byte) bool {
	return isSame(m.put[name], data) && m.dir.Has(name)
}

// putChain writes these lists as they lie there into one file: so it is no older than
// they are, whoever wrote them.
func (m *Mirror) putChain(names []string) error {
	const file = "chain.crl.pem"
	made := len(names) == len(m.chained) && m.dir.Has(file)
	for _, name := range names {
		made = made && isSame(m.chained[name], m.put[name])
	}
	if made {
		return nil
	}
	err := m.dir.Derive(file, func() (text []byte, err error) {
		for _, name := range names {
			der, err := m.dir.Get(name)
			if err != nil {
				return nil, fmt.Errorf("making %s: %w", file, err)
			}
			text = append(text, pem.EncodeToMemory(&pem.Block{Type: "X509 CRL", Bytes: der})...)
		}
		return text, nil
	})
	if err != nil {
		return err
	}
	clear(m.chained)
	for _, name := range names {
		m.chained[name] = m.put[name]
	}
	return nil
}

// isSame reports whether two texts that never change are the same one in memory.
func isSame(a, b []byte) bool { return len(a) > 0 && len(a) == len(b) && &a[0] == &b[0] }

// report keeps err for Health, and logs it when it changes.
func (m *Mirror) report(ctx context.Context, err error) {
	if err != nil {
		err = fmt.Errorf("publish_dir: %w", err)
	}
	m.mu.Lock()
	old := m.err
	if !errors.Is(err, static.ErrBusy) { // that is no trouble
		m.err = err
	}
	m.mu.Unlock()
	if err != nil && ctx.Err() == nil && !errors.Is(err, static.ErrBusy) && (old == nil || old.Error() != err.Error()) {
		m.Log.ErrorContext(ctx, "writing what is published", "error", err)
	}
}
