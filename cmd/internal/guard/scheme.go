package guard

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/betonica/betonica/cmd/internal/record"
)

// A protocol is what a route speaks, by the scheme of its target.
type protocol struct {
	word record.Protocol
	alpn []string // what is taken over TLS; nil: nothing is asked
	idle time.Duration
	age  time.Duration
}

var (
	speaksTCP   = protocol{word: record.TCP, idle: time.Hour}
	speaksHTTP  = protocol{word: record.HTTP, alpn: []string{"h2", "http/1.1"}, idle: 15 * time.Minute, age: 8 * time.Hour}
	speaksMLLP  = protocol{word: record.MLLP}
	speaksDICOM = protocol{word: record.DICOM, idle: 5 * time.Minute}
)

// backends and servers are the schemes of both modes.
var (
	backends = map[string]protocol{"tcp": speaksTCP, "http": speaksHTTP, "h2c": speaksHTTP, "mllp": speaksMLLP, "dicom": speaksDICOM}
	servers  = map[string]protocol{"tls": speaksTCP, "https": speaksHTTP, "mllps": speaksMLLP, "dicoms": speaksDICOM}
)

// A target is what stands behind a route.
type target struct {
	scheme  string // without "+unix"
	network string // tcp or unix
	address string // host:port, or a path
	kind    protocol
}

// target reads Backend or Connect.
func (r Route) target() (target, error) {
	text, schemes := r.Backend, backends
	if r.Connect != "" {
		text, schemes = r.Connect, servers
	}
	scheme, rest, _ := strings.Cut(text, ":")
	plain, isUnix := strings.CutSuffix(scheme, "+unix")
	kind, known := schemes[plain]
	if !known || isUnix && r.Connect != "" {
		return target{}, fmt.Errorf("%q begins with none of %s", text, strings.Join(names(schemes), ", "))
	}
	if isUnix {
		if rest == "" || strings.ContainsRune(rest, 0) {
			return target{}, fmt.Errorf("%q is not of the form %s+unix:PATH", text, plain)
		}
		return target{plain, "unix", rest, kind}, nil
	}
	u, err := url.Parse(text)
	if err != nil {
		return target{}, errors.New("it is not a URL")
	}
	host, port, err := net.SplitHostPort(u.Host)
	if err != nil || host == "" || port == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || strings.Trim(u.Path, "/") != "" {
		return target{}, fmt.Errorf("%q is not of the form %s://HOST:PORT", text, plain)
	}
	return target{plain, "tcp", u.Host, kind}, nil
}

// private reports whether what goes there stays on this machine.
func (t target) private() bool { return t.network == "unix" || isPrivate(t.address) }

func (t target) String() string {
	if t.network == "unix" {
		return t.scheme + "+unix:" + t.address
	}
	return t.scheme + "://" + t.address
}

func names(schemes map[string]protocol) []string {
	var all []string
	for name := range schemes {
		all = append(all, name)
	}
	slices.Sort(all)
	return all
}
