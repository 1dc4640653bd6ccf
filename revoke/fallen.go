package revoke

import (
	"strings"

	"github.com/betonica/betonica/ca"
	"github.com/betonica/betonica/store"
)

// Fallen is what a revocation took, or would take.
type Fallen struct {
	Identity string   // path
	Serials  []string // certificates that were live until now, in hex
	Tokens   []string // unused join tokens, by their ids
	Accounts []string // ACME accounts, by their ids
	Requests []string // requests for approval that are denied, by their ids
	Names    []string // DNS names and addresses that are free again
	Number   int64    // CRL number from which on the lists say so; 0 if no certificate fell
	Already  bool     // a single certificate that was revoked before
}

func fallen(path string, f store.Fall) Fallen {
	out := Fallen{Identity: path, Serials: []string{}, Tokens: []string{}, Accounts: []string{}, Requests: []string{}, Names: []string{}, Number: f.Number}
	for _, r := range f.Revocations {
		out.Serials = append(out.Serials, r.Serial.String())
	}
	for _, id := range f.Tokens {
		out.Tokens = append(out.Tokens, id.String())
	}
	for _, id := range f.Accounts {
		out.Accounts = append(out.Accounts, id.String())
	}
	for _, id := range f.Requests {
		out.Requests = append(out.Requests, id.String())
	}
	out.Names = append(out.Names, f.Names...)
	return out
}

func serialFallen(r store.Revocation, fresh bool) Fallen {
	fall := store.Fall{}
	if fresh {
		fall = store.Fall{Number: r.Number, Revocations: []store.Revocation{r}}
	}
	f := fallen(r.Identity, fall)
	f.Already = !fresh
	return f
}

// isAuthority reports whether the path is that of one of our own daemons.
func isAuthority(path string) bool {
	return strings.HasPrefix(path, ca.RoleCA+"/")
}
