package admin

import (
	"net/http"

	"github.com/betonica/betonica/cmd/internal/adminapi"
	"github.com/betonica/betonica/enroll"
	"github.com/betonica/betonica/revoke"
	"github.com/betonica/betonica/store"
)

// revoke ends an identity, or one certificate.
func (a *Admin) revoke(w http.ResponseWriter, r *http.Request, by enroll.Actor) error {
	var in adminapi.RevokeRequest
	if err := read(w, r, &in); err != nil {
		return err
	}
	order, err := orderOf(in)
	if err != nil {
		return err
	}
	var fallen revoke.Fallen
	switch {
	case (in.Identity == "") == (in.Serial == ""):
		return malformed("name an identity or a serial, one of them")
	case in.Identity != "":
		fallen, err = a.Revoker.Identity(r.Context(), revoker(r, by), in.Identity, order)
		err = found(err, "identity "+in.Identity)
	default:
		serial, e := store.ParseSerial(in.Serial)
		if e != nil {
			return malformed("serial is 32 hexadecimal digits")
		}
		fallen, err = a.Revoker.Serial(r.Context(), revoker(r, by), serial, order)
		err = found(err, "certificate "+in.Serial)
	}
	if err != nil {
		return err
	}
	return reply(w, http.StatusOK, fallenOf(fallen))
}

// cut suspends an identity and revokes what it holds.
func (a *Admin) cut(w http.ResponseWriter, r *http.Request, by enroll.Actor) error {
	var in adminapi.RevokeRequest
	if err := read(w, r, &in); err != nil {
		return err
	}
	if in.Identity != "" || in.Serial != "" {
		return malformed("the URL names the identity")
	}
	order, err := orderOf(in)
	if err != nil {
		return err
	}
	path := pathOf(r)
	fallen, err := a.Revoker.Cut(r.Context(), revoker(r, by), path, order)
	if err != nil {
		return found(err, "identity "+path)
	}
	return reply(w, http.StatusOK, fallenOf(fallen))
}

func orderOf(in adminapi.RevokeRequest) (revoke.Order, error) {
	reason, err := revoke.ParseReason(in.Reason)
	if err != nil {
		return revoke.Order{}, malformed("%v", err)
	}
	return revoke.Order{Reason: reason, DryRun: in.DryRun}, nil
}

func revoker(r *http.Request, by enroll.Actor) revoke.By {
	return revoke.By{Name: by.Name, Root: by.Root, Address: by.Address, RequestID: enroll.RequestID(r.Context()), Powers: by.Powers}
}

func fallenOf(f revoke.Fallen) adminapi.Fallen {
	return adminapi.Fallen{
		Identity: f.Identity, Serials: texts(f.Serials), Tokens: texts(f.Tokens), Accounts: texts(f.Accounts), Requests: f.Requests, Names: texts(f.Names),
		Number: f.Number, Already: f.Already,
	}
}
