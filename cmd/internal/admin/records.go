package admin

import (
	"encoding/base64"
	"encoding/json"
	"net/http"

	"github.com/betonica/betonica/cmd/internal/adminapi"
	"github.com/betonica/betonica/cmd/internal/archive"
	"github.com/betonica/betonica/enroll"
	"github.com/betonica/betonica/store"
)

// listRecords lists what guards wrote down and shipped. The keys of digests are left out:
// they are for whoever holds the journal.
func (a *Admin) listRecords(w http.ResponseWriter, r *http.Request, _ enroll.Actor) error {
	q, page, err := listParameters(r, "identity", "action", "since", "until")
	if err != nil {
		return err
	}
	filter := archive.Filter{Identity: q.Get("identity"), Action: q.Get("action")}
	if filter.Since, err = moment(q, "since"); err != nil {
		return err
	}
	if filter.Until, err = moment(q, "until"); err != nil {
		return err
	}
	var place archive.Place
	if page.After != "" {
		text, err := base64.RawURLEncoding.DecodeString(page.After)
		if err != nil || json.Unmarshal(text, &place) != nil {
			return store.ErrBadCursor
		}
	}
	entries, behind, err := archive.List(r.Context(), a.Store, filter, place, page.Limit)
	if err != nil {
		return err
	}
	next := ""
	if behind != nil {
		text, err := json.Marshal(behind)
		if err != nil {
			return err
		}
		next = base64.RawURLEncoding.EncodeToString(text)
	}
	return replyPage(w, entries, next, func(e archive.Entry) (adminapi.JournalEntry, error) {
		delete(e.Detail, "key")
		return adminapi.JournalEntry{Journal: e.Origin, Identity: e.Identity, Entry: adminapi.Entry{
			Seq: e.Seq, At: e.At, Action: e.Action, Actor: e.Actor, Subject: e.Subject, Address: e.Address,
			Outcome: e.Outcome, RequestID: e.RequestID, Detail: e.Detail, Hash: e.Hash.String(),
		}}, nil
	})
}
