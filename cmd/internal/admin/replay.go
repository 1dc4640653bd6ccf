package admin

import (
	"net/http"
	"strings"

	"github.com/betonica/betonica/cmd/internal/adminapi"
	"github.com/betonica/betonica/enroll"
)

// testPolicy decides a part of what is on record again. Who begins to is on record, not
// each part.
func (a *Admin) testPolicy(w http.ResponseWriter, r *http.Request, by enroll.Actor) error {
	var in adminapi.ReplayRequest
	if err := read(w, r, &in); err != nil {
		return err
	}
	if in.Text == "" {
		return malformed("text is missing; a policy without roles is a comment")
	}
	if in.Token == "" {
		if err := a.reads(r, by, "audit.read"); err != nil {
			return err
		}
	}
	part, err := a.Registrar.Replay(r.Context(), "policy.toml", []byte(in.Text), in.Since, in.Token)
	if err != nil {
		return err
	}
	out := adminapi.Replay{Judged: part.Judged, Unknown: part.Unknown, Changed: []adminapi.Replayed{}, Next: part.Next}
	if !part.Oldest.IsZero() {
		out.Oldest = &part.Oldest
	}
	for _, c := range part.Changed {
		role, _, _ := strings.Cut(c.Identity, "/")
		one := adminapi.Replayed{Was: "refused", Identity: c.Identity, Role: role, Reason: c.Entry.Outcome, Seq: c.Entry.Seq, At: c.Entry.At}
		if d := c.Denial; d != nil {
			one.Was, one.Key, one.Reason = "issued", d.Key, d.Reason
		}
		out.Changed = append(out.Changed, one)
	}
	return reply(w, http.StatusOK, out)
}
