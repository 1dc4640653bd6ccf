package server

import "errors"

// An SCEPConfig is the table [scep].
type SCEPConfig struct {
	// Enabled says whether SCEP clients (RFC 8894) are served, below /scep/ROLE of HTTP.
	// Default false.
	Enabled bool `toml:"enabled"`
	// Roles are those that are served. Each has an RSA key of its own, which is made
	// when it is first served, and kept sealed in the database, so that replicas have the
	// same. Required if SCEP is enabled.
	Roles []RoleLabel `toml:"roles"`
}

// Names returns the roles.
func (c *SCEPConfig) Names() []string { return rolesOf(c.Roles) }

func (c *SCEPConfig) someRole() error {
	if c.Enabled && len(c.Roles) == 0 {
		return errors.New("scep.roles is empty: list the roles that are served")
	}
	return nil
}
