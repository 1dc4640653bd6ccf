package admin

import (
	"errors"
	"net/http"

	"github.com/betonica/betonica/ca"
	"github.com/betonica/betonica/cmd/internal/adminapi"
	"github.com/betonica/betonica/enroll"
	"github.com/betonica/betonica/revoke"
	"github.com/betonica/betonica/store"
)

// revokeMany ends many identities and certificates. An item that makes no sense
// refuses the whole request, before anything is done.
func (a *Admin) revokeMany(w http.ResponseWriter, r *http.Request, by enroll.Actor) error {
	var in adminapi.RevokeManyRequest
	if err := read(w, r, &in); err != nil {
		return err
	}
	items, err := itemsOf(in.Items)
	if err != nil {
		return err
	}
	results, err := a.Revoker.Batch(r.Context(), revoker(r, by), items, in.DryRun)
	if err != nil {
		return err
	}
	var out struct {
		Results []adminapi.RevocationResult `json:"results"`
	}
	for i, result := range results {
		if result.Err != nil && !expected(result.Err) {
			a.Log.ErrorContext(r.Context(), "revoking one of many", "identity", result.Identity, "serial", in.Items[i].Serial, "error", result.Err)
		}
		out.Results = append(out.Results, resultOf(result))
	}
	return reply(w, http.StatusOK, out)
}

func itemsOf(in []adminapi.RevocationItem) ([]revoke.Item, error) {
	if len(in) == 0 || len(in) > adminapi.MaxRevocations {
		return nil, malformed("name 1 to %d items", adminapi.MaxRevocations)
	}
	items := make([]revoke.Item, len(in))
	for i, item := range in {
		reason, err := revoke.ParseReason(item.Reason)
		if err != nil {
			return nil, malformed("item %d: %v", i, err)
		}
		items[i] = revoke.Item{Identity: item.Identity, Reason: reason}
		if (item.Identity == "") == (item.Serial == "") {
			return nil, malformed("item %d: name an identity or a serial, one of them", i)
		}
		if item.Serial != "" {
			if items[i].Serial, err = store.ParseSerial(item.Serial); err != nil {
				return nil, malformed("item %d: serial is 32 hexadecimal digits", i)
			}
		}
	}
	return items, nil
}

func resultOf(r revoke.Result) adminapi.RevocationResult {
	out := adminapi.RevocationResult{Status: adminapi.ItemRevoked, Identity: r.Identity, Certificates: len(r.Serials), Number: r.Number}
	switch {
	case errors.Is(r.Err, store.ErrNotFound):
		out.Status = adminapi.ItemUnknown
	case expected(r.Err):
		out.Status, out.Detail = adminapi.ItemFailed, r.Err.Error()
	case r.Err != nil: // it may tell of what is nobody's business
		out.Status, out.Detail = adminapi.ItemFailed, "internal error"
	case r.Already:
		out.Status = adminapi.ItemAlready
	}
	return out
}

// expected reports whether an error is one that callers may read.
func expected(err error) bool {
	_, denied := errors.AsType[*ca.DeniedError](err)
	return denied || errors.Is(err, store.ErrNotFound)
}
