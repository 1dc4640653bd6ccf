package rules

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/betonica/betonica/revoke/allow"
	"github.com/betonica/betonica/revoke/allow/signed"
)

// ErrOld reports rules that are older than those in force: somebody replays them, or the
// CA's database was set back. They are not taken. After a CA was set back for good, its
// operator has to apply policies until the version is past, or to delete the guard's File.
var ErrOld = errors.New("the CA offers rules that are older than those in force")

// An Identity is who the guard is; an agent is one.
type Identity interface {
	Certificate() *tls.Certificate
	Roots() *x509.CertPool
}

// Config is what a [Source] is made of. Every field but EndAtExpiry is required.
type Config struct {
	// URL is the CA's HTTPS listener.
	URL string

	Identity Identity

	// File is where the newest statement is kept. Its folder is made.
	File string

	// EndAtExpiry lets nobody in once the rules have expired, which is 24 h after the CA
	// was last there. By default they stay in force, with an alarm: patients shall not
	// wait for a CA.
	EndAtExpiry bool

	Log *slog.Logger
	Now func() time.Time
}

// A Source has the rules of this moment. It may be used concurrently.
type Source struct {
	conf    Config
	guard   allow.ID
	client  *http.Client
	current atomic.Pointer[held]

	mu        sync.Mutex
	confirmed time.Time // when the CA last said that these are the newest
	err       error     // why it did not since
	expired   bool      // it was said that the rules have expired
}

// held is a statement in force.
type held struct {
	statement signed.Statement
	set       allow.Set
	tag       string // what the CA calls it; "" if it was read from disk
}

// Open reads the rules that the last run kept. Without any, nobody is let in until
// [Source.Run] has fetched some; what does not verify is as if it were not there, and
// the log says so. An error means that the disk does not read, or that the identity has
// no ID.
func Open(conf Config) (*Source, error) {
	guard, err := allow.IDOf(conf.Identity.Certificate().Leaf)
	if err != nil {
		return nil, fmt.Errorf("rules: %w", err)
	}
	s := &Source{conf: conf, guard: guard, err: errors.New("the CA was not asked yet")}
	s.client = NewClient(conf.Identity, s.guard.TrustDomain(), conf.Now)
	s.current.Store(new(held))
	if err := os.MkdirAll(filepath.Dir(conf.File), 0o700); err != nil {
		return nil, fmt.Errorf("rules: %w", err)
	}
	text, err := readFile(conf.File)
	if errors.Is(err, os.ErrNotExist) {
		return s, nil
	}
	if err != nil {
		return nil, fmt.Errorf("rules: %w", err)
	}
	if h, err := s.open(text); err != nil {
		conf.Log.Error("the rules on disk are not taken", "file", conf.File, "error", err)
	} else {
		s.current.Store(h)
	}
	return s, nil
}

// Rules returns what is allowed at this moment.
func (s *Source) Rules() allow.Set {
	h := s.current.Load()
	if s.conf.EndAtExpiry && !s.conf.Now().Before(h.statement.Expires) {
		return allow.Set{}
	}
	return h.set
}

// A Status says which rules are in force, and since when.
type Status struct {
	Version   int64 // of the policy
	Rules     int
	Issued    time.Time // zero: there are none
	Expires   time.Time
	Confirmed time.Time // when the CA last said so; zero: not in this run
	Err       error     // why the CA does not say so now; nil: it does
}

// Status returns how it stands.
func (s *Source) Status() Status {
	h := s.current.Load()
	s.mu.Lock()
	defer s.mu.Unlock()
	return Status{h.statement.Version, h.set.Len(), h.statement.Issued, h.statement.Expires, s.confirmed, s.err}
}

// open verifies a statement and makes its set.
func (s *Source) open(text []byte) (*held, error) {
	statement, err := signed.Open(text, s.guard, s.conf.Identity.Roots(), s.conf.Now())
	if err != nil {
		return nil, err
	}
	set, err := statement.Set()
	if err != nil {
		return nil, err
	}
	return &held{statement: statement, set: set}, nil
}

// take puts a statement in force that the CA sent just now. It is on disk before. With
// an error, which is [ErrOld] of one that is older, what was in force stays.
func (s *Source) take(text []byte, tag string) error {
	h, err := s.open(text)
	if err != nil {
		return err
	}
	h.tag = tag
	before := s.current.Load().statement
	if h.statement.Version < before.Version || h.statement.Version == before.Version && h.statement.Issued.Before(before.Issued) {
		return fmt.Errorf("%w: version %d of %s, after %d of %s", ErrOld,
			h.statement.Version, stamp(h.statement.Issued), before.Version, stamp(before.Issued))
	}
	if err := writeFile(s.conf.File, text); err != nil {
		// The CA's word counts, whether or not our disk is full.
		s.conf.Log.Error("the rules are in force, and not on disk: after a restart those before would be", "error", err)
	}
	s.current.Store(h)
	if h.statement.Version != before.Version || before.Issued.IsZero() {
		s.conf.Log.Info("new rules are in force", "version", h.statement.Version, "rules", h.set.Len())
	}
	return nil
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }
