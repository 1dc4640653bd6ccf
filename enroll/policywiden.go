package enroll

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/betonica/betonica/ca"
	"github.com/betonica/betonica/store"
	"github.com/betonica/betonica/store/audit"
)

// A PolicyMotion is the body of a proposal of a policy that lets more through.
type PolicyMotion struct {
	Replaces int64         `json:"replaces"` // the version that it was compared with, and follows
	SHA256   string        `json:"sha256"`   // of the text, in hex
	Widens   []ca.Widening `json:"widens"`
	Text     string        `json:"text"`
}

// maxWidenings are in an event of the log: a proposal has all of them.
const maxWidenings = 20

// record puts the next policy on record, and in force. One that widens takes two people;
// the first of all widens nothing if the CA's own host sets it.
func (p *Policies) record(ctx context.Context, by Actor, now, next *ca.Policy, row store.Policy) error {
	detail := map[string]any{"version": row.Version, "sha256": hex.EncodeToString(row.Digest[:])}
	subject := fmt.Sprintf("policy/%d", row.Version)
	var widens []ca.Widening
	if now.Version() > 0 || !by.host() {
		widens = ca.Widenings(now, next)
	}
	if len(widens) == 0 {
		return p.store.Update(ctx, func(tx *store.Tx) audit.Event {
			tx.SetPolicy(row)
			return by.event(ctx, tx, "policy.change", subject, detail)
		})
	}
	body, err := json.Marshal(PolicyMotion{Replaces: now.Version(), SHA256: hex.EncodeToString(row.Digest[:]), Widens: widens, Text: string(row.Text)})
	if err != nil {
		return fmt.Errorf("encoding a proposal: %w", err)
	}
	var texts []string
	for _, w := range widens[:min(len(widens), maxWidenings)] {
		texts = append(texts, w.String())
	}
	detail["widens"], detail["widenings"] = texts, len(widens)
	m := motion{kind: store.ProposePolicy, subject: subject, body: body}
	return p.council.decide(ctx, by, m, func(tx *store.Tx, g agreement) audit.Event {
		tx.SetPolicy(row)
		action := "policy.change"
		if g.proposal == nil {
			action = "policy.bootstrap" // the host did it alone
		}
		return by.event(ctx, tx, action, subject, g.about(detail))
	})
}

// waits says whether a policy file has done what it can: one that widens waits for two
// people, which is no failure. Once they have agreed the file is loaded at the next
// SIGHUP, or change.
func (p *Policies) waits(ctx context.Context, file string, err error) bool {
	waits, consent := errors.AsType[*ConsentError](err)
	denied, refused := errors.AsType[*ca.DeniedError](err)
	switch {
	case consent:
		p.log.WarnContext(ctx, "the policy file lets more through than the policy in force, which stays until two people agree: reload it then",
			"file", file, "version", p.Current().Version(), "proposal", waits.Code())
	case refused:
		p.log.WarnContext(ctx, "the policy file is refused, the policy in force stays", "file", file, "version", p.Current().Version(), "reason", denied.Error())
	}
	return consent || refused
}
