package alert

import (
	"cmp"
	"maps"
	"slices"
	"time"
)

// maxOpen bounds the alerts that are not resolved. Beyond it, what is new is gathered into
// one alert of its rule.
const maxOpen = 1000

// A book holds the alerts that are not resolved.
type book struct {
	byKey    map[string]*Alert
	subjects map[string]int // how many are about one
}

func newBook() book { return book{map[string]*Alert{}, map[string]int{}} }

func keyOf(rule, key string) string { return rule + "\x00" + key }

// group is the key of what is gathered.
func group(r *rule, site string) string {
	switch {
	case r.Everywhere:
		return "everywhere"
	case site == "":
		return "without a site"
	}
	return "site " + site
}

// find returns the alert that a finding counts up; nil: it is a new one.
func (b *book) find(r *rule, f *finding) *Alert {
	if a := b.byKey[keyOf(r.ID, f.Key)]; a != nil {
		return a
	}
	if a := b.byKey[keyOf(r.ID, group(r, f.Site))]; a != nil {
		return a
	}
	return b.byKey[keyOf(r.ID, overflow)]
}

// overflow is the key of what there is no room for.
const overflow = "more than there is room for"

func (b *book) add(a *Alert) {
	b.byKey[keyOf(a.Rule, a.Key)] = a
	if a.Subject != "" {
		b.subjects[a.Subject]++
	}
}

func (b *book) remove(a *Alert) {
	delete(b.byKey, keyOf(a.Rule, a.Key))
	if a.Subject == "" {
		return
	}
	if b.subjects[a.Subject]--; b.subjects[a.Subject] <= 0 {
		delete(b.subjects, a.Subject)
	}
}

// all lists the alerts, the oldest first.
func (b *book) all() []*Alert {
	return slices.SortedFunc(maps.Values(b.byKey), func(x, y *Alert) int { return cmp.Compare(x.ID, y.ID) })
}

// members lists the alerts of a rule that a gathered one would take in.
func (b *book) members(r *rule, site string) (all []*Alert) {
	key := group(r, site)
	for _, a := range b.all() {
		if a.Rule == r.ID && a.Subject != "" && group(r, a.Site) == key {
			all = append(all, a)
		}
	}
	return all
}

// raise opens an alert, or counts one up.
func (e *Engine) raise(r *rule, f finding) {
	a := e.book.find(r, &f)
	if a == nil {
		a = e.open(r, f)
		e.change(Opening, a, f)
		return
	}
	a.Count++
	a.Touched = e.now
	if f.At.After(a.Last) {
		a.Last = f.At
	}
	a.Facts = f.Facts
	a.add(f.Entries)
	worse := f.Severity > a.Severity
	a.Severity = max(a.Severity, f.Severity)
	fresh := f.Propose != "" && !e.proposed(a.Rule, cmp.Or(f.About, f.Subject))
	if a.Subject == "" {
		a.name(f.Subject)
	}
	if worse || fresh || a.Count >= 2*a.Told {
		e.change(Counting, a, f)
	}
}

// open makes an alert of its own, or the one that gathers a site's.
func (e *Engine) open(r *rule, f finding) *Alert {
	e.lastID++
	a := &Alert{
		ID: e.lastID, Rule: r.ID, Key: f.Key, Severity: f.Severity, Site: f.Site, Subject: f.Subject,
		Opened: e.now, Last: f.At, Count: 1, Facts: f.Facts, State: Open, Touched: e.now, Crowd: f.Crowd,
	}
	switch members := e.book.members(r, f.Site); {
	case r.Gather > 0 && len(members) >= r.Gather:
		a.Key, a.Subject, a.Crowd = group(r, f.Site), "", 0
		if r.Everywhere {
			a.Site = ""
		}
		for _, m := range members {
			a.name(m.Subject)
			a.add(m.Entries[:min(len(m.Entries), 1)])
			a.Count += m.Count
			a.Severity = max(a.Severity, m.Severity)
			e.resolve(m, say("gathered in alert %d", a.ID))
		}
		a.name(f.Subject)
	case len(e.book.byKey) >= maxOpen:
		a.Key, a.Subject, a.Site, a.Crowd = overflow, "", "", 0
		a.name(f.Subject)
	}
	a.add(f.Entries)
	e.book.add(a)
	return a
}

// proposeEvery is how long a proposal stands before it is made again.
const proposeEvery = time.Hour

// change tells what became of an alert, with what the rule proposes, which it does once an
// hour for each subject.
func (e *Engine) change(what What, a *Alert, f finding) {
	a.Told = a.Count
	subject := cmp.Or(f.About, f.Subject)
	if e.proposed(a.Rule, subject) {
		f.Propose = ""
	}
	if f.Propose != "" {
		*e.proposals.put(e.hash("proposal", a.Rule, subject)) = momentOf(e.now)
	}
	e.changes = append(e.changes, Change{What: what, Alert: a.copy(), Propose: f.Propose, Subject: subject})
}

// proposed reports whether a rule has proposed something about a subject within the hour.
func (e *Engine) proposed(rule, subject string) bool {
	p := e.proposals.peek(e.hash("proposal", rule, subject))
	return p != nil && momentOf(e.now).apart(*p) < proposeEvery
}

// resolve ends an alert.
func (e *Engine) resolve(a *Alert, why string) {
	a.State, a.Why = Resolved, why
	e.book.remove(a)
	e.change(Resolving, a, finding{Subject: a.Subject})
}

// settle resolves the alert of a rule and a key, if there is one, and drops what is held.
func (e *Engine) settle(r *rule, key, why string) {
	e.drop(r, key)
	if a := e.book.byKey[keyOf(r.ID, key)]; a != nil {
		e.resolve(a, why)
	}
}
