package admin

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/betonica/betonica/ca"
	"github.com/betonica/betonica/cmd/internal/adminapi"
	"github.com/betonica/betonica/cmd/internal/comply"
	"github.com/betonica/betonica/cmd/internal/watch"
	"github.com/betonica/betonica/enroll"
	"github.com/betonica/betonica/enroll/api"
	"github.com/betonica/betonica/revoke"
	"github.com/betonica/betonica/revoke/enforcement"
	"github.com/betonica/betonica/store"
	"github.com/betonica/betonica/store/audit"
)

// Config is what the admin API acts on. Every field is required.
type Config struct {
	Registrar *enroll.Registrar
	Store     *store.DB
	Issuers   *ca.Issuers
	Revoker   *revoke.Revoker

	// Issuance tells of the intermediates, and of the change to the next one.
	Issuance func(context.Context) ([]adminapi.Intermediate, *adminapi.Rotation, error)

	// Enforcement knows what relying parties enforce.
	Enforcement *enforcement.Registry

	// Deliveries tells how the receivers of the audit log are doing.
	Deliveries func(context.Context) ([]adminapi.Delivery, error)

	// Compliance checks the safeguards.
	Compliance *comply.Office

	// Watch knows the alerts.
	Watch *watch.Watch

	// UID is the daemon's own user, who may use the socket beside root.
	UID uint32

	// What status tells of the daemon.
	Version string
	Started time.Time
	URLs    adminapi.URLs
	Ready   func() error // why nothing can be issued, or nil

	Log *slog.Logger
}

// An Admin answers the admin API. Its pages may be called concurrently.
type Admin struct {
	Config
	once once
}

// New returns the admin API of a daemon.
func New(c Config) *Admin { return &Admin{Config: c} }

// A page answers one URL. If it returns an error it has written nothing, and the
// error is one of those that package enroll lists, or of adminapi's.
type page = func(http.ResponseWriter, *http.Request) error

// A caller is who asks, and what he may do.
type caller struct {
	enroll.Actor
	rights right
}

// Socket returns the pages, by pattern of http.ServeMux, for requests whose
// RemoteAddr is the peer's uid ("uid:0").
func (a *Admin) Socket() map[string]page { return a.pages(a.peer) }

// MTLS returns the pages for requests whose TLS connection may carry a client
// certificate. It is looked up at each request.
func (a *Admin) MTLS() map[string]page {
	// A browser may hold a certificate, too: no page of another site may use it.
	cross := http.NewCrossOriginProtection()
	return a.pages(func(r *http.Request) (caller, error) {
		by, err := a.holder(r)
		if err != nil {
			return caller{}, err
		}
		if cross.Check(r) != nil {
			err = a.refuse(r, by, &adminapi.ForbiddenError{Actor: by.Name, Verb: "be led here by another site", Needs: "a request of your own"})
		}
		return by, err
	})
}

func (a *Admin) pages(authenticate func(*http.Request) (caller, error)) map[string]page {
	pages := make(map[string]page, len(verbs))
	for _, v := range verbs {
		pages[v.method+" "+adminapi.Prefix+v.path] = func(w http.ResponseWriter, r *http.Request) error {
			by, err := authenticate(r)
			if err != nil {
				return err
			}
			by, r, cancel, err := a.lend(r, by, v.needs)
			if err != nil {
				return err
			}
			defer cancel()
			if by.rights&v.needs != v.needs {
				return a.refuse(r, by, &adminapi.ForbiddenError{Actor: by.Name, Verb: v.what, Needs: v.needs.who()})
			}
			switch {
			case v.beside():
				err = a.recordBeside(v, w, r, by.Actor)
			case v.reads != "":
				if err = a.reads(r, by.Actor, v.reads); err == nil {
					err = v.do(a, w, r, by.Actor)
				}
			default:
				err = v.do(a, w, r, by.Actor)
			}
			if errors.Is(err, store.ErrOver) {
				return a.refuse(r, by, &adminapi.ForbiddenError{Actor: by.Name, Verb: v.what, Needs: "a power that lasts, and this one has ended"})
			}
			return err
		}
	}
	return pages
}

// peer says who is on the other end of the socket.
func (a *Admin) peer(r *http.Request) (caller, error) {
	text, ok := strings.CutPrefix(r.RemoteAddr, "uid:")
	uid, err := strconv.ParseUint(text, 10, 32)
	if !ok || err != nil {
		return caller{}, fmt.Errorf("the peer %q on the admin socket has no uid", r.RemoteAddr)
	}
	by := caller{Actor: enroll.Actor{Name: r.RemoteAddr}}
	if uid != 0 && uint32(uid) != a.UID {
		return caller{}, a.refuse(r, by, &adminapi.ForbiddenError{Actor: by.Name, Verb: "use the admin socket", Needs: "root or the daemon's own user"})
	}
	by.Root, by.rights = true, host
	return by, nil
}

// holder says who holds the client certificate.
func (a *Admin) holder(r *http.Request) (caller, error) {
	var presented *x509.Certificate
	if len(r.TLS.PeerCertificates) > 0 {
		presented = r.TLS.PeerCertificates[0]
	}
	from := api.Source(r)
	h, err := a.Registrar.Holder(r.Context(), presented, from)
	if denied, ok := errors.AsType[*ca.DeniedError](err); ok {
		// It is on record, and no matter of policy: such a caller is nobody any more.
		return caller{}, &adminapi.ForbiddenError{Actor: denied.ID.Path(), Verb: "use the admin API", Needs: "a certificate in force, and " + denied.Reason}
	}
	if err != nil {
		return caller{}, err
	}
	return caller{enroll.Actor{Name: h.Identity.Path, Address: from, Serial: &h.Certificate.Serial}, roles[h.Identity.Role]}, nil
}

// refuse records that a caller who is known may not do what he asked for, and
// returns why.
func (a *Admin) refuse(r *http.Request, by caller, why *adminapi.ForbiddenError) error {
	e := audit.Event{
		Action: "admin.refuse", Actor: by.Name, Subject: by.Name, Outcome: why.Error(), RequestID: enroll.RequestID(r.Context()),
		Detail: map[string]any{"request": r.Method + " " + r.URL.Path},
	}
	if by.Address.IsValid() {
		e.Address = by.Address.String()
	}
	a.Log.WarnContext(r.Context(), "refused", "actor", by.Name, "reason", why, "request", e.RequestID)
	if err := a.Store.Update(context.WithoutCancel(r.Context()), func(*store.Tx) audit.Event { return e }); err != nil {
		return fmt.Errorf("recording a refusal: %w", err)
	}
	return why
}
