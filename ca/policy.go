package ca

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
)

// A Policy is what the operator's policy file says: the roles, what each may have, and
// what may be reached through guards. It never changes; a new file is a new Policy.
type Policy struct {
	version int64
	digest  string
	roles   map[string]*rules

	guardRules []guardRule
	act        []string // rules of alerts
}

// ParsePolicy reads a policy file: TOML of tables [role.NAME], with the keys that
// [Role] documents, and of tables [[allow]], which are rules of guards: see
// [rulefile.Table] and [Policy.GuardRules], and of one table [alerts], see [Policy.Acts]. An unknown key, a value out of bounds, and a definition of
// the reserved role "ca" are errors; each begins with filename:line:column, and
// they are joined, one a line, where more than one can be told at once.
//
// The roles of [Privileged] exist whether or not the file restates them.
func ParsePolicy(filename string, text []byte) (*Policy, error) {
	file, guardRules, act, err := decodePolicy(filename, text)
	if err != nil {
		return nil, err
	}
	roles := builtIn()
	maps.Copy(roles, file)
	p := &Policy{digest: digest(text), roles: make(map[string]*rules, len(roles)), guardRules: guardRules, act: act}
	for name, role := range roles {
		if p.roles[name], err = newRules(role); err != nil {
			return nil, fmt.Errorf("%s: role %q: %w", filename, name, err)
		}
	}
	return p, nil
}

// Version returns the version that the store gave to this policy; 0 if none yet.
func (p *Policy) Version() int64 { return p.version }

// WithVersion returns the same policy under another version.
func (p *Policy) WithVersion(version int64) *Policy {
	q := *p
	q.version = version
	return &q
}

// Digest returns the SHA-256 hash of the policy's text, in hex.
func (p *Policy) Digest() string { return p.digest }

// Role returns the role of that name, which may be a built-in one, and whether
// there is one.
func (p *Policy) Role(name string) (Role, bool) {
	r, ok := p.roles[name]
	if !ok {
		return Role{}, false
	}
	return r.Role.clone(), true
}

// Roles returns the names of all roles that identities can be made in, sorted:
// the privileged ones are among them, [RoleCA] is not.
func (p *Policy) Roles() []string {
	names := slices.Collect(maps.Keys(p.roles))
	names = slices.DeleteFunc(names, func(name string) bool { return name == RoleCA })
	slices.Sort(names)
	return names
}

func digest(text []byte) string {
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}
