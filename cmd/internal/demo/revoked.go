package demo

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/betonica/betonica/cmd/internal/adminapi"
	"github.com/betonica/betonica/revoke/peer"
)

// cutWithin is the promise: from the answer to the revocation to the cut.
const cutWithin = time.Second

// revoke ends pump-2, which has an open connection, a token, and a thief by then.
func (s *story) revoke(ctx context.Context) (string, error) {
	if err := s.prepare(ctx); err != nil {
		return "", err
	}
	s.ordered = time.Now()
	fallen, err := s.ca.admin.Revoke(ctx, adminapi.RevokeRequest{Identity: "device/pump-2", Reason: "keyCompromise"})
	if err != nil {
		return "", err
	}
	s.revoked = time.Now()
	if !slices.Contains(fallen.Serials, s.other.Serial) || len(fallen.Serials) != 2 || len(fallen.Tokens) != 1 || fallen.Number == 0 {
		return "", fmt.Errorf("what fell was %+v", fallen)
	}
	entries, err := s.ca.admin.Audit(ctx, adminapi.AuditFilter{Action: "identity.revoke"}, adminapi.PageRequest{})
	if err != nil {
		return "", err
	}
	if len(entries.Items) != 1 {
		return "", fmt.Errorf("the audit log has %d entries of it", len(entries.Items))
	}
	s.entry = entries.Items[0].Seq
	return fmt.Sprintf("pump-2, in %s: %d certificates and %d unspent token fell",
		short(s.revoked.Sub(s.ordered)), len(fallen.Serials), len(fallen.Tokens)), nil
}

// prepare gives pump-2 all that a revocation must take away again, and pump-1 a
// connection that it must leave alone.
func (s *story) prepare(ctx context.Context) error {
	for _, p := range []*remote{s.one, s.other} {
		if err := p.ask(ctx, "Hold", s.door(), &struct{}{}); err != nil {
			return err
		}
	}
	s.spare = s.file("pump-2.spare.token")
	if err := s.ca.token(ctx, s.spare, adminapi.TokenRequest{Role: "device", Name: "pump-2", Replace: true}); err != nil {
		return err
	}
	var err error
	if s.thief, err = newThief(s.other.setup.Dir, "gw-1."+trustDomain); err != nil {
		return err
	}
	for _, resumed := range []bool{false, true} {
		v, err := s.thief.visit(ctx, s.gateway.Address)
		if err != nil {
			return err
		}
		if v.status != http.StatusOK || v.resumed != resumed {
			return fmt.Errorf("a copy of pump-2's key met with: %s", v)
		}
	}
	return nil
}

// cut waits for the end of the connection that pump-2 held open.
func (s *story) cut(ctx context.Context) (string, error) {
	e, err := s.other.await(ctx, patience, "the connection is cut", func(e Event) bool { return e.Kind == kindEnded })
	if err != nil {
		return "", err
	}
	if e.Time.Before(s.ordered) || e.Time.Sub(s.revoked) > cutWithin {
		return "", fmt.Errorf("%s after the command, %s after its answer", short(e.Time.Sub(s.ordered)), short(e.Time.Sub(s.revoked)))
	}
	return short(e.Time.Sub(s.ordered)) + " after the command", nil
}

// resume has the thief come back, with the session that it holds, and without.
func (s *story) resume(ctx context.Context) (string, error) {
	for _, resumed := range []bool{true, false} {
		began := time.Now()
		v, err := s.thief.visit(ctx, s.gateway.Address)
		if err != nil {
			return "", err
		}
		if v.ended == nil || v.resumed != resumed {
			return "", fmt.Errorf("it met with: %s", v)
		}
		e, err := s.gateway.await(ctx, patience, "refused", func(e Event) bool {
			return e.Kind == string(peer.Refused) && e.Serial == s.other.Serial && !e.Time.Before(began)
		})
		if err != nil {
			return "", err
		}
		if !strings.Contains(e.Text, peer.ErrRevoked.Error()) {
			return "", fmt.Errorf("the gateway refused it because %s", e.Text)
		}
		s.thief.conf.ClientSessionCache = tls.NewLRUClientSessionCache(1)
	}
	return "before: resumed, 200; now: resumed, refused, as a full handshake is", nil
}

// comeBack tries every way back.
func (s *story) comeBack(ctx context.Context) (string, error) {
	var renewal Status
	if err := s.other.ask(ctx, "Renew", struct{}{}, &renewal); err != nil {
		return "", err
	}
	anew, err := s.machine("pump-2-anew")
	if err != nil {
		return "", err
	}
	setup := s.setup(anew.name, "gateway")
	setup.TokenFile = s.spare
	if err := anew.start(ctx, setup); err != nil {
		return "", err
	}
	if renewal.Refusal == nil || anew.Refusal == nil {
		return "", fmt.Errorf("the CA renewed it: %t; enrolled it again: %t", renewal.Refusal == nil, anew.Refusal == nil)
	}
	_, err = s.ca.admin.CreateToken(ctx, adminapi.TokenRequest{Role: "device", Name: "pump-2", Replace: true})
	problem, refused := errors.AsType[*adminapi.Problem](err)
	if !refused {
		return "", fmt.Errorf("asking for a new token for it ended with %v, and not with a refusal", err)
	}
	return fmt.Sprintf("renewal %d, the unspent token %d, a new token %d", renewal.Refusal.Status, anew.Refusal.Status, problem.Status), anew.stop()
}
