package acme

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/betonica/betonica/ca"
	"github.com/betonica/betonica/enroll"
	"github.com/betonica/betonica/enroll/acme/validate"
	"github.com/betonica/betonica/store"
)

// Config is what a [Handler] is made of. Every field is required but Log and Now.
type Config struct {
	Registrar *enroll.Registrar
	Store     *store.DB
	Issuers   *ca.Issuers
	Validator Validator
	Revoker   Revoker

	// Names are the host names and addresses of this daemon: requests for another
	// host are refused, for URLs in answers are made with the host of the request.
	Names []string

	Settings Settings

	Log *slog.Logger     // gets a line for each internal error; nil: slog.Default()
	Now func() time.Time // must be the Store's; nil: time.Now
}

// A Validator finds out whether whoever answers a challenge controls the
// identifier. It is declared here so that tests of the protocol need no network;
// package validate has the one that is meant.
type Validator interface {
	// Validate returns nil if the challenge is met, a [*validate.Error] if not, and
	// another error if nobody can tell. It connects only to where it was configured
	// to, and is bounded in time and memory. It must be usable concurrently.
	Validate(ctx context.Context, c validate.Challenge) error
}

// A Handler answers everything below /acme/.
type Handler struct {
	Config
	names       map[string]bool
	mux         *http.ServeMux
	limits      *limits
	windows     *windows
	validations *validations
}

// New returns a Handler. [Handler.Run] must run as long as it is used.
func New(c Config) (*Handler, error) {
	if c.Registrar == nil || c.Store == nil || c.Issuers == nil || c.Validator == nil || c.Revoker == nil {
		return nil, errors.New("acme: a registrar, store, issuers, validator and revoker are required")
	}
	c.Log = cmp.Or(c.Log, slog.Default())
	if c.Now == nil {
		c.Now = time.Now
	}
	h := &Handler{Config: c, names: make(map[string]bool), limits: newLimits(c.Settings.Limits), windows: newWindows(), validations: newValidations()}
	for _, name := range c.Names {
		h.names[strings.ToLower(name)] = true
	}
	h.mux = h.routes()
	return h, nil
}

// Where things are. What a client is told is the whole URL, in the directory and
// in objects; what follows is the path.
const (
	pathDirectory   = "/acme/directory"
	pathNewNonce    = "/acme/new-nonce"
	pathNewAccount  = "/acme/new-account"
	pathNewOrder    = "/acme/new-order"
	pathRevokeCert  = "/acme/revoke-cert"
	pathKeyChange   = "/acme/key-change"
	pathRenewalInfo = "/acme/renewal-info"
	pathAccount     = "/acme/account/"
	pathOrder       = "/acme/order/"
	pathAuthz       = "/acme/authz/"
	pathChallenge   = "/acme/challenge/"
	pathCertificate = "/acme/certificate/"
)

// routes is every URL.
func (h *Handler) routes() *http.ServeMux {
	mux := http.NewServeMux()
	mux.HandleFunc(pathDirectory, h.open(h.directory))
	mux.HandleFunc(pathNewNonce, h.open(h.newNonce))
	mux.HandleFunc(pathRenewalInfo+"/{certid}", h.get(h.renewalInfo))

	mux.HandleFunc(pathNewAccount, h.post(byKey, h.newAccount))
	mux.HandleFunc(pathRevokeCert, h.post(byEither, h.revokeCert))

	mux.HandleFunc(pathKeyChange, h.post(byAccount, h.keyChange))
	mux.HandleFunc(pathNewOrder, h.post(byAccount, h.newOrder))
	mux.HandleFunc(pathAccount+"{account}", h.post(byAccount, h.account))
	mux.HandleFunc(pathAccount+"{account}/orders", h.post(byAccount, h.orders))
	mux.HandleFunc(pathOrder+"{order}", h.post(byAccount, h.order))
	mux.HandleFunc(pathOrder+"{order}/finalize", h.post(byAccount, h.finalize))
	mux.HandleFunc(pathAuthz+"{authz}", h.post(byAccount, h.authorization))
	mux.HandleFunc(pathChallenge+"{authz}/{type}", h.post(byAccount, h.challenge))
	mux.HandleFunc(pathCertificate+"{serial}", h.post(byAccount, h.certificate))

	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { h.problem(w, r, notFound("page")) })
	return mux
}

// ServeHTTP answers one request.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) { h.mux.ServeHTTP(w, r) }

// Run makes the validations that clients ask for, until ctx ends; what is under
// way is then given up, and begun anew when its client asks again. It returns nil.
func (h *Handler) Run(ctx context.Context) error {
	defer h.Store.OnRevoked(h.windows.drop)()
	h.windows.enable()
	defer h.windows.disable()
	return h.validations.run(ctx, h.validate)
}

// A page answers one URL. If it returns an error it has written nothing.
type page = func(http.ResponseWriter, *http.Request) error

// A signedPage answers a POST that is authenticated.
type signedPage = func(http.ResponseWriter, *request) error

// get serves a page to GET and HEAD alone.
func (h *Handler) get(p page) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			h.notAllowed(w, r, "GET, HEAD")
			return
		}
		if err := p(w, r); err != nil {
			h.problem(w, r, err)
		}
	}
}

// open serves a page to everyone, and as POST-as-GET to accounts (RFC 8555,
// Section 6.3).
func (h *Handler) open(p page) http.HandlerFunc {
	get := h.get(p)
	post := h.post(byAccount, func(w http.ResponseWriter, r *request) error {
		if err := r.asGet(); err != nil {
			return err
		}
		return p(w, r.Request)
	})
	return func(w http.ResponseWriter, r *http.Request) {
		switch r.Method {
		case http.MethodGet, http.MethodHead:
			get(w, r)
		case http.MethodPost:
			post(w, r)
		default:
			h.notAllowed(w, r, "GET, HEAD, POST")
		}
	}
}

// post serves a page to whoever signs for it.
func (h *Handler) post(by signer, p signedPage) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost {
			h.notAllowed(w, r, "POST")
			return
		}
		h.replayNonce(w)
		h.linkDirectory(w, r)
		signed, err := h.authenticate(w, r, by)
		if err == nil {
			err = p(w, signed)
		}
		if errors.Is(err, errNonce) {
			h.replayNonce(w) // the first may be of the epoch that has just been found over
		}
		if err != nil {
			h.problem(w, r, err)
		}
	}
}

func (h *Handler) notAllowed(w http.ResponseWriter, r *http.Request, allow string) {
	w.Header().Set("Allow", allow)
	h.problem(w, r, malformed("the method is not one that this page knows").status(http.StatusMethodNotAllowed))
}
