package guard

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/betonica/betonica/cmd/internal/record"
)

// Config is what a [Guard] is made of, and what a configuration file holds.
type Config struct {
	// Dir is the machine's directory, as betonica enroll or betonica agent keeps it.
	// Required.
	Dir string `toml:"dir"`

	// State is where the guard keeps what it must know after a restart. Default: guard
	// in Dir.
	State string `toml:"state"`

	// Rules is the file that says who may do what at routes with a backend. Default:
	// the CA's policy says it, signed.
	Rules string `toml:"rules"`

	// EndAtExpiry lets nobody in once rules of the CA have expired, 24 h after it was
	// last there. Default false: they stay in force, with an alarm.
	EndAtExpiry bool `toml:"end_at_expiry"`

	// Ops is where health and metrics are served: a loopback address, or "unix:" and a
	// path. Default: nowhere.
	Ops string `toml:"ops"`

	// Drain is how long connections have to end by themselves when the guard stops or
	// their route changes. Default "10s".
	Drain Duration `toml:"drain"`

	// MaxConnections bounds the open connections of all routes together; one more is
	// closed as it comes. Default 10000.
	MaxConnections int `toml:"max_connections"`

	// MaxPerAddress bounds those of one caller's address. Default 1000.
	MaxPerAddress int `toml:"max_per_address"`

	// NoLandlock leaves the guard all files that its user may open. Default false.
	NoLandlock bool `toml:"no_landlock"`

	Journal Journal `toml:"journal"`
	Lists   Lists   `toml:"lists"`
	Agent   Agent   `toml:"agent"`
	Routes  []Route `toml:"route"`
}

// Lists says where revocation lists come from and go to.
type Lists struct {
	URL    string   `toml:"url"`    // of the CA's HTTP listener. Default: what the certificate says
	OCSP   string   `toml:"ocsp"`   // of the responder. Default: URL with /ocsp behind it
	Relays []string `toml:"relays"` // of others that have the lists, asked before the CA
	Serve  string   `toml:"serve"`  // address at which to be a relay, such as ":8081". Default: nowhere

	// Report is the CA's HTTPS listener, that is told which list is enforced here.
	// "none": nobody is told. Default: where the certificate came from.
	Report string `toml:"report"`
}

// Agent makes the guard keep Dir by itself, as betonica agent does.
type Agent struct {
	Keep      bool   `toml:"keep"`
	URL       string `toml:"url"`        // of the CA, to enrol, or if it moved
	TokenFile string `toml:"token_file"` // with the join token, to enrol
	Identity  string `toml:"identity"`   // ROLE/NAME to be called, if the token leaves it open
	KeyType   string `toml:"key_type"`   // of the keys, one of keyTypes, to enrol: Dir remembers it. Default: P-256
}

// keyTypes are those of [agent.Request].
var keyTypes = [...]string{"P-256", "P-384", "Ed25519", "RSA-2048", "RSA-3072", "RSA-4096"}

const (
	defaultDrain          = 10 * time.Second
	defaultMaxConnections = 10000
	defaultMaxPerAddress  = 1000
	maxRoutes             = 256
)

// An invalidError says which setting is wrong, by the path of its key.
type invalidError struct {
	path []any
	err  error
}

func (e *invalidError) Error() string { return e.err.Error() }

func invalid(path []any, format string, args ...any) error {
	return &invalidError{path, fmt.Errorf(format, args...)}
}

// normal returns the configuration with its defaults, or an [*invalidError].
func (c Config) normal() (Config, error) {
	if c.Dir == "" {
		return c, invalid([]any{"dir"}, "dir is missing: the machine's directory")
	}
	if c.State == "" {
		c.State = filepath.Join(c.Dir, "guard")
	}
	if c.Journal.Dir == "" {
		c.Journal.Dir = filepath.Join(c.Dir, "journal")
	}
	c.Drain.normal(defaultDrain)
	if c.Drain.D < time.Second {
		return c, invalid([]any{"drain"}, "drain must be at least 1s")
	}
	if c.MaxConnections == 0 {
		c.MaxConnections = defaultMaxConnections
	}
	if c.MaxPerAddress == 0 {
		c.MaxPerAddress = defaultMaxPerAddress
	}
	if c.MaxConnections < 0 || c.MaxPerAddress < 0 {
		return c, invalid([]any{"max_connections"}, "max_connections and max_per_address must not be negative")
	}
	if c.Ops != "" && !isPrivate(c.Ops) {
		return c, invalid([]any{"ops"}, "ops %q is not of the loopback: who reaches it is not asked who he is", c.Ops)
	}
	if c.Agent.KeyType != "" && !slices.Contains(keyTypes[:], c.Agent.KeyType) {
		return c, invalid([]any{"agent", "key_type"}, "key_type %q is none of %s", c.Agent.KeyType, strings.Join(keyTypes[:], ", "))
	}
	if len(c.Routes) == 0 || len(c.Routes) > maxRoutes {
		return c, invalid([]any{"route"}, "there are %d routes; 1 to %d are needed", len(c.Routes), maxRoutes)
	}
	names, listens := map[string]bool{}, map[string]bool{}
	routes := make([]Route, len(c.Routes))
	for i, r := range c.Routes {
		r, err := r.normal(i)
		switch {
		case err != nil:
			return c, err
		case names[r.Name]:
			return c, invalid([]any{"route", i, "name"}, "another route is called %q, too", r.Name)
		case listens[r.address()]:
			return c, invalid([]any{"route", i, "listen"}, "another route listens at %s, too", r.Listen)
		}
		names[r.Name], listens[r.address()] = true, true
		routes[i] = r
	}
	c.Routes = routes
	return c, nil
}

// Check returns what of the configuration cannot be used; nil: all of it can.
func (c Config) Check() error {
	_, err := c.normal()
	return err
}

// serves reports whether there are routes that rules are for.
func (c Config) serves() bool {
	return slices.ContainsFunc(c.Routes, func(r Route) bool { return r.side() == record.Server })
}

// Memory is how many bytes a process that runs this guard needs when all connections
// are there and idle: 64 MiB, and 38 KiB for each, measured with HTTP/1.1 over TLS. It
// is for [runtime/debug.SetMemoryLimit]: without a limit the garbage collector lets the heap
// grow to twice what lives.
func (c Config) Memory() int64 {
	n := c.MaxConnections
	if n == 0 {
		n = defaultMaxConnections
	}
	return 64<<20 + int64(n)*38<<10
}
