package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"time"
)

// An Identity is a machine or a person that certificates are issued to.
type Identity struct {
	Path  string // "role/name", the key
	Role  string
	Name  string
	Owner string // who answers for it; free text, may be empty
	Site  string // where it stands; free text, may be empty
	State State
	Why   Why // suspended by itself; empty: not

	// Revision rises by one with every change that must make an earlier decision
	// void: a change of state, a revocation, a replacement. It begins at 1.
	Revision int64

	Suspect bool // something about it was alarmed; it goes on working

	Created, Changed time.Time
	Attested         time.Time // when the owner last said that it is there; at first its making

	// BirthSPKI is the SHA-256 of the key of the birth certificate that it came with;
	// empty: none.
	BirthSPKI []byte

	// EK is the SHA-256 of the endorsement key (SubjectPublicKeyInfo) of the TPM that its
	// keys are bound to; empty: none.
	EK []byte

	DNSNames []string // names on record; empty: none
	IPs      []string // addresses on record, in netip.Addr's text form
}

// A State is where an identity is in its life.
type State string

// The states of an identity. Only an active identity gets certificates; revoked is
// a tombstone.
const (
	Pending   State = "pending"
	Active    State = "active"
	Suspended State = "suspended"
	Revoked   State = "revoked"
	Retired   State = "retired"
)

// A Why says for what an identity was suspended by itself.
type Why string

// Why an identity is suspended by itself.
const (
	Dormant    Why = "dormant"    // no certificate for as long as its role allows
	Unattested Why = "unattested" // the owner has not said in time that it is there
	Ownerless  Why = "ownerless"  // nobody answers for it
)

const (
	createIdentity = `
		INSERT INTO identities (path, role, name, owner, state, revision, suspect, created_at, changed_at, attested_at, dns, ips, site)
		VALUES ($1, $2, $3, $4, $5, 1, $6, $7, $7, $7, $8, $9, $10)
		ON CONFLICT (path) DO NOTHING`

	activateIdentity = `
		UPDATE identities SET state = 'active', changed_at = $1
		WHERE path = $2 AND revision = $3 AND state = 'pending'`
)

// CreateIdentity demands that no identity has this path, and records one. Its
// revision is 1 and its times are the transaction's, whatever id says. The error
// is [ErrExists].
func (t *Tx) CreateIdentity(id Identity) {
	t.demand(1, ErrExists, createIdentity,
		id.Path, id.Role, id.Name, id.Owner, string(id.State), id.Suspect, t.millis(), list(id.DNSNames), list(id.IPs), id.Site)
}

// FillIdentity demands that the identity is there and has no end, and records owner and
// site where it has none. The error is [ErrStale].
func (t *Tx) FillIdentity(path, owner, site string) {
	t.demand(1, ErrStale, `
		UPDATE identities SET changed_at = $1,
			owner = CASE WHEN owner = '' THEN $2 ELSE owner END, site = CASE WHEN site = '' THEN $3 ELSE site END
		WHERE path = $4 AND state <> 'revoked' AND state <> 'retired'`,
		t.millis(), owner, site, path)
}

// ActivateIdentity demands that the identity is pending at this revision, and
// makes it active. The revision stays, so that an InsertCertificate of the same
// call demands the same one. The error is [ErrStale].
func (t *Tx) ActivateIdentity(path string, revision int64) {
	t.demand(1, ErrStale, activateIdentity, t.millis(), path, revision)
}

// SetState demands that the identity is in one of the states from, puts it in
// state to, and raises its revision. Why it was suspended is forgotten; who makes it
// active says with it that the machine is there. The error is [ErrStale], also where there
// is no such identity. At most five states can be named; with none the demand
// cannot be met.
func (t *Tx) SetState(path string, from []State, to State) {
	var in [5]string
	for i := range in {
		if len(from) > 0 {
			in[i] = string(from[min(i, len(from)-1)])
		}
	}
	t.demand(1, ErrStale, `
		UPDATE identities SET state = $1, revision = revision + 1, changed_at = $2, why = '',
			active_at = CASE WHEN $1 = 'active' THEN $2 ELSE active_at END,
			attested_at = CASE WHEN $1 = 'active' THEN $2 ELSE attested_at END
		WHERE path = $3 AND state IN ($4, $5, $6, $7, $8)`,
		string(to), t.millis(), path, in[0], in[1], in[2], in[3], in[4])
}

// MarkSuspect demands that the identity exists, and marks it. The revision
// stays: a suspect goes on working. The error is [ErrNotFound].
func (t *Tx) MarkSuspect(path string) {
	t.demand(1, ErrNotFound, `
		UPDATE identities SET suspect = TRUE, changed_at = $1 WHERE path = $2`,
		t.millis(), path)
}

// ClearSuspect demands that the identity exists, and takes the mark away. The
// error is [ErrNotFound].
func (t *Tx) ClearSuspect(path string) {
	t.demand(1, ErrNotFound, `
		UPDATE identities SET suspect = FALSE, changed_at = $1 WHERE path = $2`,
		t.millis(), path)
}

const identityColumns = `i.path, i.role, i.name, i.owner, i.state, i.revision, i.suspect, i.created_at, i.changed_at, i.dns, i.ips,
	i.site, i.why, i.attested_at, i.birth_spki, i.ek`

// Identity returns the identity with this path, or [ErrNotFound].
func (d *DB) Identity(ctx context.Context, path string) (Identity, error) {
	var r identityRow
	err := d.reads.row(ctx, `SELECT `+identityColumns+` FROM identities i WHERE i.path = $1`, []any{path}, r.dest()...)
	if err != nil {
		return Identity{}, fmt.Errorf("reading identity %s: %w", path, err)
	}
	return r.identity()
}

// An identityRow is an identity as the database has it; all NULL where an outer
// join found none.
type identityRow struct {
	path, role, name, owner, state, dns, ips, site, why sql.NullString
	revision, created, changed, attested                sql.NullInt64
	suspect                                             sql.NullBool
	birth, ek                                           []byte
}

// dest returns where identityColumns are scanned to.
func (r *identityRow) dest() []any {
	return []any{&r.path, &r.role, &r.name, &r.owner, &r.state, &r.revision, &r.suspect, &r.created, &r.changed, &r.dns, &r.ips,
		&r.site, &r.why, &r.attested, &r.birth, &r.ek}
}

func (r *identityRow) identity() (Identity, error) {
	id := Identity{
		Path: r.path.String, Role: r.role.String, Name: r.name.String, Owner: r.owner.String, Site: r.site.String,
		State: State(r.state.String), Why: Why(r.why.String), Revision: r.revision.Int64, Suspect: r.suspect.Bool,
		Attested: time.UnixMilli(r.attested.Int64).UTC(), BirthSPKI: r.birth, EK: r.ek,
		Created: time.UnixMilli(r.created.Int64).UTC(), Changed: time.UnixMilli(r.changed.Int64).UTC(),
	}
	if err := unlist(r.dns.String, &id.DNSNames); err != nil {
		return Identity{}, fmt.Errorf("reading identity %s: names: %w", id.Path, err)
	}
	if err := unlist(r.ips.String, &id.IPs); err != nil {
		return Identity{}, fmt.Errorf("reading identity %s: addresses: %w", id.Path, err)
	}
	return id, nil
}

// list writes a list of names into a column; the empty list is the empty text.
func list(names []string) string {
	if len(names) == 0 {
		return ""
	}
	b, err := json.Marshal(names)
	if err != nil {
		panic(err) // strings always marshal
	}
	return string(b)
}

func unlist(text string, names *[]string) error {
	if text == "" {
		return nil
	}
	return json.Unmarshal([]byte(text), names)
}
