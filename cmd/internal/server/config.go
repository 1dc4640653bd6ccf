package server

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/pelletier/go-toml/v2"
)

// Config is DIR/betonica.toml. A relative path in it means: below DIR.
type Config struct {
	Server struct {
		// Names are the DNS names and IP addresses under which machines reach the
		// daemon. They stand in its certificate; the first one also in the URLs of
		// those that it issues.
		Names []Name `toml:"names"`
		// Replica is what the daemon is called among those that share its database, and
		// in its certificate: spiffe://TRUST-DOMAIN/ca/REPLICA. Each must have a name of
		// its own. Default "betonicad".
		Replica ReplicaName `toml:"replica"`
		// HTTPS is where machines enrol and renew. Default ":8443".
		HTTPS Address `toml:"https"`
		// HTTP serves what relying parties fetch without TLS, since they fetch it
		// to judge TLS: signed objects only. Default ":8080".
		HTTP Address `toml:"http"`
		// Ops serves health and metrics, to whoever reaches it: keep it on
		// loopback. Default "127.0.0.1:9090".
		Ops Address `toml:"ops"`
		// Socket is the path of the admin socket. Default "admin.sock".
		Socket string `toml:"socket"`
	} `toml:"server"`

	HTTP struct {
		// URL is how relying parties reach the HTTP listener; it goes into every
		// certificate. Default: http://, the first of the server's names, and the
		// port that HTTP listens at.
		URL URL `toml:"url"`
	} `toml:"http"`

	Store struct {
		// DSN is "sqlite:PATH" or a PostgreSQL URL. Default "sqlite:betonica.db".
		DSN string `toml:"dsn"`
		// MigrationCopies is the folder for the copy of the store that is made before a
		// new version changes its schema, or "none". Default: DIR.
		MigrationCopies string `toml:"migration_copies"`
		// AcceptClock is the flag of serve; see [store.Config].
		AcceptClock bool `toml:"-"`
	} `toml:"store"`

	CA struct {
		// Key refers to the intermediate's private key. Default
		// "file:keys/intermediate.key".
		Key string `toml:"key"`
		// PassphraseFile opens Key. It must not lie in DIR, since whoever copies
		// DIR shall not have copied the key. Default: the systemd credential
		// betonica.passphrase if there is one, in which case the field stays empty;
		// otherwise DIR.passphrase.
		PassphraseFile string `toml:"passphrase_file"`
	} `toml:"ca"`

	CRL CRLConfig `toml:"crl"`

	OCSP struct {
		// Lifetime is how long an OCSP answer may be believed: what a revocation
		// takes at most to reach those that cache. From 5s to 24h; default "60s".
		Lifetime Duration `toml:"lifetime"`
		// Cache is how much memory the signed answers may take, in bytes. Default
		// 33554432, 32 MiB.
		Cache Bytes `toml:"cache"`
	} `toml:"ocsp"`

	ACME ACMEConfig `toml:"acme"`

	EST ESTConfig `toml:"est"`

	SCEP SCEPConfig `toml:"scep"`

	Audit struct {
		// Evidence is the file that keeps every checkpoint of the log that we ever
		// signed: against it a log that was set back shows. It is worth most on
		// another device. Default "evidence.log".
		Evidence string `toml:"evidence"`
		// Archive is the folder that entries go into which are older than the retention
		// says. Default "archive"; none for PostgreSQL, where all daemons that share
		// the database have to share the folder, too.
		Archive string `toml:"archive"`
	} `toml:"audit"`

	Deliver DeliverConfig `toml:"deliver"`

	Retention RetentionConfig `toml:"retention"`

	Archive ArchiveConfig `toml:"archive"`

	Backup struct {
		// MaxAge is how old the last backup may be: betonicad doctor and the metrics
		// tell of an older one. From 1m to 8784h; default "26h", for one a day.
		MaxAge Duration `toml:"max_age"`
		// Recipients are whom betonicad backup encrypts to: age's public keys, which
		// begin with age1. Default: none, then they must be given to it.
		Recipients []string `toml:"recipients"`
	} `toml:"backup"`
}

// ConfigFile is the name of the configuration in DIR.
const ConfigFile = "betonica.toml"

// ReadConfig reads the configuration of dir, strictly: a key that it does not
// know, or a value that it cannot use, is an error that names file, line and
// column. Paths come back absolute, and defaults filled in.
func ReadConfig(dir string) (*Config, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	file := filepath.Join(dir, ConfigFile)
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("reading the configuration: %w", err)
	}
	c, err := parseConfig(file, text)
	if err != nil {
		return nil, err
	}
	c.resolve(dir)
	if err := c.check(); err != nil {
		return nil, placed(file, text, err)
	}
	if err := c.CRL.check(file, text, dir); err != nil {
		return nil, err
	}
	return c, nil
}

// parseConfig decodes text; file is what errors call it.
func parseConfig(file string, text []byte) (*Config, error) {
	c, err := decodeConfig(text)
	if err != nil {
		return nil, located(file, text, err)
	}
	return c, nil
}

func decodeConfig(text []byte) (*Config, error) {
	var c Config
	return &c, toml.NewDecoder(bytes.NewReader(text)).DisallowUnknownFields().Decode(&c)
}

// located puts file, line and column before what is wrong there.
func located(file string, text []byte, err error) error {
	if missing, ok := errors.AsType[*toml.StrictMissingError](err); ok {
		first := missing.Errors[0]
		line, column := first.Position()
		return fmt.Errorf("%s:%d:%d: unknown key %q", file, line, column, strings.Join(first.Key(), "."))
	}
	if e, ok := errors.AsType[*toml.DecodeError](err); ok {
		line, column := e.Position()
		return fmt.Errorf("%s:%d:%d: %s", file, line, column, strings.TrimPrefix(e.Error(), "toml: "))
	}
	// The library does not place an error of UnmarshalText if the value was no
	// string. It stops at the first error, so the line is the last one of the
	// shortest text that meets it.
	return fmt.Errorf("%s:%d:1: %w", file, firstLine(text, func(_ *Config, again error) bool {
		return again != nil && again.Error() == err.Error()
	}), err)
}

// placed puts file and line before each thing that check has found: the last line of the
// shortest text in which it is found.
func placed(file string, text []byte, err error) error {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		var all []error
		for _, one := range joined.Unwrap() {
			all = append(all, placed(file, text, one))
		}
		return errors.Join(all...)
	}
	return fmt.Errorf("%s:%d:1: %w", file, firstLine(text, func(c *Config, _ error) bool {
		again := c.check()
		return again != nil && slices.Contains(strings.Split(again.Error(), "\n"), err.Error())
	}), err)
}

// firstLine returns the line with which a text begins to be wrong, given what its
// beginnings decode to.
func firstLine(text []byte, wrong func(*Config, error) bool) int {
	lines := bytes.SplitAfter(text, []byte("\n"))
	return 1 + sort.Search(len(lines), func(i int) bool { return wrong(decodeConfig(bytes.Join(lines[:i+1], nil))) })
}

// resolve fills in the defaults, and makes every path absolute.
func (c *Config) resolve(dir string) {
	orAddress(&c.Server.HTTPS, ":8443")
	orAddress(&c.Server.HTTP, ":8080")
	orAddress(&c.Server.Ops, "127.0.0.1:9090")
	orAddress(&c.EST.Listen, ":8444")
	if c.Server.Replica.text == "" {
		c.Server.Replica = defaultReplica
	}
	if len(c.Server.Names) == 0 {
		c.Server.Names = WithLoopback(nil)
	}
	orPath(&c.Server.Socket, dir, "admin.sock")
	orPath(&c.Audit.Evidence, dir, "evidence.log")
	c.CRL.resolve(dir)
	c.Deliver.resolve(dir)
	orText(&c.Store.DSN, "sqlite:betonica.db")
	orText(&c.CA.Key, "file:keys/intermediate.key")
	c.Store.DSN = below(dir, "sqlite:", c.Store.DSN)
	if c.Store.MigrationCopies != noCopies {
		orPath(&c.Store.MigrationCopies, dir, ".")
	}
	if c.Audit.Archive != "" || strings.HasPrefix(c.Store.DSN, "sqlite:") {
		orPath(&c.Audit.Archive, dir, "archive")
	}
	c.CA.Key = below(dir, "file:", c.CA.Key)
	if c.CA.PassphraseFile != "" || !hasCredential() {
		orPath(&c.CA.PassphraseFile, dir, dir+".passphrase")
	}
}

// check bounds what has a unit.
func (c *Config) check() error {
	return errors.Join(
		c.OCSP.Lifetime.within("ocsp.lifetime", time.Minute, 5*time.Second, 24*time.Hour),
		c.OCSP.Cache.within("ocsp.cache", 32<<20, 64<<10, 64<<30),
		c.ACME.resolve(),
		c.Retention.check(),
		c.EST.someLabel(),
		c.SCEP.someRole(),
		c.Deliver.check(),
		c.Backup.MaxAge.within("backup.max_age", 26*time.Hour, time.Minute, 366*24*time.Hour),
	)
}

const noCopies = "none"

// MigrationCopies returns where the copies go that are made of the store before its
// schema changes; none are if made is false.
func (c *Config) MigrationCopies() (dir string, made bool) {
	if c.Store.MigrationCopies == noCopies {
		return "", false
	}
	return c.Store.MigrationCopies, true
}

// hasCredential says whether the service manager hands the passphrase over.
func hasCredential() bool {
	dir := os.Getenv("CREDENTIALS_DIRECTORY")
	if dir == "" {
		return false
	}
	_, err := os.Stat(filepath.Join(dir, "betonica.passphrase"))
	return err == nil
}

func orText(to *string, def string) {
	if *to == "" {
		*to = def
	}
}

func orPath(to *string, dir, def string) {
	orText(to, def)
	if !filepath.IsAbs(*to) {
		*to = filepath.Join(dir, *to)
	}
}

func orAddress(to *Address, def string) {
	if to.text == "" {
		to.text = def
	}
}

// below makes the path of a reference absolute if it has the scheme.
func below(dir, scheme, ref string) string {
	path, ok := strings.CutPrefix(ref, scheme)
	if !ok || filepath.IsAbs(path) {
		return ref
	}
	return scheme + filepath.Join(dir, path)
}
