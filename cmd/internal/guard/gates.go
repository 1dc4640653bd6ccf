package guard

import (
	"crypto/tls"
	"fmt"
	"slices"

	"github.com/betonica/betonica/cmd/internal/guard/dicom"
	"github.com/betonica/betonica/cmd/internal/guard/gate"
	"github.com/betonica/betonica/cmd/internal/guard/mllp"
	"github.com/betonica/betonica/cmd/internal/guard/sign"
	"github.com/betonica/betonica/cmd/internal/guard/web"
)

// gateFor returns what speaks the protocol of a route. One that is an io.Closer is
// closed once the last link of the route has ended. own returns this machine's
// certificate; nonces are those that signed requests of all routes have used.
func gateFor(conf Route, to target, own func() *tls.Certificate, nonces *sign.Nonces) (gate.Gate, error) {
	switch to.scheme {
	case "tcp", "tls":
		return gate.TCP{}, nil
	case "http", "h2c":
		return web.New(web.Conf{FHIR: conf.FHIR, HTTP2: to.scheme == "h2c", Chain: conf.ClientCertChain, Signed: conf.Signed, Nonces: nonces}), nil
	case "https":
		c := web.Conf{FHIR: conf.FHIR, Host: to.address, Hosts: append(slices.Clone(conf.Hosts), conf.ServerName)}
		if conf.Signed {
			c.Sign = own
		}
		return web.New(c), nil
	case "mllp", "mllps":
		return mllp.Gate{MaxMessage: conf.MaxMessage, Outstanding: conf.Outstanding}, nil
	case "dicom", "dicoms":
		return dicom.Gate{}, nil
	}
	return nil, fmt.Errorf("route %q: no gate speaks %s", conf.Name, to.scheme)
}
