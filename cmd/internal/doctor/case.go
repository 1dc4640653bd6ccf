package doctor

import (
	"context"
	"crypto/x509"
	"time"

	"github.com/betonica/betonica/cmd/internal/server"
	"github.com/betonica/betonica/store"
	"github.com/betonica/betonica/store/audit"
)

// A Case is the certificate authority that is examined, as far as the caller could
// open it.
type Case struct {
	Dir     string
	Version string // of this program
	Now     func() time.Time

	// Deep reads the whole store and verifies the whole log, however long it takes.
	// Otherwise reading the store ends after ReadFor.
	Deep    bool
	ReadFor time.Duration

	// Config is DIR's, nil if ConfigErr says why it cannot be read. PolicyErr says why
	// the policy cannot.
	Config    *server.Config
	ConfigErr error
	PolicyErr error

	// Keys are nil where there is no configuration.
	Keys *Keys

	// IDFile is where the store's name is repeated.
	IDFile string

	// VerifyLog verifies the whole audit log against all evidence; for Deep.
	VerifyLog func(context.Context, *store.Log) error

	// Daemon is what the daemon tells; nil if none answers. Stranger says what does in its
	// place, if something else does. Holder is the process that holds the lock of DIR, 0 if
	// none is known to.
	Daemon   *Daemon
	Stranger string
	Holder   int

	told bool // what to do about the damage that checks meet
}

// Answers takes what answers where the daemon would: as the daemon, if it is this CA's, and
// of this folder.
func (c *Case) Answers(d *Daemon) {
	c.Daemon = d
	if c.Keys == nil || c.Keys.Root == nil {
		return // there is nothing to know it by
	}
	if whose := d.stranger(c.Keys.Root, c.Config.Server.Socket, c.Holder); whose != "" {
		c.Daemon, c.Stranger = nil, "what answers at "+d.At+" is the daemon "+whose
	}
}

// Keys are the CA's keys, each as far as it opens.
type Keys struct {
	Root          *x509.Certificate // nil: it cannot be read
	RootErr       error
	Intermediates []Key // in the order of their making
	Responder     Key   // of the root's OCSP responder
	Log           Key   // the audit log's; it has no certificate
	RootList      []byte
	RootListErr   error
	PassphraseErr error

	// What the store is opened with; nil if Log does not open.
	Audit  *audit.Keys
	Origin string
}

// A Key is one that the daemon needs, and whether it opens and fits its certificate.
type Key struct {
	Name        string // for people
	ID          string // of an intermediate: its subject key identifier, in hex
	Certificate *x509.Certificate
	Issues      bool // it is the intermediate that issues, or that will
	InToken     bool // it lies in an HSM
	Err         error
}

// without returns why a check that needs the configuration cannot be made.
func (c *Case) without() []Finding {
	if c.Config == nil {
		return []Finding{skip("the configuration cannot be read")}
	}
	return nil
}
