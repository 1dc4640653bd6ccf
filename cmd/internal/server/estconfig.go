package server

import (
	"errors"
	"fmt"

	"github.com/betonica/betonica/ca"
)

// An ESTConfig is the table [est].
type ESTConfig struct {
	// Enabled says whether EST clients (RFC 7030) are served, on a listener of their
	// own. Default false.
	Enabled bool `toml:"enabled"`
	// Listen is where. It speaks TLS 1.2, too. Default ":8444".
	Listen Address `toml:"listen"`
	// Labels are the roles that have URLs of their own,
	// /.well-known/est/ROLE/simpleenroll and so on. Default: all but those that manage
	// the CA.
	Labels []RoleLabel `toml:"labels"`
}

// Roles returns the labels; nil: none are listed.
func (e *ESTConfig) Roles() []string { return rolesOf(e.Labels) }

// someLabel refuses an empty list: it reads as if there were none, and would be the
// default, which is all.
func (e *ESTConfig) someLabel() error {
	if e.Labels != nil && len(e.Labels) == 0 {
		return errors.New("est.labels is empty: list the roles, or leave it out")
	}
	return nil
}

// A RoleLabel is the name of a role that is served by name.
type RoleLabel struct{ text string }

func (l RoleLabel) String() string { return l.text }

// UnmarshalText takes the name of a role that does not manage the CA.
func (l *RoleLabel) UnmarshalText(text []byte) error {
	role := string(text)
	if _, err := ca.NewID("any.example", role, "any"); err != nil {
		return fmt.Errorf("%q is not the name of a role", role)
	}
	if role == ca.RoleCA || ca.Privileged(role) {
		return fmt.Errorf("role %q manages the CA: it is not served here", role)
	}
	l.text = role
	return nil
}

func rolesOf(labels []RoleLabel) []string {
	var roles []string
	for _, l := range labels {
		roles = append(roles, l.text)
	}
	return roles
}
