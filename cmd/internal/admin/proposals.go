package admin

import (
	"encoding/hex"
	"net/http"

	"github.com/betonica/betonica/cmd/internal/adminapi"
	"github.com/betonica/betonica/enroll"
	"github.com/betonica/betonica/enroll/api"
	"github.com/betonica/betonica/store"
)

func (a *Admin) listProposals(w http.ResponseWriter, r *http.Request, _ enroll.Actor) error {
	q, page, err := listParameters(r, "open")
	if err != nil {
		return err
	}
	open, err := flag(q, "open")
	if err != nil {
		return err
	}
	records, next, err := a.Store.Proposals(r.Context(), open, page)
	if err != nil {
		return err
	}
	return replyPage(w, records, next, func(p store.Proposal) (adminapi.Proposal, error) { return a.proposalOf(p), nil })
}

func (a *Admin) showProposal(w http.ResponseWriter, r *http.Request, _ enroll.Actor) error {
	id, err := proposalID(r)
	if err != nil {
		return err
	}
	record, err := a.Store.Proposal(r.Context(), id)
	if err != nil {
		return found(err, "proposal "+api.ProposalCode(id))
	}
	return a.replyProposal(w, r, record)
}

func (a *Admin) agree(w http.ResponseWriter, r *http.Request, by enroll.Actor) error {
	id, err := proposalID(r)
	if err != nil {
		return err
	}
	var in adminapi.AgreeRequest
	if err := read(w, r, &in); err != nil {
		return err
	}
	digest, err := readSPKI(in.Digest)
	if err != nil {
		return malformed("digest is that of the proposal, in 64 hex digits")
	}
	record, err := a.Registrar.Consent(r.Context(), by, id, *digest)
	if err != nil {
		return found(err, "proposal "+api.ProposalCode(id))
	}
	return a.replyProposal(w, r, record)
}

func (a *Admin) disagree(w http.ResponseWriter, r *http.Request, by enroll.Actor) error {
	id, err := proposalID(r)
	if err != nil {
		return err
	}
	record, err := a.Registrar.Refuse(r.Context(), by, id)
	if err != nil {
		return found(err, "proposal "+api.ProposalCode(id))
	}
	return a.replyProposal(w, r, record)
}

func proposalID(r *http.Request) (store.ProposalID, error) {
	id, err := api.ParseProposal(r.PathValue("id"))
	if err != nil {
		return id, malformed("%v", err)
	}
	return id, nil
}

// replyProposal writes a proposal with all that is known of it.
func (a *Admin) replyProposal(w http.ResponseWriter, r *http.Request, record store.Proposal) error {
	consents, err := a.Store.Consents(r.Context(), record.ID)
	if err != nil {
		return err
	}
	out := a.proposalOf(record)
	out.Body = record.Body
	for _, c := range consents {
		out.Consents = append(out.Consents, adminapi.Consent{Path: c.Path, Owner: c.Owner, Serial: c.Serial.String(), At: c.At})
	}
	return reply(w, http.StatusOK, out)
}

func (a *Admin) proposalOf(p store.Proposal) adminapi.Proposal {
	out := adminapi.Proposal{
		ID: api.ProposalCode(p.ID), Kind: string(p.Kind), Subject: p.Subject, Digest: hex.EncodeToString(p.Digest[:]), Reason: p.Reason, By: p.By,
		State: string(p.State), Created: p.Created, Expires: p.Expires, DecidedBy: p.DecidedBy, Decided: p.Decided,
	}
	if (p.State == store.ProposalOpen || p.State == store.ProposalApproved) && a.Registrar.Over(p.Expires) {
		out.State = "lapsed"
	}
	return out
}
