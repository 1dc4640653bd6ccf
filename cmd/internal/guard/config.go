package guard

import (
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/betonica/betonica/cmd/internal/record"
	"github.com/betonica/betonica/revoke/allow"
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
}

// A Route is a listener and what stands behind it: Backend before an application, or
// Connect beside a client.
type Route struct {
	// Name is what rules and records call it: 1 to 64 of A-Z, a-z, 0-9, ., _ and -.
	Name string `toml:"name"`

	// Listen is host:port, or for Connect also "unix:" and a path. Beside a client it
	// must be of the loopback, unless UnsafeListen says otherwise: who reaches it acts
	// as this machine.
	Listen       string `toml:"listen"`
	UnsafeListen bool   `toml:"unsafe_listen"`

	// Backend is the application: http://127.0.0.1:8080, or of scheme h2c, tcp, mllp or
	// dicom; or http+unix:/run/app.sock and alike. What it is told is not encrypted: it
	// must be of the loopback, unless UnsafeBackend says otherwise.
	Backend       string `toml:"backend"`
	UnsafeBackend bool   `toml:"unsafe_backend"`

	// Connect is another machine's guard, or whoever speaks TLS there:
	// https://HOST:PORT, or of scheme tls, mllps or dicoms.
	Connect string `toml:"connect"`

	// Expect are patterns of SPIFFE IDs: who may be at Connect. Required with it.
	Expect []string `toml:"expect"`

	// ServerName is the DNS name that the certificate must be for. Default: the host of
	// Connect. With IDOnly it may be for any.
	ServerName string `toml:"server_name"`
	IDOnly     bool   `toml:"id_only"`

	// FHIR is the base path of the FHIR server behind http, such as "/fhir": what is
	// below it is judged by rules of FHIR, too. Default: there is none.
	FHIR string `toml:"fhir"`

	// ClientCertChain tells a backend of http also of the intermediates behind the
	// caller's certificate (RFC 9440, Section 2.3). Default false.
	ClientCertChain bool `toml:"client_cert_chain"`

	// Signed has requests of http signed (RFC 9421) beside a client, by the key of the
	// machine's certificate, and refuses unsigned ones before an application. A body may
	// then be of 1 MiB at most, and of no stream. Default false.
	Signed bool `toml:"signed"`

	// MaxMessage bounds a message of HL7, and its answer, in bytes. Outstanding is how
	// many messages of one connection may be without an answer; 1 is for receivers that
	// read one after the other. Defaults 16777216 and 1.
	MaxMessage  int64 `toml:"max_message"`
	Outstanding int   `toml:"outstanding"`

	// Observe lets through what the rules refuse, and has it on record.
	Observe bool `toml:"observe"`

	// Idle ends a connection that is not used for so long; Age one that is so old,
	// whoever uses it. "never" is for both. Default, by scheme: of http 15m and 8h, of
	// dicom 5m and never, of tcp 1h and never, of mllp never and never. The end of the
	// certificate ends a connection in any case.
	Idle Duration `toml:"idle"`
	Age  Duration `toml:"age"`

	// ProxyProtocol tells the backend of each connection's caller by the PROXY protocol,
	// version 2, with his SPIFFE ID as a TLV of SSL.
	ProxyProtocol bool `toml:"proxy_protocol"`
}

// A Duration is a time as time.ParseDuration reads it, or "never".
type Duration struct {
	D   time.Duration // 0: never
	set bool
}

// UnmarshalText reads a duration of at least a second, or "never".
func (d *Duration) UnmarshalText(text []byte) error {
	if string(text) == "never" {
		*d = Duration{0, true}
		return nil
	}
	v, err := time.ParseDuration(string(text))
	if err != nil || v < time.Second {
		return fmt.Errorf(`%q is neither a duration of at least 1s, such as "15m", nor "never"`, text)
	}
	*d = Duration{v, true}
	return nil
}

// Of returns the Duration d; 0 is never.
func Of(d time.Duration) Duration { return Duration{d, true} }

func (d *Duration) normal(or time.Duration) {
	if !d.set {
		*d = Of(or)
	}
}

const (
	defaultDrain          = 10 * time.Second
	defaultMaxConnections = 10000
	defaultMaxPerAddress  = 1000
	maxRoutes             = 256
	maxOutstanding        = 1000
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

// serves reports whether there are routes that rules are for.
func (c Config) serves() bool {
	return slices.ContainsFunc(c.Routes, func(r Route) bool { return r.side() == record.Server })
}

var routeName = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)

func (r Route) normal(i int) (Route, error) {
	at := func(key string) []any { return []any{"route", i, key} }
	if !routeName.MatchString(r.Name) {
		return r, invalid(at("name"), "name %q is not 1 to 64 of A-Z, a-z, 0-9, ., _ and -", r.Name)
	}
	if (r.Backend == "") == (r.Connect == "") {
		return r, invalid(at("name"), "route %q has to have one of backend and connect", r.Name)
	}
	key := "backend"
	if r.Connect != "" {
		key = "connect"
	}
	to, err := r.target()
	if err != nil {
		return r, invalid(at(key), "%s of route %q: %w", key, r.Name, err)
	}
	if r.Backend != "" && !r.UnsafeBackend && !to.private() {
		return r, invalid(at(key), "backend %q of route %q is not of the loopback, and what goes there is not encrypted", r.Backend, r.Name)
	}
	if err := r.checkListen(); err != nil {
		return r, invalid(at("listen"), "listen of route %q: %w", r.Name, err)
	}
	if _, err := allow.ParsePeers(r.Expect...); r.Connect != "" && err != nil {
		return r, invalid(at("expect"), "expect of route %q: %w", r.Name, err)
	}
	if r.Backend != "" && (r.Expect != nil || r.ServerName != "" || r.IDOnly) {
		return r, invalid(at(key), "route %q: expect, server_name and id_only go with connect", r.Name)
	}
	if r.Connect != "" && (r.Observe || r.ProxyProtocol) {
		return r, invalid(at(key), "route %q: observe and proxy_protocol go with backend", r.Name)
	}
	if r.FHIR != "" && (to.kind.word != record.HTTP || !strings.HasPrefix(r.FHIR, "/")) {
		return r, invalid(at("fhir"), "fhir of route %q is a path from / on, and goes with http", r.Name)
	}
	if r.Signed && to.kind.word != record.HTTP {
		return r, invalid(at("signed"), "signed of route %q goes with http", r.Name)
	}
	if r.ClientCertChain && (to.kind.word != record.HTTP || r.Backend == "") {
		return r, invalid(at("client_cert_chain"), "client_cert_chain of route %q goes with a backend of http", r.Name)
	}
	if r.MaxMessage < 0 || r.MaxMessage > 0 && to.kind.word != record.MLLP {
		return r, invalid(at("max_message"), "max_message of route %q is positive, and goes with mllp", r.Name)
	}
	if r.Outstanding < 0 || r.Outstanding > maxOutstanding || r.Outstanding > 0 && to.kind.word != record.MLLP {
		return r, invalid(at("outstanding"), "outstanding of route %q is 1 to %d, and goes with mllp", r.Name, maxOutstanding)
	}
	r.Idle.normal(to.kind.idle)
	r.Age.normal(to.kind.age)
	return r, nil
}

func (r Route) checkListen() error {
	if path, ok := strings.CutPrefix(r.Listen, "unix:"); ok {
		if path == "" || r.Backend != "" {
			return errors.New("callers come by TCP")
		}
		return nil
	}
	if _, _, err := net.SplitHostPort(r.Listen); err != nil {
		return fmt.Errorf("%q is not host:port", r.Listen)
	}
	if r.Connect != "" && !r.UnsafeListen && !isPrivate(r.Listen) {
		return fmt.Errorf("%q is not of the loopback, and who reaches it acts as this machine", r.Listen)
	}
	return nil
}

// address tells listeners apart: any number of routes may listen at port 0.
func (r Route) address() string {
	if strings.HasSuffix(r.Listen, ":0") {
		return r.Listen + " " + r.Name
	}
	return r.Listen
}

func (r Route) side() record.Side {
	if r.Connect != "" {
		return record.Client
	}
	return record.Server
}

// isPrivate reports whether only programs of this machine reach an address.
func isPrivate(address string) bool {
	if strings.HasPrefix(address, "unix:") {
		return true
	}
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
