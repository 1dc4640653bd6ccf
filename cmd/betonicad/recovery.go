package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/betonica/betonica/revoke/crl"
	"github.com/betonica/betonica/revoke/evidence"
	"github.com/betonica/betonica/store"
)

// replayBatch is how many certificates are revoked in one transaction.
const replayBatch = 50

// A recovery brings a store up to what lists show.
type recovery struct {
	db      *store.DB
	secrets *secrets
	known   *evidence.Evidence
	by      string

	revoked, forgotten int // on record, and not
	look               map[string]bool
	number             int64
	done               store.Recovered
}

func (r *recovery) run(ctx context.Context) error {
	before, err := r.db.CRLNumber(ctx)
	if err != nil {
		return err
	}
	if err := r.known.Gaps(before); err != nil {
		return err
	}
	if r.number, err = r.db.BeginRecovery(ctx, r.known.Number()); err != nil {
		return err
	}
	for _, one := range r.secrets.intermediates {
		if err := r.db.AddIssuer(ctx, one.id); err != nil {
			return err
		}
	}
	if err := r.replay(ctx); err != nil {
		return err
	}
	var lists []string
	var signing []string
	for _, one := range r.secrets.intermediates {
		for _, l := range r.known.Of(one.certificate) {
			lists = append(lists, fmt.Sprintf("%s %d of %s", one.id, l.Number(), l.ThisUpdate().Format(time.RFC3339)))
		}
		if time.Now().Before(one.certificate.NotAfter) {
			signing = append(signing, one.id)
		}
	}
	r.done, err = r.db.EndRecovery(ctx, r.by, signing, map[string]any{
		"lists": lists, "revoked": r.revoked, "forgotten": r.forgotten, "number": r.number,
	})
	return err
}

// replay revokes what the lists show.
func (r *recovery) replay(ctx context.Context) error {
	r.look = map[string]bool{}
	seen := map[crl.Serial]bool{}
	var batch []store.Replay
	flush := func() error {
		done, err := r.db.Replay(ctx, r.by, batch)
		if err != nil {
			return err
		}
		for _, one := range done {
			switch {
			case one.Known:
			case one.Identity == "":
				r.forgotten++
			default:
				r.revoked++
				r.look[one.Identity] = r.look[one.Identity] || one.Suspended
			}
		}
		batch = batch[:0]
		return nil
	}
	for issuer, entry := range r.known.Revoked() {
		serial, ok := ownSerial(entry.Serial)
		if !ok || seen[entry.Serial] {
			continue
		}
		seen[entry.Serial] = true
		batch = append(batch, store.Replay{
			Serial: serial, Issuer: evidence.ID(issuer), Reason: int(entry.Reason), At: entry.RevokedAt, End: issuer.NotAfter,
		})
		if len(batch) == replayBatch {
			if err := flush(); err != nil {
				return err
			}
		}
	}
	if len(batch) == 0 {
		return nil
	}
	return flush()
}

// ownSerial returns the number as the store has it; none of ours is longer.
func ownSerial(s crl.Serial) (store.Serial, bool) {
	var serial store.Serial
	octets := s.Bytes()
	if len(octets) > len(serial) {
		return serial, false
	}
	copy(serial[len(serial)-len(octets):], octets)
	return serial, true
}

// report says to people what was done, and what is left to do.
func (r *recovery) report(env environment, dir string) {
	say := func(format string, args ...any) { fmt.Fprintf(env.stderr, format+"\n", args...) }
	fmt.Fprintf(env.stdout, "%d\n", r.number)
	say("recovered %s: %d certificates are revoked again, and %d that this CA has forgotten", dir, r.revoked, r.forgotten)
	say("numbers of revocation lists go on above %d, which is on stdout", r.number)
	if r.done.Lost > r.done.Kept {
		say("entries %d to %d of the log are lost; betonicad audit verify says so from now on", r.done.Kept+1, r.done.Lost)
	} else {
		say("what the log held after entry %d is lost, if anything; betonicad audit verify says so from now on", r.done.Kept)
	}
	say("%d unused join tokens are void: make new ones", r.done.Tokens)
	paths := make([]string, 0, len(r.look))
	for path := range r.look {
		paths = append(paths, path)
	}
	slices.Sort(paths)
	for _, path := range paths {
		what := "suspect, and goes on with another certificate"
		if r.look[path] {
			what = "suspended: betonica identity resume, or betonica revoke"
		}
		say("look at %s: %s", path, what)
	}
	say("machines that enrolled or renewed after the backup are unknown here, and must enrol anew")
	say("next: betonicad serve --dir %s", dir)
}
