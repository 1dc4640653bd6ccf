package ca

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/betonica/betonica/ca/strict"
)

// maxPolicy bounds a policy file, in bytes.
const maxPolicy = 1 << 20

// policyFile is the file's shape.
type policyFile struct {
	Role  map[string]roleTable `toml:"role"`
	Allow []ruleTable          `toml:"allow"`

	Alerts alertsTable `toml:"alerts"`
}

// alertsTable is [alerts].
type alertsTable struct {
	Act []string `toml:"act"`
}

// roleTable is [role.NAME]. A nil slice or pointer is an absent key.
type roleTable struct {
	Names             []string `toml:"names"`
	DNS               []string `toml:"dns"`
	IPs               []string `toml:"ip"`
	Usages            []string `toml:"usages"`
	Lifetime          *string  `toml:"lifetime"`
	Keys              []string `toml:"keys"`
	Methods           []string `toml:"methods"`
	Proofs            *int64   `toml:"proofs"`
	Rekey             *string  `toml:"rekey"`
	AttestationRoots  *string  `toml:"attestation_roots"`
	ManufacturerRoots *string  `toml:"manufacturer_roots"`
	TPMRoots          *string  `toml:"tpm_roots"`
	Grace             *string  `toml:"grace"`
	ChannelBinding    *string  `toml:"channel_binding"`
	ServerKeys        bool     `toml:"server_keys"`
	DormantAfter      *string  `toml:"dormant_after"`
	AttestEvery       *string  `toml:"attest_every"`
	Owner             *string  `toml:"owner"`
	SuspendStale      bool     `toml:"suspend_stale"`
	Networks          []string `toml:"networks"`
	ShareNames        bool     `toml:"share_names"`
	Fork              *string  `toml:"fork"`
}

// decodePolicy returns the roles that the file defines, the rules of guards, and those
// of alerts that act.
func decodePolicy(filename string, text []byte) (map[string]Role, []guardRule, []string, error) {
	if len(text) > maxPolicy {
		return nil, nil, nil, fmt.Errorf("%s: longer than %d bytes", filename, maxPolicy)
	}
	var file policyFile
	if err := strict.Decode(filename, text, &file); err != nil {
		return nil, nil, nil, err
	}
	roles := make(map[string]Role, len(file.Role))
	var errs []*strict.Error
	for name, table := range file.Role {
		r := roleReader{filename: filename, text: text, name: name}
		roles[name] = r.read(table)
		errs = append(errs, r.errs...)
	}
	act, failed := readAct(filename, text, file.Alerts.Act)
	errs = append(errs, failed...)
	rules, err := readRules(filename, text, file.Allow)
	return roles, rules, act, errors.Join(strict.Join(errs), err)
}

// A roleReader makes a Role of a table, and collects what is wrong with it.
type roleReader struct {
	filename string
	text     []byte
	name     string
	errs     []*strict.Error
}

func (r *roleReader) read(t roleTable) Role {
	role := newRole(r.name)
	if preset, ok := builtIn()[r.name]; ok {
		role = preset
	}
	if r.name == RoleCA {
		r.fail("", -1, errors.New("the name is reserved for the authority's own servers"))
	} else if err := checkRole(r.name); err != nil {
		r.fail("", -1, err)
	}
	role.Names = values(r, "names", t.Names, role.Names, ParsePattern)
	role.DNS = values(r, "dns", t.DNS, nil, parseDNSRule)
	role.IPs = values(r, "ip", t.IPs, nil, parseNetwork)
	role.Usages = values(r, "usages", t.Usages, role.Usages, parseUsage)
	role.Keys = values(r, "keys", t.Keys, role.Keys, parseKeyKind)
	role.Methods = values(r, "methods", t.Methods, role.Methods, parseMethod)
	role.Rekey = value(r, "rekey", t.Rekey, role.Rekey, parseRekey)
	role.AttestationRoots = value(r, "attestation_roots", t.AttestationRoots, nil, roots("attestation"))
	role.ManufacturerRoots = value(r, "manufacturer_roots", t.ManufacturerRoots, nil, roots("manufacturer"))
	role.TPMRoots = value(r, "tpm_roots", t.TPMRoots, nil, roots("TPM"))
	role.Networks = values(r, "networks", t.Networks, nil, parseNetwork)
	role.Lifetime = value(r, "lifetime", t.Lifetime, role.Lifetime, span("lifetime", time.Second, maxLifetime))
	role.Grace = value(r, "grace", t.Grace, 0, span("grace", 0, maxGrace))
	role.ChannelBinding = value(r, "channel_binding", t.ChannelBinding, false, parseChannelBinding)
	role.DormantAfter = value(r, "dormant_after", t.DormantAfter, 0, orNever("dormant_after", role.Lifetime))
	role.AttestEvery = value(r, "attest_every", t.AttestEvery, role.AttestEvery, orNever("attest_every", day))
	role.OwnerRequired = value(r, "owner", t.Owner, false, parseOwner)
	role.Fork = value(r, "fork", t.Fork, role.Fork, parseFork)
	role.ShareNames, role.ServerKeys, role.SuspendStale = t.ShareNames, t.ServerKeys, t.SuspendStale
	if t.Proofs != nil {
		role.Proofs = r.proofs(*t.Proofs, role)
	}

	// An empty list might be meant as "none" or as "any".
	if t.Usages != nil && len(t.Usages) == 0 {
		r.fail("usages", -1, errors.New("no usages: a certificate needs one"))
	}
	if t.Keys != nil && len(t.Keys) == 0 {
		r.fail("keys", -1, errors.New("no keys: leave the line out to accept every kind"))
	}
	if t.Networks != nil && len(t.Networks) == 0 {
		r.fail("networks", -1, errors.New("no networks: leave the line out to accept any"))
	}
	if i := slices.Index(role.Methods, MethodBirth); i >= 0 && t.ManufacturerRoots == nil {
		r.fail("methods", i, errors.New(`"birth" needs manufacturer_roots, which say whose birth certificates are good`))
	}
	return role
}

// proofs checks the key of that name: nobody could show more than there are.
func (r *roleReader) proofs(n int64, role Role) int {
	most := 0
	for _, m := range []Method{MethodToken, MethodBirth, MethodTPM, MethodApproval} {
		if slices.Contains(role.Methods, m) {
			most++
		}
	}
	if len(role.Networks) > 0 {
		most++
	}
	switch {
	case n < 1 || n > maxProofs:
		r.fail("proofs", 0, fmt.Errorf("proofs %d is out of bounds: from 1 to %d", n, maxProofs))
	case n > 1 && int(n) > most:
		r.fail("proofs", 0, fmt.Errorf("proofs %d, but its methods and networks allow %d: of token, birth, tpm, approval, and networks to speak from", n, most))
	}
	return int(n)
}

// fail records what is wrong with a key's value: with the one at index, or with
// the whole if index is -1; with the table itself if key is "".
func (r *roleReader) fail(key string, index int, err error) {
	path := []any{"role", r.name, key}
	switch {
	case key == "":
		path = path[:2]
	case index >= 0:
		path = append(path, index)
	}
	r.errs = append(r.errs, strict.At(r.filename, r.text, fmt.Errorf("role %q: %w", clip(r.name), err), path...))
}

// values parses the list at key; preset is what an absent key means.
func values[T any](r *roleReader, key string, list []string, preset []T, parse func(string) (T, error)) []T {
	if list == nil {
		return preset
	}
	all := make([]T, 0, len(list))
	for i, s := range list {
		v, err := parse(s)
		if err != nil {
			r.fail(key, i, err)
		}
		all = append(all, v)
	}
	return all
}

// value parses the string at key; preset is what an absent key means.
func value[T any](r *roleReader, key string, s *string, preset T, parse func(string) (T, error)) T {
	if s == nil {
		return preset
	}
	v, err := parse(*s)
	if err != nil {
		r.fail(key, 0, err)
	}
	return v
}
