package enroll

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/betonica/betonica/ca"
	"github.com/betonica/betonica/enroll/api"
	"github.com/betonica/betonica/store"
	"github.com/betonica/betonica/store/audit"
)

const (
	// RightEmergency is what the power of an emergency is called.
	RightEmergency = "emergency"

	minPower     = time.Minute
	maxPower     = 8 * time.Hour
	maxEmergency = 4 * time.Hour

	// ReviewWithin is how soon after its beginning the power of an emergency is to be
	// looked at by somebody else.
	ReviewWithin = 72 * time.Hour
)

// A PowerRequest asks for a right for a time.
type PowerRequest struct {
	Right string        // that can be lent: whoever calls knows which those are
	For   time.Duration // 1 minute to 8 hours; in an emergency, 4 hours
}

// A PowerMotion is the body of a proposal of a power.
type PowerMotion struct {
	Person string `json:"person"`
	Right  string `json:"right"`
	For    string `json:"for"`
}

// RequestPower gives a person a right for a time, as soon as another of a different owner
// has agreed; it begins when the person asks again. Until then it returns a
// [*ConsentError]. It returns an [*api.BadRequestError] for a time out of bounds or
// without a reason, and a [*ca.DeniedError] if the actor is not a person with a certificate
// in force.
func (r *Registrar) RequestPower(ctx context.Context, by Actor, req PowerRequest) (store.Power, error) {
	if err := req.check(by, maxPower); err != nil {
		return store.Power{}, err
	}
	body, err := json.Marshal(PowerMotion{Person: by.Name, Right: req.Right, For: req.For.String()})
	if err != nil {
		return store.Power{}, fmt.Errorf("encoding a proposal: %w", err)
	}
	var id store.PowerID
	m := motion{kind: store.ProposePower, subject: by.Name, body: body}
	err = r.council.decide(ctx, by, m, func(tx *store.Tx, g agreement) audit.Event {
		id = store.PowerID(g.proposal.ID)
		p := store.Power{
			ID: id, Person: by.Name, Owner: g.owner(by.Name), Kind: store.PowerGrant, Right: req.Right, Reason: g.proposal.Reason,
			By: strings.Join(g.others(by.Name), " "), Begun: tx.Now(), Ends: tx.Now().Add(req.For),
		}
		tx.InsertPower(p)
		return powerEvent(ctx, tx, by, "power.begin", p, g.about(map[string]any{}))
	})
	if err != nil {
		return store.Power{}, err
	}
	return r.store.Power(ctx, id)
}

// BreakGlass gives a person the power of an emergency at once. It is alarmed, and somebody
// of another owner looks at it afterwards. One at a time; the errors are those of
// RequestPower.
func (r *Registrar) BreakGlass(ctx context.Context, by Actor, req PowerRequest) (store.Power, error) {
	req.Right = RightEmergency
	if err := req.check(by, maxEmergency); err != nil {
		return store.Power{}, err
	}
	id := store.PowerID(randomID())
	err := r.store.Decide(ctx, func(ctx context.Context, tx *store.AloneTx) ([]audit.Event, error) {
		person, err := r.council.person(ctx, tx, by)
		if err != nil {
			return nil, err
		}
		has, err := tx.PowersOf(ctx, by.Name)
		if err != nil {
			return nil, err
		}
		for _, p := range has {
			if p.Kind == store.PowerBreakGlass && p.Live(tx.Now()) {
				return nil, conflictf("%s lasts until %s: end it first (betonica power end %s)", api.ProposalCode(p.ID), p.Ends.UTC().Format(time.RFC3339), api.ProposalCode(p.ID))
			}
		}
		p := store.Power{
			ID: id, Person: by.Name, Owner: person.Owner, Kind: store.PowerBreakGlass, Right: req.Right, Reason: by.Reason,
			Begun: tx.Now(), Ends: tx.Now().Add(req.For),
		}
		tx.InsertPower(p)
		return []audit.Event{powerEvent(ctx, &tx.Tx, by, "power.begin", p, map[string]any{})}, tx.Err()
	})
	if denied, ok := errors.AsType[*ca.DeniedError](err); ok {
		return store.Power{}, r.council.forbid(ctx, by, by.Name, denied)
	}
	if err != nil {
		return store.Power{}, err
	}
	r.log.WarnContext(ctx, "emergency power taken", "person", by.Name, "power", api.ProposalCode(id), "for", req.For.String(), "reason", by.Reason, "request", RequestID(ctx))
	return r.store.Power(ctx, id)
}

func (req PowerRequest) check(by Actor, most time.Duration) error {
	if req.For < minPower || req.For > most || req.For%time.Second != 0 {
		return badRequest("a power lasts for %s to %s, in whole seconds", minPower, most)
	}
	if by.Reason == "" {
		return badRequest("a reason is missing: whoever agrees, or looks at it afterwards, has to know why")
	}
	if err := checkText(by.Reason, maxReason); err != nil {
		return badRequest("reason: %v", err)
	}
	return nil
}

// PowersOf returns the powers that a person has at this moment. Whoever acts by one names
// it in [Actor.Powers].
func (r *Registrar) PowersOf(ctx context.Context, person string) ([]store.Power, error) {
	return r.store.PowersOf(ctx, person)
}

// Left returns how long a power lasts from now on.
func (r *Registrar) Left(p store.Power) time.Duration { return p.Ends.Sub(r.now()) }

// Over reports whether a moment has come.
func (r *Registrar) Over(end time.Time) bool { return !r.now().Before(end) }

// owner returns who answers for one of the people that agreed.
func (g agreement) owner(path string) string { return g.owners[path] }

// others returns the people that agreed, but one.
func (g agreement) others(path string) (all []string) {
	for _, p := range g.people {
		if p != path {
			all = append(all, p)
		}
	}
	return all
}

func powerEvent(ctx context.Context, tx *store.Tx, by Actor, action string, p store.Power, detail map[string]any) audit.Event {
	detail["power"], detail["kind"], detail["right"], detail["reason"] = api.ProposalCode(p.ID), string(p.Kind), p.Right, p.Reason
	detail["ends"] = p.Ends.UTC()
	if p.Kind == store.PowerBreakGlass {
		detail["break_glass"] = true
	}
	return by.event(ctx, tx, action, p.Person, detail)
}
