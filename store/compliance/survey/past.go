package survey

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"time"

	"github.com/betonica/betonica/store"
	"github.com/betonica/betonica/store/audit"
	"github.com/betonica/betonica/store/audit/plain"
	"github.com/betonica/betonica/store/compliance"
)

// The actions by which runs and attestations are on record.
const (
	ActionRun    = "compliance.run"
	ActionAttest = "compliance.attest"
)

// maxPast bounds the entries that are read of each.
const maxPast = 1000

// past reads what was run and attested before.
func (s *survey) past(ctx context.Context) error {
	f := s.facts
	_, err := s.entries(ctx, ActionRun, s.Now.Add(-366*24*time.Hour), func(e audit.Entry) bool {
		d := detail(e.Detail)
		if d.flag("daily") && f.Daily.IsZero() {
			f.Daily = e.At
		}
		if at := d.time("verified"); !at.IsZero() && f.Log.Verified == nil {
			v := &compliance.Verification{At: at, Entries: d.number("verified_entries")}
			if v.Findings.N = d.number("findings"); v.Findings.N > 0 {
				v.Findings.Rows = []compliance.Row{{What: "compliance.run", Detail: "entry " + compliance.Number(e.Seq)}}
			}
			f.Log.Verified = v
		}
		if d.text("profile") == s.Profile && f.Last == nil {
			f.Last = &compliance.Summary{At: e.At, Profile: s.Profile, Version: int(d.number("version")), States: compliance.DecodeStates(d.text("states"))}
		}
		return !f.Daily.IsZero() && f.Log.Verified != nil && f.Last != nil
	})
	if err != nil {
		return err
	}
	f.Attested = map[string]compliance.Attestation{}
	_, err = s.entries(ctx, ActionAttest, s.Now.Add(-2*366*24*time.Hour), func(e audit.Entry) bool {
		d := detail(e.Detail)
		if _, newer := f.Attested[e.Subject]; !newer {
			f.Attested[e.Subject] = compliance.Attestation{
				Word: plain.Clean(d.text("word"), 1024), By: plain.Clean(e.Actor, 256), At: e.At, Expires: d.time("expires"), Entry: e.Seq,
			}
		}
		return false
	})
	return err
}

// entries calls each with the newest entries of an action, until it says that it has
// enough; whole is false if there were more than are read.
func (s *survey) entries(ctx context.Context, action string, since time.Time, each func(audit.Entry) (enough bool)) (whole bool, err error) {
	page := store.Page{Limit: 100}
	for read := 0; read < maxPast; {
		all, next, err := s.Store.AuditEntries(ctx, store.AuditFilter{Action: action, Since: since}, page)
		if err != nil {
			return false, err
		}
		for _, e := range all {
			if each(e) {
				return true, nil
			}
		}
		if next == "" {
			return true, nil
		}
		page.After, read = next, read+len(all)
	}
	return false, nil
}

// policy fills in what the store knows of the policy.
func (s *survey) policy(ctx context.Context) error {
	p := &s.facts.Policy
	current, err := s.Store.CurrentPolicy(ctx)
	if err != nil {
		return err
	}
	p.Version, p.Digest, p.Loaded, p.Actor = current.Version, hex.EncodeToString(current.Digest[:]), current.Loaded, plain.Clean(current.Actor, 256)
	logged, _, err := s.Store.AuditEntries(ctx, store.AuditFilter{Subject: fmt.Sprintf("policy/%d", current.Version)}, store.Page{Limit: 10})
	if err != nil {
		return err
	}
	digest := sha256.Sum256(current.Text) // the row's own word is whose who changed the row
	for _, e := range logged {
		if sum := detail(e.Detail).text("sha256"); sum != "" {
			p.Logged, p.Recorded = true, sum == hex.EncodeToString(digest[:]) && digest == current.Digest
			break
		}
	}
	p.Kept, p.Newest, err = s.Store.PolicyVersions(ctx)
	return err
}

// A detail is that of an entry.
type detail map[string]any

func (d detail) text(name string) string {
	s, _ := d[name].(string)
	return s
}

func (d detail) flag(name string) bool { return d[name] == true }

func (d detail) number(name string) int64 {
	v, _ := d[name].(interface{ Int64() (int64, error) }) // json.Number
	if v == nil {
		return 0
	}
	n, _ := v.Int64()
	return n
}

func (d detail) time(name string) time.Time {
	t, _ := time.Parse(time.RFC3339Nano, d.text(name))
	return t
}
