package enroll

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"

	"github.com/betonica/betonica/ca"
	"github.com/betonica/betonica/store"
	"github.com/betonica/betonica/store/audit"
)

// tries bounds how often one call decides and signs. Racers over one proof cost
// one try each; more than a few at once is an attack or a broken client.
const tries = 4

// Issue decides, signs, records and returns a certificate, in that order: when
// it returns one, the certificate, its audit entry and the use of its proof are
// on disk. It returns the errors that the package doc lists, and has recorded
// the refusals among them.
//
// If the policy changed between the decision and the commit, Issue decides
// again, once; whatever else changed there refuses the request.
func (r *Registrar) Issue(ctx context.Context, a Applicant, req ca.Request) (*x509.Certificate, error) {
	return r.issue(ctx, a, req, nil)
}

// issue is Issue. A known error is what the store is bound to say, as somebody
// read before: so nothing is signed in vain.
func (r *Registrar) issue(ctx context.Context, a Applicant, req ca.Request, known error) (*x509.Certificate, error) {
	policy, renewed, err := r.Policies.Current(), false, known
	for range tries {
		var cert *x509.Certificate
		if err == nil {
			cert, err = r.sign(ctx, a, req, policy)
		}
		if unmet(err) {
			cert, err = a.Proof.Unmet(ctx, req.SPKI(), err)
		}
		switch {
		case err == nil:
			return cert, nil
		case errors.Is(err, ErrAgain):
			err = nil
			continue
		case errors.Is(err, store.ErrStale) && !renewed:
			newer, e := r.Policies.Refresh(ctx)
			if e != nil {
				return nil, e
			}
			if newer.Version() != policy.Version() && stands(a.Proof, newer) {
				policy, renewed, err = newer, true, nil
				continue
			}
		}
		return nil, r.refuse(ctx, a, err)
	}
	return nil, r.refuse(ctx, a, store.ErrForked)
}

// stands reports whether a proof is as good under a newer policy. Where policy says what
// is proof at all, it may not be.
func stands(p Proof, policy *ca.Policy) bool {
	all, ok := p.(*allOf)
	return !ok || all.stands(policy)
}

// unmet reports whether err is a demand of the proof, or on the key, that was
// not met: one that [Proof.Unmet] may know the meaning of.
func unmet(err error) bool {
	return errors.Is(err, store.ErrSpent) || errors.Is(err, store.ErrExists) ||
		errors.Is(err, store.ErrForked) || errors.Is(err, store.ErrKeyTaken)
}

// sign decides under one policy, signs, and commits.
func (r *Registrar) sign(ctx context.Context, a Applicant, req ca.Request, policy *ca.Policy) (*x509.Certificate, error) {
	grant, err := policy.Decide(a.Identity, req, r.now())
	if err != nil {
		return nil, err
	}
	cert, err := r.issuers.Current().Issue(grant, func(cert *x509.Certificate) error {
		return r.record(ctx, a, grant, cert)
	})
	if err != nil {
		return nil, err
	}
	r.tally.issue(a.Identity.Method)
	r.log.InfoContext(ctx, "issued", "identity", a.Identity.ID.Path(), "serial", store.SerialOf(cert), "method", string(a.Identity.Method), "request", RequestID(ctx))
	return cert, nil
}

// record commits the use of the proof, the certificate and the audit event in
// one transaction.
func (r *Registrar) record(ctx context.Context, a Applicant, g ca.Grant, cert *x509.Certificate) error {
	row := store.NewCertificate(cert)
	row.Identity = a.Identity.ID.Path()
	row.Method = string(a.Identity.Method)
	if g.Attestation() {
		row.Method = store.MethodAttestation
	}
	row.Policy = g.PolicyVersion()
	row.Rekey = g.Rekey()
	row.SharesNames = g.SharesNames()
	digest := sha256.Sum256(cert.Raw)
	return r.store.Update(ctx, func(tx *store.Tx) audit.Event {
		row := row
		row.Revision = g.Revision()
		a.Proof.Settle(tx, &row)
		tx.InsertCertificate(row)
		detail := map[string]any{
			"serial": row.Serial.String(),
			"sha256": hex.EncodeToString(digest[:]), // the log vouches for every byte of it
			"method": row.Method,
			"proof":  a.Proof.String(),
			"policy": row.Policy,
			"ends":   row.NotAfter.UTC(), // a renewal is early or late by that
		}
		return a.event(ctx, "certificate.issue", "ok", detail)
	})
}

// event returns an event that the applicant is both actor and subject of, which
// the log finds by one blind index instead of two.
func (a Applicant) event(ctx context.Context, action, outcome string, detail map[string]any) audit.Event {
	who := a.Identity.ID.Path()
	if who == "" { // refused before he could say
		who = a.Proof.String()
	}
	maps.Copy(detail, a.about)
	return audit.Event{
		Action: action, Actor: who, Subject: who, Address: address(a.Identity.Source),
		Outcome: outcome, RequestID: RequestID(ctx), Detail: detail,
	}
}

// refuse records why an authenticated applicant gets nothing, and returns the
// error for it. Errors that are no refusal, but our own trouble, pass.
func (r *Registrar) refuse(ctx context.Context, a Applicant, err error) error {
	if !refusal(err) {
		return err
	}
	r.tally.refuse(reasonOf(err))
	r.log.WarnContext(ctx, "refused", "identity", a.Identity.ID.Path(), "proof", a.Proof.String(), "reason", err, "request", RequestID(ctx))
	detail := map[string]any{"method": string(a.Identity.Method), "proof": a.Proof.String()}
	if denied, ok := errors.AsType[*ca.DeniedError](err); ok {
		detail["setting"] = denied.Setting // of the role, that said no; empty: none did
	}
	event := a.event(ctx, "certificate.refuse", err.Error(), detail)
	if r.often.count(a.Proof.String(), r.now()) {
		r.refusals.add(event) // who shows one thing again and again is a stranger
		return err
	}
	// A caller that hangs up is on record all the same.
	if e := r.store.Update(context.WithoutCancel(ctx), func(*store.Tx) audit.Event { return event }); e != nil {
		return fmt.Errorf("recording a refusal: %w", e)
	}
	return err
}

// refusal reports whether err says no to an applicant and is not on record yet.
func refusal(err error) bool {
	if _, ok := errors.AsType[recorded](err); ok {
		return false
	}
	if _, ok := errors.AsType[*ca.DeniedError](err); ok {
		return true
	}
	if _, ok := errors.AsType[*ca.RequestError](err); ok {
		return true
	}
	return unmet(err) || errors.Is(err, store.ErrStale) || errors.Is(err, store.ErrNameTaken)
}
