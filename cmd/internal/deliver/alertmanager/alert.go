package alertmanager

import (
	"strconv"
	"strings"
	"time"

	"github.com/betonica/betonica/store/alert"
	"github.com/betonica/betonica/store/audit/plain"
)

// A posted is a postableAlert of the API.
type posted struct {
	Labels      map[string]string `json:"labels"`
	Annotations map[string]string `json:"annotations"`
	StartsAt    string            `json:"startsAt,omitempty"`
	EndsAt      string            `json:"endsAt,omitempty"`
}

// Bounds of texts, in bytes. A whole alert is below 16 KiB.
const (
	maxLabel = 384
	maxNote  = 2048
)

// settled is after how long an alert's start is told: no clock is wrong by as much.
const settled = time.Hour

// open is an alert that is, as it is told at now.
func (s *Sink) open(a *alert.Alert, now time.Time) posted {
	p := s.posted(a)
	if now.Sub(a.Opened) > settled {
		p.StartsAt = stamp(a.Opened)
	}
	return p
}

// resolved is an alert that was resolved then.
func (s *Sink) resolved(a *alert.Alert, at time.Time) posted {
	p := s.posted(a)
	if at.Before(a.Opened) { // the clock was set back
		at = a.Opened
	}
	p.StartsAt, p.EndsAt = stamp(a.Opened), stamp(at)
	return p
}

func (s *Sink) posted(a *alert.Alert) posted {
	p := posted{make(map[string]string), make(map[string]string), "", ""}
	put := func(to map[string]string, name, value string, max int) {
		if value != "" { // Alertmanager has no empty labels
			to[name] = plain.Clean(value, max)
		}
	}
	put(p.Labels, "alertname", a.Rule, maxLabel)
	put(p.Labels, "alert", strconv.FormatInt(a.ID, 10), maxLabel)
	put(p.Labels, "severity", a.Severity.String(), maxLabel)
	put(p.Labels, "site", a.Site, maxLabel)
	put(p.Labels, "subject", a.Subject, maxLabel)
	put(p.Labels, "ca", s.conf.Origin, maxLabel)

	rule, _ := alert.RuleOf(a.Rule)
	note := func(name, value string) { put(p.Annotations, name, value, maxNote) }
	note("title", rule.Title)
	note("fact_1", a.Facts[0])
	note("fact_2", a.Facts[1])
	note("do", rule.Do)
	note("entries", entries(a.Entries))
	note("subjects", strings.Join(a.Subjects, ", "))
	note("count", strconv.FormatInt(a.Count, 10))
	note("opened", stamp(a.Opened))
	note("acknowledged_by", a.By)
	note("word", a.Word)
	note("why", a.Why)
	return p
}

func entries(refs []alert.Ref) string {
	var all []string
	for _, r := range refs {
		all = append(all, r.String())
	}
	return strings.Join(all, ", ")
}

// stamp writes a time as RFC 3339 has it; one that that cannot hold is the epoch.
func stamp(t time.Time) string {
	if t = t.UTC(); t.Year() < 1 || t.Year() > 9999 {
		t = time.Unix(0, 0).UTC()
	}
	return t.Format("2006-01-02T15:04:05.000Z")
}
