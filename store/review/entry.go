package review

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/betonica/betonica/store/audit"
)

// A body is what of an entry's sealed part is looked at.
type body struct {
	Actor   string `json:"actor"`
	Subject string `json:"subject"`
	Address string `json:"address"`
	Outcome string `json:"outcome"`
	Detail  struct {
		Proof      string   `json:"proof"`
		Reason     string   `json:"reason"`
		Right      string   `json:"right"`
		BreakGlass bool     `json:"break_glass"`
		Word       string   `json:"word"`
		Count      int64    `json:"count"`
		Widens     []string `json:"widens"`
		Widenings  int64    `json:"widenings"`

		// Of alerts.
		ID       int64  `json:"id"`
		Rule     string `json:"rule"`
		Title    string `json:"title"`
		Severity string `json:"severity"`
		State    string `json:"state"`
	} `json:"detail"`
}

// renewals are how the detail of a certificate names a proof that shows that its holder
// has enrolled before. In JSON's strings quotes are escaped: nobody's name looks like one.
var renewals = [][]byte{[]byte(`"proof":"certificate:`), []byte(`"proof":"order:`), []byte(`"proof":"self"`)}

// take counts one entry.
func (g *gathering) take(r *audit.Record) {
	g.count(r.Action, r.Seq)
	e, text, err := g.opener.Open(r.Leaf)
	switch {
	case errors.Is(err, audit.ErrNoKey):
		g.tallies[health].add("sealed with a key that was destroyed", r.Seq)
		return
	case err != nil:
		g.tallies[health].add("an entry that cannot be opened", r.Seq)
		return
	case tlog.RecordHash(r.Leaf) != r.Hash || e.Seq != r.Seq || e.Action != r.Action || !e.At.Equal(r.At):
		g.tallies[health].add("an entry whose row says something else of it", r.Seq)
		return
	}
	if e.Action == "certificate.issue" {
		for _, renewal := range renewals {
			if bytes.Contains(text, renewal) { // there are millions of them
				g.usual[e.Action]++
				return
			}
		}
	}
	var b body
	err = json.Unmarshal(text, &b)
	if _, other := errors.AsType[*json.UnmarshalTypeError](err); err != nil && !other { // what has another meaning elsewhere is left out
		g.tallies[health].add("an entry of a form that is not known: "+e.Action, r.Seq)
		return
	}
	if acts(e.Action) && g.person(b.Actor) {
		g.act(b.Actor, r.Seq)
	}
	g.place(e.Action, &b, r.Seq)
}

// place puts an entry into its group, in the words of a line.
func (g *gathering) place(action string, b *body, seq int64) {
	k := kindOf(action)
	role, _, _ := strings.Cut(b.Subject, "/")
	line := ""
	switch {
	case k == alerts:
		g.alert(b, seq)
		return
	case k == health:
		if line = action + outcome(b); action == "refusals.dropped" {
			g.dropped += b.Detail.Count
		}
	case k == copies:
		line = action + " " + b.Subject + from(b) + outcome(b)
	case k == powers:
		line = action + " " + b.Subject + ": " + b.Detail.Right + because(b)
	case k == policies:
		line = action + " " + b.Subject + " by " + b.Actor
		if n := max(b.Detail.Widenings, int64(len(b.Detail.Widens))); n > 0 {
			line += fmt.Sprintf(", widens in %d: %s", n, strings.Join(b.Detail.Widens, "; "))
		}
	case k == reasons:
		g.tallies[callers].add(caller(b), seq)
		line = action + outcome(b)
	case k == issuers:
		line = action + " " + b.Subject + " by " + b.Actor + outcome(b)
	case k == ended, k == looked:
		line = action + " by " + b.Actor
	case k == privileges, strings.HasPrefix(action, "token.") && g.Privileged(role):
		k, line = privileges, action+" "+b.Subject+" by "+b.Actor
	case action == "certificate.issue" && g.Privileged(role): // not by the one before
		k, line = privileges, action+" "+b.Subject+" by "+proof(b)
	case action == "certificate.issue", action == "identity.create", action == "identity.import", action == "acme.account" && b.Detail.Proof != "":
		k, line = joined, role+", "+action
	default:
		g.usual[action]++
		return
	}
	g.tallies[k].add(line, seq)
}

func outcome(b *body) string {
	if b.Outcome == "" || b.Outcome == "ok" {
		return ""
	}
	return ": " + b.Outcome
}

func because(b *body) (text string) {
	if b.Detail.BreakGlass {
		text = ", emergency"
	}
	if why := cmp.Or(b.Detail.Word, b.Detail.Reason); why != "" { // a review has both
		text += ": " + why
	}
	return text
}

func from(b *body) string {
	if b.Address == "" {
		return ""
	}
	return " from " + b.Address
}

// caller is who was refused, as far as he said.
func caller(b *body) string {
	who := b.Actor
	if who == "" || who == "stranger" {
		who = "stranger"
		if b.Subject != "" {
			who += " as " + b.Subject
		}
	}
	return who + from(b)
}

// proof is the kind of it: what is behind the colon is one machine's.
func proof(b *body) string {
	kind, _, _ := strings.Cut(b.Detail.Proof, ":")
	return kind
}
