package enroll

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/betonica/betonica/ca"
	"github.com/betonica/betonica/store"
	"github.com/betonica/betonica/store/audit"
)

// MaxReplay is how far back a policy is tried on what is on record.
const MaxReplay = 90 * 24 * time.Hour

const replayPage = 500 // entries at most that one call reads

// A Replayed is a request that a policy would decide differently today.
type Replayed struct {
	Entry    audit.Entry
	Identity string     // path
	Denial   *ca.Denial // why what was issued would be refused; nil: what was refused would not be, for that reason
}

// A Replay is a part of what is on record, decided again.
type Replay struct {
	Judged  int // requests that could be decided again
	Unknown int // those of which too little is on record, or whose certificate is not kept any more
	Changed []Replayed
	Next    string    // where the rest begins; empty: that was all
	Oldest  time.Time // when the last entry that was read was made; zero: there was none
}

// Replay decides again, by the policy in text, what was asked for since then, the newest
// first: a bounded part of it, from the place after, which is Next of the part before.
// Nothing changes, and nothing is issued.
//
// Of what was refused the log has who asked, how and from where, and not which names; what
// was refused for other reasons than the role's is no matter of policy.
//
// It returns an [*api.BadRequestError] for a text that is no policy or a time too long
// ago, and store.ErrBadCursor.
func (r *Registrar) Replay(ctx context.Context, filename string, text []byte, since time.Time, after string) (Replay, error) {
	next, err := ca.ParsePolicy(filename, text)
	if err != nil {
		return Replay{}, badRequest("%v", err)
	}
	if since.Before(r.now().Add(-MaxReplay - time.Hour)) {
		return Replay{}, badRequest("a policy is tried on what was asked for in the last %d days", MaxReplay/(24*time.Hour))
	}
	entries, cursor, err := r.store.AuditEntries(ctx, store.AuditFilter{Since: since}, store.Page{After: after, Limit: replayPage})
	if err != nil {
		return Replay{}, err
	}
	out := Replay{Next: cursor}
	for _, e := range entries {
		out.Oldest = e.At
		if err := r.replay(ctx, &out, next, e); err != nil {
			return Replay{}, err
		}
	}
	return out, nil
}

// replay decides one entry again, if it is of a request.
func (r *Registrar) replay(ctx context.Context, out *Replay, next *ca.Policy, e audit.Entry) error {
	issued := e.Action == "certificate.issue"
	if !issued && e.Action != "certificate.refuse" {
		return nil
	}
	past, ok := pastOf(e)
	if past.Role == ca.RoleCA || past.Method == store.MethodAttestation {
		return nil // no matter of the policy's names and keys
	}
	if issued && ok {
		cert, err := r.certificateOf(ctx, e)
		if err != nil {
			return err
		}
		ok = cert != nil
		if ok {
			if past.Certificate, err = cert.X509(); err != nil {
				return err
			}
		}
	}
	if !issued {
		setting, matters := settingOf(e, past.Role)
		if !matters {
			return nil // it was spent, stale, taken: policy has no say in that
		}
		ok = slices.Contains([]string{"methods", "proofs", "names", "networks"}, setting) // of what is on record of who was refused
	}
	if !ok {
		out.Unknown++
		return nil
	}
	out.Judged++
	denial := next.Again(past)
	if issued == (denial != nil) {
		out.Changed = append(out.Changed, Replayed{Entry: e, Identity: past.Role + "/" + past.Name, Denial: denial})
	}
	return nil
}

// settingOf returns the key of the role that refused a request, "" if that is not known,
// and whether the role did at all. Entries of before they said so tell it by their words.
func settingOf(e audit.Entry, role string) (setting string, matters bool) {
	if setting, said := e.Detail["setting"].(string); said {
		return setting, setting != ""
	}
	_, reason, matters := strings.Cut(e.Outcome, fmt.Sprintf(" may not enroll: role %q: ", role))
	for _, word := range [][2]string{{"method ", "methods"}, {"it takes ", "proofs"}, {"name ", "names"}, {"address ", "networks"}} {
		if strings.HasPrefix(reason, word[0]) {
			return word[1], matters
		}
	}
	return "", matters
}

// certificateOf returns the certificate of an entry, or nil if it is not kept.
func (r *Registrar) certificateOf(ctx context.Context, e audit.Entry) (*store.Certificate, error) {
	text, _ := e.Detail["serial"].(string)
	serial, err := store.ParseSerial(text)
	if err != nil {
		return nil, nil
	}
	cert, err := r.store.Certificate(ctx, serial)
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil
	}
	return &cert, err
}

// pastOf reads what was asked for from its entry. It is not ok if the entry does not say.
func pastOf(e audit.Entry) (past ca.Past, ok bool) {
	method, _ := e.Detail["method"].(string)
	past.Method = ca.Method(method)
	past.Role, past.Name, ok = strings.Cut(e.Subject, "/")
	past.Source, _ = netip.ParseAddr(e.Address)
	if proofs, more := e.Detail["proofs"].([]any); more {
		past.Proofs = len(proofs)
	}
	return past, ok && method != ""
}
