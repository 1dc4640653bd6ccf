package enroll

import (
	"context"
	"errors"
	"strings"

	"github.com/betonica/betonica/ca"
	"github.com/betonica/betonica/store"
	"github.com/betonica/betonica/store/audit"
	"github.com/betonica/betonica/store/review"
)

// maxWord is how long the word of a review of the log may be, in bytes.
const maxWord = 1000

// ReviewLog records what somebody says who has looked at a part of the log, and which part
// it was, to the entry. It is for a person for whom somebody answers; and where people did
// something by their rights, for one who is not the only one of them: whoever has the same
// owner is no other. What of it was his own stands in the record.
//
// It returns an [*api.BadRequestError] for a word that is none, a [*ConflictError] if
// entries of the part are not there, and a [*ca.DeniedError].
func (r *Registrar) ReviewLog(ctx context.Context, by Actor, s *review.Summary, word string) (review.Record, error) {
	rec := review.Record{
		Since: s.Since, Until: s.Until, First: s.First, Last: s.Last, Root: s.Root, Groups: s.Counts(), Again: s.Again, Word: strings.TrimSpace(word),
	}
	if rec.Word == "" {
		return rec, badRequest("a review says something")
	}
	if err := checkText(rec.Word, maxWord); err != nil {
		return rec, badRequest("word: %v", err)
	}
	if s.Root == "" {
		return rec, conflictf("entries 1 to %d are not all there: nobody can say that he reviewed them (betonicad audit verify names those that are gone)", s.Last)
	}
	err := r.store.Decide(ctx, func(ctx context.Context, tx *store.AloneTx) ([]audit.Event, error) {
		person, err := r.council.person(ctx, tx, by)
		if err != nil {
			return nil, err
		}
		if ownerKey(person.Owner) == "" {
			return nil, &ca.DeniedError{Rule: person.Role, Reason: "nobody answers for " + person.Path + ": a person without an owner reviews nothing"}
		}
		rec.Acts, rec.Own = 0, 0
		for _, act := range s.Acts {
			did, err := tx.Identity(ctx, act.Person)
			if err != nil && !errors.Is(err, store.ErrNotFound) {
				return nil, err
			}
			if rec.Acts += act.Count; act.Person == person.Path || sameOwner(did.Owner, person.Owner) {
				rec.Own += act.Count
			}
		}
		if rec.Acts > 0 && rec.Own == rec.Acts {
			return nil, &ca.DeniedError{Rule: person.Role, Reason: "all that people did in that time was done by you, or by others of your owner: somebody else reviews it"}
		}
		return []audit.Event{by.event(ctx, &tx.Tx, review.Action, by.Name, rec.Detail())}, tx.Err()
	})
	if denied, ok := errors.AsType[*ca.DeniedError](err); ok {
		return rec, r.council.forbid(ctx, by, by.Name, denied)
	}
	return rec, err
}
