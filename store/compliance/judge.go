package compliance

import (
	"slices"
	"time"
)

// A question is a check that is put to the facts, with its limits in the profile.
type question struct {
	*Facts
	check  *Check
	within time.Duration
	most   int64
}

// A verdict is the answer.
type verdict struct {
	state State
	found string
	Count // examples
	by    string
	until time.Time
}

// judgements are the functions, by the number of the check; what people attest has none, or one that
// asks for their word where the facts show nothing.
func judgements() map[string]func(question) verdict {
	return map[string]func(question) verdict{
		"312a-01": observed, "312a-02": wide, "312a-03": unused, "312a-04": borrowed, "312a-05": crowded,
		"312a-06": orphaned, "312a-07": logoff, "312a-08": apart, "312a-09": backupSealed, "312a-10": rootAway, "312a-11": tried, "312a-12": reviewed, "312a-13": keysReplaced,
		"312b-01": signed, "312b-02": verified, "312b-03": evidenceApart, "312b-04": heard, "312b-05": gaps, "312b-06": forked, "312b-07": delivered, "312b-08": watched,
		"312c-01": digests, "312c-02": sampled, "312c-03": policyRecorded,
		"312d-01": named, "312d-02": revokedIn, "312d-03": keysAtHome, "312d-04": lifetimes, "312d-05": strong, "312d-06": suspects, "312d-07": proofs,
		"312e-01": listeners, "312e-02": plaintext, "312e-03": fips, "312e-04": lists, "312e-05": enforced,
		"308-01": owners, "308-02": twoPeople, "308-03": dormancy, "308-04": unattested, "308-05": refusals, "308-06": backedUp, "308-08": evaluated, "308-13": looked, "308-14": seen, "308-15": told,
		"316-01": logKept, "316-02": recordsKept, "316-03": archived, "316-04": versions,
	}
}

// Judge puts every check of a profile to the facts.
func Judge(t *Table, p Profile, f *Facts) *Run {
	r := &Run{
		Profile: p.Name, Title: p.Title, Note: p.Note, Proposed: p.Proposed, Version: t.Version, Digest: t.Digest,
		TrustDomain: f.TrustDomain, Program: f.System.Version, At: f.At, Since: f.Since, Entries: f.Log.Entries,
		Counts: map[State]int{}, Beyond: Beyond(),
	}
	judges := judgements()
	for i := range t.Checks {
		c := &t.Checks[i]
		if !c.In(p.Name) {
			continue
		}
		q := question{Facts: f, check: c, within: c.Within[p.Name].Duration, most: c.Most[p.Name]}
		judge := judges[c.ID]
		if judge == nil {
			judge = attested
		}
		r.Results = append(r.Results, result(c, judge(q)))
	}
	for _, one := range r.Results {
		r.Counts[one.State]++
	}
	if r.Changes = r.changes(f.Last); f.Last != nil {
		r.Last = &f.Last.At
	}
	r.Safeguards = sentences(f, r.Results)
	return r
}

func result(c *Check, v verdict) Result {
	r := Result{
		ID: c.ID, Safeguard: c.Safeguard, Cites: slices.Clone(c.Cites), Title: c.Title, State: v.state, Found: v.found,
		Rule: c.Rule, Query: c.Query, Rows: v.Rows, By: v.by, Expires: v.until,
	}
	switch {
	case v.state == NotTested && c.Untested != "":
		r.Do = c.Untested
	case v.state == Fail, v.state == NotTested:
		r.Do = c.Do
	}
	if more := v.N - int64(len(v.Rows)); more > 0 && len(v.Rows) > 0 {
		r.More = more
	}
	return r
}

// attested is the judgement of what only people know.
func attested(q question) verdict {
	a, ok := q.Attested[q.check.ID]
	switch {
	case !ok:
		return untested("Nobody has put a word on record about it.")
	case !a.Expires.After(q.At):
		return untested("The word of %s of %s held until %s.", a.By, date(a.At), date(a.Expires))
	case q.At.Sub(a.At) > q.within:
		return untested("The word of %s is of %s, longer ago than %s.", a.By, date(a.At), length(q.within))
	}
	return verdict{
		state: Attested, found: text("%s said on %s: “%s”", a.By, date(a.At), a.Word), by: a.By, until: a.Expires,
		Count: Count{1, []Row{{text("entry %s", number(a.Entry)), a.Word}}},
	}
}
