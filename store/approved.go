package store

import (
	"crypto/fips140"
	"errors"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
)

// approvedAuth has PostgreSQL refused in FIPS 140-3 mode if it asks for a password hashed by
// MD5, which the mode forbids and Go answers by a panic.
func approvedAuth(conf *pgx.ConnConfig) error {
	if !fips140.Enabled() {
		return nil
	}
	var methods []string
	for m := range strings.SplitSeq(conf.RequireAuth, ",") {
		if m = strings.TrimSpace(m); m != "" {
			methods = append(methods, m)
		}
	}
	if slices.Contains(methods, "md5") {
		return errors.New("store: FIPS 140-3 mode forbids MD5: leave md5 out of require_auth in the data source, and have the user's password stored by scram-sha-256")
	}
	if all := len(methods) == 0 || strings.HasPrefix(methods[0], "!"); all && !slices.Contains(methods, "!md5") {
		methods = append(methods, "!md5")
	}
	conf.RequireAuth = strings.Join(methods, ",")
	return nil
}
