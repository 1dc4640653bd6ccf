package store

import "github.com/jackc/pgx/v5/pgtype"

// A form is what many calls demand. PostgreSQL meets it for a batch of them with one
// statement over arrays: see together.
type form struct {
	query string // of one demand
	many  string // does for the rows of its arrays what query does for one; empty: it is sent for each

	// table and row say which row a demand takes: the table's, that this argument names.
	// Calls that take the same one are not met together. Without a table they may.
	table string
	row   int

	// types are those of the arguments: b(ytea), which may be NULL, n(umber), t(ext) and
	// f(lag). fold is for a form whose arrays are others.
	types string
	fold  func([]demand) (args []any, rows int64, ok bool)
}

// forms are all there are, in the order in which calls make such demands: what is taken
// first by one call is taken first by all. None joins a table with what is asked for: there
// are plans of a join that are good while the table is small, and kept while it grows.
var forms = []form{
	{query: spendToken, fold: foldSpends, many: `
		UPDATE tokens SET uses = uses + ($2::bigint[])[array_position($1::bytea[], id)]
		WHERE id = ANY ($1) AND uses + ($2::bigint[])[array_position($1, id)] <= max_uses AND expires_at > $3 AND revoked_at IS NULL`},

	{query: nameTokenUser, fold: foldUsers, many: `
		UPDATE tokens SET used_by = ($1::text[])[array_position($2::bytea[], id)] WHERE id = ANY ($2)`},

	{query: completeOrder, table: "acme_orders", row: 2},

	{query: useRequest, table: "requests", row: 0},

	{query: recordChild, table: "lineage", row: 0, types: "bb", many: `
		INSERT INTO lineage (parent, child, forked)
		SELECT d.parent, d.child, FALSE FROM unnest($1::bytea[], $2::bytea[]) AS d (parent, child)
		ON CONFLICT (parent) DO NOTHING`},

	{query: createIdentity, table: "identities", row: 0, types: "tttttfnttt", many: `
		INSERT INTO identities (path, role, name, owner, state, revision, suspect, created_at, changed_at, attested_at, dns, ips, site)
		SELECT d.path, d.role, d.name, d.owner, d.state, 1, d.suspect, d.at, d.at, d.at, d.dns, d.ips, d.site
		FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::boolean[], $7::bigint[], $8::text[], $9::text[], $10::text[])
			AS d (path, role, name, owner, state, suspect, at, dns, ips, site)
		ON CONFLICT (path) DO NOTHING`},

	// No index knows of the state as it is written here. That of states would be taken, and
	// walked over for all that is pending.
	{query: activateIdentity, table: "identities", row: 1, types: "ntn", many: `
		UPDATE identities SET state = 'active', changed_at = ($1::bigint[])[array_position($2::text[], path)]
		WHERE path = ANY ($2) AND revision = ($3::bigint[])[array_position($2, path)] AND state || '' = 'pending'`},

	{query: insertCertificate, table: "identities", row: 9, types: "bnnbtbbbtttnn", many: `
		WITH c AS MATERIALIZED (SELECT c.policy_version FROM current c WHERE c.id = 1 {share})
		INSERT INTO certificates (serial, identity, not_before, not_after, spki, method, token, parent, policy_version, der, issuer)
		SELECT d.serial, i.path, d.not_before, d.not_after, d.spki, d.method, d.token, d.parent, d.policy_version, d.der,
			(SELECT s.id FROM issuers s WHERE s.key_id = d.issuer)
		FROM unnest($1::bytea[], $2::bigint[], $3::bigint[], $4::bytea[], $5::text[], $6::bytea[], $7::bytea[], $8::bytea[], $9::text[], $10::text[], $11::text[], $12::bigint[], $13::bigint[])
				AS d (serial, not_before, not_after, spki, method, token, parent, der, issuer, identity, also, revision, policy_version),
			LATERAL (SELECT i.path FROM identities i WHERE i.path = d.identity AND i.state IN ('active', d.also) AND i.revision = d.revision {share}) AS i
		WHERE d.policy_version = (SELECT c.policy_version FROM c)
		AND (SELECT r.serial FROM revocations r WHERE r.serial = d.parent) IS NULL`},

	{query: takeNewKey, table: "keys", row: 0, types: "btb", many: `
		INSERT INTO keys (spki, identity, serial) SELECT d.spki, d.identity, d.serial
		FROM unnest($1::bytea[], $2::text[], $3::bytea[]) AS d (spki, identity, serial)
		ON CONFLICT (spki) DO NOTHING`},

	{query: keepKey, table: "keys", row: 0, types: "btb", many: `
		INSERT INTO keys (spki, identity, serial) SELECT d.spki, d.identity, d.serial
		FROM unnest($1::bytea[], $2::text[], $3::bytea[]) AS d (spki, identity, serial)
		ON CONFLICT (spki) DO UPDATE SET serial = excluded.serial WHERE keys.identity = excluded.identity`},

	{query: takeName, fold: foldNames, many: `
		INSERT INTO names (name, holder) SELECT d.name, d.holder FROM unnest($1::text[], $2::text[]) AS d (name, holder)
		ON CONFLICT (name) DO UPDATE SET holder = excluded.holder WHERE names.holder = excluded.holder`},

	{query: confirm, types: "bn", many: `
		INSERT INTO confirmations (serial, at) SELECT d.serial, d.at FROM unnest($1::bytea[], $2::bigint[]) AS d (serial, at)
		ON CONFLICT (serial) DO NOTHING`},
}

// formOf says which of the forms a query is.
var formOf = func() map[string]int {
	places := make(map[string]int, len(forms))
	for i, f := range forms {
		places[f.query] = i
	}
	return places
}()

// foldSpends takes all uses of a token at once, by the latest clock of those who do: what
// it then has left, it had left for each of them.
func foldSpends(demands []demand) (args []any, rows int64, ok bool) {
	var ids [][]byte
	var uses []int64
	var latest int64
	known := make(map[string]int, len(demands))
	for _, d := range demands {
		id, isID := d.args[0].([]byte)
		at, isTime := d.args[1].(int64)
		if !isID || !isTime {
			return nil, 0, false
		}
		n, again := known[string(id)]
		if !again {
			n = len(ids)
			known[string(id)] = n
			ids, uses = append(ids, id), append(uses, 0)
		}
		uses[n]++
		latest = max(latest, at)
	}
	return []any{byteas(ids), uses, latest}, int64(len(ids)), true
}

// foldUsers names the last user of each token.
func foldUsers(demands []demand) (args []any, rows int64, ok bool) {
	var ids [][]byte
	var users []string
	known := make(map[string]int, len(demands))
	for _, d := range demands {
		user, isText := d.args[0].(string)
		id, isID := d.args[1].([]byte)
		if !isText || !isID {
			return nil, 0, false
		}
		n, again := known[string(id)]
		if !again {
			n = len(ids)
			known[string(id)] = n
			ids, users = append(ids, id), append(users, user)
		}
		users[n] = user
	}
	return []any{users, byteas(ids)}, int64(len(ids)), true
}

// foldNames takes a name once that several take for one holder. For two holders the
// statement fails.
func foldNames(demands []demand) (args []any, rows int64, ok bool) {
	var names, holders []string
	known := make(map[[2]string]bool, len(demands))
	for _, d := range demands {
		name, isText := d.args[0].(string)
		holder, isHolder := d.args[1].(string)
		if !isText || !isHolder {
			return nil, 0, false
		}
		if pair := [2]string{name, holder}; !known[pair] {
			known[pair] = true
			names, holders = append(names, name), append(holders, holder)
		}
	}
	return []any{names, holders}, int64(len(names)), true
}

// transpose makes an array of each argument of the demands. It is not ok if one is of
// another type than the form says.
func (f *form) transpose(demands []demand) (args []any, ok bool) {
	args = make([]any, len(f.types))
	for i, t := range []byte(f.types) {
		switch t {
		case 'b':
			var all [][]byte
			all, ok = column[[]byte](demands, i, true)
			args[i] = byteas(all)
		case 'n':
			args[i], ok = column[int64](demands, i, false)
		case 't':
			args[i], ok = column[string](demands, i, false)
		case 'f':
			args[i], ok = column[bool](demands, i, false)
		}
		if !ok {
			return nil, false
		}
	}
	return args, true
}

// byteas is an array that the driver writes without reflection.
type byteas = pgtype.FlatArray[[]byte]

func column[T any](demands []demand, i int, null bool) ([]T, bool) {
	all := make([]T, len(demands))
	for n := range demands {
		arg := demands[n].args[i]
		value, ok := arg.(T)
		if !ok && (arg != nil || !null) {
			return nil, false
		}
		all[n] = value
	}
	return all, true
}
