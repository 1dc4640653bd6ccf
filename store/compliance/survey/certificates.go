package survey

import (
	"context"
	"fmt"

	"github.com/betonica/betonica/store"
	"github.com/betonica/betonica/store/audit/plain"
)

const (
	censusPage = 4096
	maxCrowds  = 1000
)

// certificates reads each one in time.
func (s *survey) certificates(ctx context.Context) error {
	c := &s.facts.Certificates
	c.Keys, c.Methods = map[string]int64{}, map[string]int64{}
	var after store.Serial
	for more := true; more; {
		if err := ctx.Err(); err != nil {
			return context.Cause(ctx)
		}
		var err error
		n := int64(0)
		after, more, err = s.Store.Census(ctx, s.Now, after, censusPage, func(one *store.Standee) error {
			n++
			s.certificate(one)
			return nil
		})
		if err != nil {
			return err
		}
		s.progress.add(n)
	}
	crowds, err := s.Store.Crowds(ctx, s.Now, s.Most, maxCrowds)
	if err != nil {
		return err
	}
	for _, one := range crowds {
		c.Crowded.Add(one.Identity, fmt.Sprintf("%d certificates", one.Live))
	}
	return nil
}

func (s *survey) certificate(one *store.Standee) {
	c := &s.facts.Certificates
	c.Live++
	issued := one.Serial.Time()
	c.Ages.Add(s.Now.Sub(issued))
	c.Lives.Add(one.NotAfter.Sub(issued))
	c.Left.Add(one.NotAfter.Sub(s.Now))
	c.Methods[one.Method]++
	kind, weak := keyKind(one.DER)
	c.Keys[kind]++
	if weak {
		c.Weak.Add(one.Identity, kind+", serial "+one.Serial.String())
	}
	if one.Holder != one.Identity && one.Holder != store.MethodAttestation+":"+one.Identity {
		holder := one.Holder
		if holder == "" {
			holder = "nobody"
		}
		c.Borrowed.Add(one.Identity, "the key is on record as that of "+plain.Clean(holder, 256)+", serial "+one.Serial.String())
	}
	if ended := one.State == store.Revoked || one.State == store.Retired || one.State == ""; ended && !one.Revoked {
		state := string(one.State)
		if state == "" {
			state = "not on record"
		}
		c.Orphaned.Add(one.Identity, state+", serial "+one.Serial.String())
	}
}
