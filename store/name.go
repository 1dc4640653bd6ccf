package store

import (
	"context"
	"fmt"
	"strings"
)

const takeName = `
	INSERT INTO names (name, holder) VALUES ($1, $2)
	ON CONFLICT (name) DO UPDATE SET holder = excluded.holder WHERE names.holder = excluded.holder`

// takeName demands that the name is the holder's own or nobody's, and takes it.
func (t *Tx) takeName(name, holder string) {
	t.demand(1, ErrNameTaken, takeName, name, holder)
}

// adoptName is takeName for a holder "role/*", who may also have what one identity of
// the role held alone. What the asking identity held alone it keeps.
func (t *Tx) adoptName(name, holder, own string) {
	role, _ := splitPath(holder)
	t.demand(1, ErrNameTaken, `
		INSERT INTO names (name, holder) VALUES ($1, $2)
		ON CONFLICT (name) DO UPDATE SET holder = CASE WHEN names.holder = $3 THEN names.holder ELSE excluded.holder END
		WHERE names.holder > $4 AND names.holder < $5`,
		name, holder, own, role+"/", role+"0") // 0 follows on /
}

// FreeNames gives back every name that is reserved to this identity. Names that
// a role shares stay.
func (t *Tx) FreeNames(path string) {
	t.demand(anyRows, nil, `DELETE FROM names WHERE holder = $1`, path)
}

// NameHolder returns the path of the identity that a DNS name or an address is
// reserved to, "role/*" where a role shares it, or [ErrNotFound].
func (d *DB) NameHolder(ctx context.Context, name string) (string, error) {
	var holder string
	err := d.reads.row(ctx, `SELECT holder FROM names WHERE name = $1`, []any{name}, &holder)
	if err != nil {
		return "", fmt.Errorf("reading holder of name %s: %w", name, err)
	}
	return holder, nil
}

// splitPath returns the two halves of an identity's path.
func splitPath(path string) (role, name string) {
	role, name, _ = strings.Cut(path, "/")
	return role, name
}
