package revoke

import (
	"net/http"
	"time"
)

// ServeFull answers with the full list.
func (p *Publisher) ServeFull(w http.ResponseWriter, r *http.Request) {
	p.full.Load().serve(w, r, fullAge, time.Now())
}

// ServeDelta answers with the delta. It may be kept for one heartbeat.
func (p *Publisher) ServeDelta(w http.ResponseWriter, r *http.Request) {
	p.delta.Load().serve(w, r, p.Heartbeat, time.Now())
}
