package admin

import (
	"net/http"
	"sync"
	"time"

	"github.com/betonica/betonica/enroll"
	"github.com/betonica/betonica/store"
	"github.com/betonica/betonica/store/audit"
)

// inventoryAction is the action by which it is on record who reads of machines, tokens,
// policy or status, which tools do all day.
const inventoryAction = "admin.read"

// A once tells what has been put on record within the hour. What a full one is asked for
// is on record again.
type once struct {
	mu   sync.Mutex
	last map[asked]time.Time
}

// asked is who asks for what: a list is the same one whatever is looked for in it.
type asked struct{ name, path string }

const (
	onceEvery = time.Hour
	onceMost  = 4096
)

// due reports whether q is to be put on record, and takes it for recorded if so.
func (o *once) due(q asked, now time.Time) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if last, ok := o.last[q]; ok && now.Sub(last) < onceEvery && !now.Before(last) {
		return false
	}
	if o.last == nil || len(o.last) >= onceMost {
		o.last = make(map[asked]time.Time)
	}
	o.last[q] = now
	return true
}

// forget has q be due again.
func (o *once) forget(q asked) {
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.last, q)
}

// reads puts on record that somebody reads. What the log, or guards' journals, have is on
// record at each call, and who cannot be put on record is told nothing of it, but root on
// the host, who has the files. What is read of the inventory is on record once an hour for
// each caller and each thing read, by each replica; whoever reads it while nothing can be
// recorded, to find out why, is told of in the daemon's own log. But a lent power is only
// used on record.
func (a *Admin) reads(r *http.Request, by enroll.Actor, action string) error {
	const most = 512
	what := asked{by.Name, r.URL.Path}
	optional := by.Root
	if action == inventoryAction && len(by.Powers) == 0 {
		if !a.once.due(what, time.Now()) {
			return nil
		}
		optional = true
	}
	q := r.URL.Query()
	q.Del("page_token")
	text := q.Encode()
	e := audit.Event{
		Action: action, Actor: by.Name, Subject: by.Name, Outcome: "ok", RequestID: enroll.RequestID(r.Context()),
		Detail: map[string]any{"request": r.Method + " " + r.URL.Path, "query": text[:min(len(text), most)]},
	}
	if by.Address.IsValid() {
		e.Address = by.Address.String()
	}
	err := a.Store.Update(r.Context(), func(tx *store.Tx) audit.Event {
		for _, id := range by.Powers {
			tx.UsePower(id, by.Name)
		}
		return e
	})
	if err != nil {
		a.once.forget(what)
	}
	if err != nil && optional {
		a.Log.ErrorContext(r.Context(), "what is read is not on record", "actor", by.Name, "action", action, "error", err, "request", e.RequestID)
		return nil
	}
	return err
}
