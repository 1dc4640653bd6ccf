package admin

import (
	"encoding/hex"
	"fmt"
	"net/http"

	"github.com/betonica/betonica/ca"
	"github.com/betonica/betonica/cmd/internal/adminapi"
	"github.com/betonica/betonica/enroll"
	"github.com/betonica/betonica/enroll/api"
	"github.com/betonica/betonica/store"
)

func (a *Admin) listRequests(w http.ResponseWriter, r *http.Request, _ enroll.Actor) error {
	q, page, err := listParameters(r, "code", "role", "open")
	if err != nil {
		return err
	}
	f := store.RequestFilter{Role: q.Get("role")}
	if f.Open, err = flag(q, "open"); err != nil {
		return err
	}
	if text := q.Get("code"); text != "" {
		if f.Code, err = api.ParseCode(text); err != nil {
			return malformed("code: %v", err)
		}
	}
	records, next, err := a.Store.Requests(r.Context(), f, page)
	if err != nil {
		return err
	}
	return replyPage(w, records, next, a.requestOf)
}

func (a *Admin) approve(w http.ResponseWriter, r *http.Request, by enroll.Actor) error {
	id, err := requestID(r)
	if err != nil {
		return err
	}
	var in adminapi.ApproveRequest
	if err := read(w, r, &in); err != nil {
		return err
	}
	spki, err := readSPKI(in.SPKI)
	if err != nil {
		return err
	}
	record, err := a.Registrar.Approve(r.Context(), by, enroll.Approval{
		Request: id, SPKI: *spki, Role: in.Role, Name: in.Name, Owner: in.Owner, Replace: in.Replace,
	})
	if err != nil {
		return found(err, "request "+id.String())
	}
	return a.replyRequest(w, record)
}

func (a *Admin) deny(w http.ResponseWriter, r *http.Request, by enroll.Actor) error {
	id, err := requestID(r)
	if err != nil {
		return err
	}
	var in adminapi.DenyRequest
	if err := read(w, r, &in); err != nil {
		return err
	}
	spki, err := readSPKI(in.SPKI)
	if err != nil {
		return err
	}
	record, err := a.Registrar.Deny(r.Context(), by, id, *spki)
	if err != nil {
		return found(err, "request "+id.String())
	}
	return a.replyRequest(w, record)
}

func requestID(r *http.Request) (store.RequestID, error) {
	id, err := store.ParseRequestID(r.PathValue("id"))
	if err != nil {
		return id, malformed("a request's id has 32 hex digits")
	}
	return id, nil
}

func (a *Admin) replyRequest(w http.ResponseWriter, record store.Request) error {
	out, err := a.requestOf(record)
	if err != nil {
		return err
	}
	return reply(w, http.StatusOK, out)
}

func (a *Admin) requestOf(q store.Request) (adminapi.Request, error) {
	req, err := ca.ParseRequest(q.CSR)
	if err != nil {
		return adminapi.Request{}, fmt.Errorf("request %s on record: %w", q.ID, err)
	}
	out := adminapi.Request{
		ID: q.ID.String(), Code: q.Code, SPKI: hex.EncodeToString(q.SPKI[:]), State: string(q.State), Role: q.Role, Address: q.Address,
		Created: q.Created, Expires: q.Expires, KeyType: req.KeyType(), Proofs: q.Proofs, Identity: q.Identity, Replace: q.Replace,
		DecidedBy: q.DecidedBy, Decided: q.Decided,
		Claims: adminapi.Claims{CommonName: req.CommonName(), DNSNames: req.DNSNames()},
	}
	if a.Registrar.Lapsed(q) {
		out.State = "lapsed"
	}
	if id, ok := req.ID(); ok {
		out.Claims.Identity = id.String()
	}
	for _, ip := range req.IPs() {
		out.Claims.IPs = append(out.Claims.IPs, ip.String())
	}
	return out, nil
}
