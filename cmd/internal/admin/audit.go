package admin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/betonica/betonica/cmd/internal/adminapi"
	"github.com/betonica/betonica/enroll"
	"github.com/betonica/betonica/store"
	"github.com/betonica/betonica/store/audit"
)

// listAudit lists entries of the log, but for the one that says that this page of them was
// read: what is listed is what there was when the page was asked for. The next page that
// anybody asks for from the newest on begins with it.
func (a *Admin) listAudit(w http.ResponseWriter, r *http.Request, _ enroll.Actor) error {
	q, page, err := listParameters(r, "actor", "subject", "action", "since", "until")
	if err != nil {
		return err
	}
	filter := store.AuditFilter{
		Actor: q.Get("actor"), Subject: q.Get("subject"), Action: q.Get("action"),
		Except: enroll.RequestID(r.Context()), Encoded: true,
	}
	if filter.Since, err = moment(q, "since"); err != nil {
		return err
	}
	if filter.Until, err = moment(q, "until"); err != nil {
		return err
	}
	records, next, err := a.Store.AuditEntries(r.Context(), filter, page)
	if err != nil {
		return err
	}
	note := ""
	if next == "" {
		if note, err = a.archived(r.Context(), filter.Since); err != nil {
			return err
		}
	}
	return replyNoted(w, records, next, note, func(e audit.Entry) (entry, error) {
		return entry{Detail: e.Encoded, Entry: adminapi.Entry{
			Seq: e.Seq, At: e.At, Action: e.Action, Actor: e.Actor, Subject: e.Subject, Address: e.Address,
			Outcome: e.Outcome, RequestID: e.RequestID, Hash: e.Hash.String(),
		}}, nil
	})
}

// An entry is an adminapi.Entry whose details are passed on as they were sealed: to decode
// and encode them would be most of the work of a list.
type entry struct {
	adminapi.Entry
	Detail json.RawMessage `json:"detail,omitempty"`
}

// archived says where the entries are that a list since then does not show; empty if
// it shows all.
func (a *Admin) archived(ctx context.Context, since time.Time) (string, error) {
	if time.Since(since) < store.SixYears { // none is archived that is younger
		return "", nil
	}
	segments, err := a.Store.Segments(ctx)
	if err != nil || len(segments) == 0 {
		return "", err
	}
	return fmt.Sprintf("entries 1 to %d are archived on the CA's host, in %s; an export reads them, and betonicad audit verify",
		segments[len(segments)-1].Last, a.Store.Archive()), nil
}

// exportAudit writes a bundle of entries that can be verified anywhere. It may be
// long: an error in the middle cuts the connection, so that nobody takes a part
// for the whole.
func (a *Admin) exportAudit(w http.ResponseWriter, r *http.Request, _ enroll.Actor) error {
	q, err := parameters(r, "from", "to")
	if err != nil {
		return err
	}
	var options audit.ExportOptions
	if options.From, err = number(q, "from"); err != nil {
		return err
	}
	if options.To, err = number(q, "to"); err != nil {
		return err
	}
	if options.To != 0 && options.From > options.To {
		return malformed("from is after to")
	}
	signed, err := a.checkpoint(r.Context())
	if err != nil {
		return err
	}
	if signed.Size == 0 || max(options.From, options.To) > signed.Size {
		return &enroll.ConflictError{Detail: "the newest checkpoint covers " + strconv.FormatInt(signed.Size, 10) + " entries; try again in a minute"}
	}
	if options.To == 0 {
		options.To = signed.Size
	}
	options.Checkpoint = signed.Note
	if options.VerifierKey, err = a.Store.VerifierKey(); err != nil {
		return err
	}
	if options.Keyring, err = a.Store.Keyring(r.Context()); err != nil {
		return err
	}
	source, err := a.Store.AuditSource(r.Context())
	if err != nil {
		return err
	}
	defer source.Close()
	if err := source.Readable(options.From, options.To); err != nil {
		return &enroll.ConflictError{Detail: err.Error()}
	}
	out := &export{w: w, control: http.NewResponseController(w)}
	w.Header().Set("Content-Type", "application/x-ndjson")
	err = audit.Export(r.Context(), out, source, options)
	if err != nil && out.begun {
		a.Log.ErrorContext(r.Context(), "exporting the audit log", "error", err, "request", enroll.RequestID(r.Context()))
		panic(http.ErrAbortHandler)
	}
	return err
}

// checkpoint returns the newest signed checkpoint, of size 0 if there is none.
func (a *Admin) checkpoint(ctx context.Context) (audit.SignedCheckpoint, error) {
	signed, err := a.Store.LatestCheckpoint(ctx)
	if errors.Is(err, store.ErrNotFound) {
		return audit.SignedCheckpoint{}, nil
	}
	return signed, err
}

// An export is an answer that may take as long as it likes, but not as long as
// its reader likes.
type export struct {
	w       http.ResponseWriter
	control *http.ResponseController
	begun   bool
}

// exportStall is how long a reader may take for one write.
const exportStall = 30 * time.Second

func (e *export) Write(b []byte) (int, error) {
	e.begun = true
	if err := e.control.SetWriteDeadline(time.Now().Add(exportStall)); err != nil {
		return 0, err
	}
	return e.w.Write(b)
}

// moment reads a parameter that is a time; absent means the zero time.
func moment(q url.Values, name string) (time.Time, error) {
	text := q.Get(name)
	if text == "" {
		return time.Time{}, nil
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return time.Time{}, malformed("%s is a time such as 2027-01-31T09:30:00Z", name)
	}
	return t, nil
}

// number reads a parameter that is a positive number; absent means 0.
func number(q url.Values, name string) (int64, error) {
	text := q.Get(name)
	if text == "" {
		return 0, nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 1 {
		return 0, malformed("%s is the number of an entry", name)
	}
	return n, nil
}
