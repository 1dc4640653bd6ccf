package admin

import (
	"encoding/hex"
	"net/http"

	"github.com/betonica/betonica/cmd/internal/adminapi"
	"github.com/betonica/betonica/enroll"
)

func (a *Admin) showPolicy(w http.ResponseWriter, r *http.Request, _ enroll.Actor) error {
	record, err := a.Store.CurrentPolicy(r.Context())
	if err != nil {
		return err
	}
	return reply(w, http.StatusOK, adminapi.Policy{
		Version: record.Version, Text: string(record.Text), Digest: hex.EncodeToString(record.Digest[:]),
		Loaded: record.Loaded, Actor: record.Actor,
	})
}

// setPolicy puts a text in force. The policy file stays as it is; the store's
// version is the truth, and newer.
func (a *Admin) setPolicy(w http.ResponseWriter, r *http.Request, by enroll.Actor) error {
	var in adminapi.PolicyRequest
	if err := read(w, r, &in); err != nil {
		return err
	}
	if in.Text == "" {
		return malformed("text is missing; a policy without roles is a comment")
	}
	replaces := in.Replaces
	if replaces == 0 {
		replaces = enroll.AnyVersion
	}
	by.Reason = in.Reason
	if _, err := a.Registrar.Policies.Set(r.Context(), by, "policy.toml", []byte(in.Text), replaces); err != nil {
		return err
	}
	return a.showPolicy(w, r, by)
}
