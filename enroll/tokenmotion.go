package enroll

import (
	"encoding/hex"
	"encoding/json"

	"github.com/betonica/betonica/ca"
	"github.com/betonica/betonica/store"
)

// A TokenMotion is the body of a proposal of a token: for a privileged role, or to lift a
// tombstone.
type TokenMotion struct {
	Role    string `json:"role"`
	Name    string `json:"name"` // or a pattern
	TTL     string `json:"ttl"`
	Uses    int    `json:"uses"`
	Replace bool   `json:"replace"`
	Lifts   bool   `json:"lifts"`
	Owner   string `json:"owner"` // who answers for whoever enrols by it
	Network string `json:"network"`
	SPKI    string `json:"spki"`
	EAB     bool   `json:"eab"`
}

// motion returns what two people agree on, and whether it takes two.
func (req TokenRequest) motion(use tokenUse) (motion, bool) {
	m := motion{kind: store.ProposeToken, subject: req.path()}
	if use.lifts {
		m.kind = store.ProposeTombstone
	}
	if !use.lifts && !ca.Privileged(req.Role) {
		return m, false
	}
	body := TokenMotion{
		Role: req.Role, Name: req.Name, TTL: req.TTL.String(), Uses: req.Uses, Replace: req.Replace, Lifts: use.lifts, Owner: use.owner, EAB: req.EAB,
	}
	if req.Network.IsValid() {
		body.Network = req.Network.String()
	}
	if req.SPKI != nil {
		body.SPKI = hex.EncodeToString(req.SPKI[:])
	}
	text, err := json.Marshal(body)
	if err != nil {
		panic(err) // texts and numbers always marshal
	}
	m.body = text
	return m, true
}
