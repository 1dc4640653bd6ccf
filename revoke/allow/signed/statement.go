package signed

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/betonica/betonica/revoke/allow"
	"github.com/betonica/betonica/revoke/allow/rulefile"
)

// A Statement is what the CA says to one guard.
type Statement struct {
	// Guard is whom it is for: nobody else takes it.
	Guard allow.ID

	// Version is that of the policy, from 0. It rises with every change.
	Version int64

	// Issued and Expires are in whole seconds.
	Issued, Expires time.Time

	// Rules are a rule file's text, as of the trust domain of Guard; empty: nobody is
	// let in.
	Rules string
}

// MaxSize is the size of the largest statement with its signature, in bytes.
const MaxSize = 2 << 20

// Set returns what the statement allows.
func (s Statement) Set() (allow.Set, error) {
	if s.Rules == "" {
		return allow.Set{}, nil
	}
	file, err := rulefile.Parse("rules", []byte(s.Rules), s.Guard.TrustDomain())
	if err != nil {
		return allow.Set{}, err
	}
	if file.Observe { // a guard's own operator says that
		return allow.Set{}, errors.New("rules of the CA must not say observe")
	}
	return file.Rules, nil
}

// payload is a statement as JSON (RFC 7519's names, where it has them).
type payload struct {
	Audience string `json:"aud"` // the guard
	Version  int64  `json:"version"`
	Issued   int64  `json:"iat"` // Unix seconds
	Expires  int64  `json:"exp"`
	Rules    string `json:"rules"`
}

func (s Statement) encode() ([]byte, error) {
	return json.Marshal(payload{s.Guard.String(), s.Version, s.Issued.Unix(), s.Expires.Unix(), s.Rules})
}

func decode(text []byte) (Statement, error) {
	var p payload
	if err := strictJSON(text, &p); err != nil {
		return Statement{}, fmt.Errorf("reading the statement: %w", err)
	}
	id, err := allow.ParseID(p.Audience)
	if err != nil {
		return Statement{}, err
	}
	if p.Version < 0 || p.Issued <= 0 || p.Expires <= p.Issued {
		return Statement{}, errors.New("version or times of the statement are out of bounds")
	}
	return Statement{id, p.Version, time.Unix(p.Issued, 0).UTC(), time.Unix(p.Expires, 0).UTC(), p.Rules}, nil
}
