package guard

import (
	"errors"
	"fmt"
	"net"
	"regexp"
	"strings"

	"github.com/betonica/betonica/cmd/internal/record"
	"github.com/betonica/betonica/revoke/allow"
)

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

	// Hosts are names that programs may call the listener by, in the Host of their
	// requests, besides localhost, its address, ServerName and the host of Connect: others
	// are refused, since a page of a browser could have made its own name point here. At
	// a Unix socket any will do. They go with Connect of https. Default: none.
	Hosts []string `toml:"hosts"`

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

	// MinVersion is the oldest version of TLS that is spoken with the other end: "1.3", or
	// "1.2" for peers that have nothing newer, as many of IHE's profiles do. It is then
	// ECDHE with AES-GCM or nothing; most of those peers take RSA alone, so that the
	// machine's key has to be RSA, too. TLS 1.2 shows the names in certificates to whoever
	// listens on the way. Default "1.3".
	MinVersion string `toml:"min_version"`

	// LaxEnd is for callers of tcp, or servers at Connect of tls, that end a connection
	// without TLS's goodbye (close_notify), as programs do that close a socket below TLS:
	// what they said counts as whole, and the record says so. Dangerous: whoever is on
	// the way can end TCP, and so cut off what is said. Default false: the other side is
	// reset, and the access has failed.
	LaxEnd bool `toml:"lax_end"`

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

// maxOutstanding is how many messages may be without an answer.
const maxOutstanding = 1000

var routeName = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)

var hostName = regexp.MustCompile(`^([A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]+\])$`)

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
	if r.Hosts != nil && (to.kind.word != record.HTTP || r.Connect == "") {
		return r, invalid(at("hosts"), "hosts of route %q go with connect of https", r.Name)
	}
	for _, host := range r.Hosts {
		if !hostName.MatchString(host) {
			return r, invalid(at("hosts"), "host %q of route %q is not a name, or an address, without a port", host, r.Name)
		}
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
	if r.LaxEnd && to.kind.word != record.TCP {
		return r, invalid(at("lax_end"), "lax_end of route %q goes with tcp and tls: other protocols show their own end", r.Name)
	}
	if _, ok := versions[r.MinVersion]; !ok {
		return r, invalid(at("min_version"), "min_version %q of route %q is neither \"1.3\" nor \"1.2\"", r.MinVersion, r.Name)
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
