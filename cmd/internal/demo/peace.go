package demo

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/betonica/betonica/cmd/internal/adminapi"
)

// caUp makes a CA and starts its daemon.
func (s *story) caUp(ctx context.Context) (string, error) {
	began := time.Now()
	s.ca = &authority{program: s.Program, dir: s.file("ca")}
	if err := s.ca.create(ctx); err != nil {
		return "", err
	}
	if err := s.ca.serve(ctx, s.add); err != nil {
		return "", err
	}
	status, err := s.ca.admin.Status(ctx)
	if err != nil {
		return "", err
	}
	if !status.Ready || status.TrustDomain != trustDomain {
		return "", fmt.Errorf("%s is not ready: %s", status.TrustDomain, status.Reason)
	}
	return fmt.Sprintf("%s, made and ready in %s", s.ca.url(), short(time.Since(began))), nil
}

// enrol starts three machines, each with a token of its own.
func (s *story) enrol(ctx context.Context) (string, error) {
	for name, to := range map[string]**remote{"gw-1": &s.gateway, "pump-1": &s.one, "pump-2": &s.other} {
		r, err := s.machine(name)
		if err != nil {
			return "", err
		}
		*to = r
	}
	gateway := s.setup("gw-1", "device")
	gateway.Listen, gateway.MaxAge, gateway.DNSNames = true, maxAge, []string{"gw-1." + trustDomain}
	began := time.Now()
	err := together(
		func() error { return s.enrolment(ctx, s.gateway, "gateway", gateway) },
		func() error { return s.enrolment(ctx, s.one, "device", s.setup("pump-1", "gateway")) },
		func() error { return s.enrolment(ctx, s.other, "device", s.setup("pump-2", "gateway")) },
	)
	if err != nil {
		return "", err
	}
	took := time.Since(began)
	tokens, err := s.ca.admin.Tokens(ctx, adminapi.TokenFilter{Open: true}, adminapi.PageRequest{})
	if err != nil {
		return "", err
	}
	active, err := s.ca.admin.Identities(ctx, adminapi.IdentityFilter{State: "active"}, adminapi.PageRequest{})
	if err != nil {
		return "", err
	}
	if len(tokens.Items) != 0 || len(active.Items) != 4 { // the daemon is one, too
		return "", fmt.Errorf("%d tokens can still be spent, and %d identities are active", len(tokens.Items), len(active.Items))
	}
	return fmt.Sprintf("in %s, with a one-time token each; certificates for %s and %s", short(took), days(s.one.Lifetime), days(s.gateway.Lifetime)), nil
}

// call has a pump call the gateway.
func (s *story) call(ctx context.Context) (string, error) {
	a, err := s.one.call(ctx, s.door())
	if err != nil {
		return "", err
	}
	if a.Status != http.StatusOK {
		return "", fmt.Errorf("pump-1 called: %d %s", a.Status, a.Failed)
	}
	if a.Client != s.one.ID || a.Serial != s.one.Serial || a.Server != s.gateway.Serial {
		return "", fmt.Errorf("pump-1 saw %s, and was seen as %s, %s", a.Server, a.Client, a.Serial)
	}
	return fmt.Sprintf("pump-1 to gw-1 in %s, over TLS 1.3 with %s", short(a.Took), a.Curve), nil
}

// door is the gateway's URL.
func (s *story) door() string { return "https://" + s.gateway.Address }

// renew has all three renew while both pumps call without a pause.
func (s *story) renew(ctx context.Context) (string, error) {
	pumps := []*remote{s.one, s.other}
	for _, p := range pumps {
		if err := p.ask(ctx, "Begin", Round{URL: s.door()}, &struct{}{}); err != nil {
			return "", err
		}
		if err := p.until(ctx, func(t Tally) bool { return t.Calls >= 10 }); err != nil {
			return "", err
		}
	}
	began := time.Now()
	var renewals []func() error
	for _, r := range []*remote{s.gateway, s.one, s.other} {
		renewals = append(renewals, func() error { return r.renew(ctx) })
	}
	if err := together(renewals...); err != nil {
		return "", err
	}
	took := time.Since(began)
	var calls, dropped int
	for _, p := range pumps {
		err := p.until(ctx, func(t Tally) bool {
			return slices.Contains(t.Clients, p.Serial) && slices.Contains(t.Servers, s.gateway.Serial)
		})
		if err != nil {
			return "", err
		}
		var t Tally
		if err := p.ask(ctx, "End", struct{}{}, &t); err != nil {
			return "", err
		}
		if calls, dropped = calls+t.Calls, dropped+t.Dropped; t.Dropped > 0 {
			return "", fmt.Errorf("%s: %d of %d calls dropped: %s", p.name, t.Dropped, t.Calls, t.Failed)
		}
		if len(t.Clients) != 2 || len(t.Servers) != 2 {
			return "", fmt.Errorf("%s met with %d certificates, and saw %d of the gateway's", p.name, len(t.Clients), len(t.Servers))
		}
	}
	return fmt.Sprintf("3 renewed in %s; %d calls with old and new ones, %d dropped", short(took), calls, dropped), nil
}

// renew has the machine renew now.
func (r *remote) renew(ctx context.Context) error {
	old := r.Serial
	var now Status
	if err := r.ask(ctx, "Renew", struct{}{}, &now); err != nil {
		return err
	}
	if now.Refusal != nil {
		return fmt.Errorf("%s was refused: %s", r.name, now.Refusal.Text)
	}
	if now.ID != r.ID || now.Serial == old {
		return fmt.Errorf("%s: a renewal made %s, serial %s, of %s, serial %s", r.name, now.ID, now.Serial, r.ID, old)
	}
	r.Serial = now.Serial
	return nil
}

// until waits until enough calls of the machine's round are made, or one is
// dropped.
func (r *remote) until(ctx context.Context, enough func(Tally) bool) error {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		var t Tally
		if err := r.ask(ctx, "Tally", struct{}{}, &t); err != nil {
			return err
		}
		if t.Dropped > 0 || enough(t) {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}
