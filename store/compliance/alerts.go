package compliance

import "time"

// watched judges whether alerts are evaluated at all.
func watched(q question) verdict {
	at := q.Alerts.Evaluated
	if at.IsZero() {
		return untested("No rule of alerts was ever put to the log.")
	}
	if age := q.At.Sub(at); age > q.within {
		return failed(one("the watch over the log", "stands at "+at.UTC().Format(time.RFC3339)), "What came in the last %s was not looked at.", length(age))
	}
	return pass("What was on record %s ago was looked at: %s since %s.", length(q.At.Sub(at)), counted(q.Alerts.Opened, "alert"), date(q.Since))
}

// seen judges whether somebody has said a word about each critical alert in time. One that
// was over before is told all the same, and fails nothing.
func seen(q question) verdict {
	a := q.Alerts
	if a.Evaluated.IsZero() {
		return untested("No rule of alerts was ever put to the log.")
	}
	var late Count
	for _, one := range a.Unseen {
		until, state := q.At, "open"
		if !one.Resolved.IsZero() {
			until, state = one.Resolved, "resolved by itself "+date(one.Resolved)
		}
		if until.Sub(one.Opened) > q.within {
			late.Add(text("alert %d, %s, of %s", one.ID, one.Rule, one.Subject), text("since %s, %s: %s", one.Opened.UTC().Format(time.RFC3339), state, one.Facts))
		}
	}
	switch {
	case late.N > 0:
		return failed(late, "Within %s nobody said a word about %s of severity critical.", length(q.within), counted(late.N, "alert"))
	case a.Lost:
		return untested("There are more alerts on record than are looked through.")
	case a.Critical == 0:
		return pass("%s since %s, none of severity critical.", counted(a.Opened, "alert"), date(q.Since))
	}
	return pass("%s since %s, %s of severity critical: none was left for %s without a word of somebody.", counted(a.Opened, "alert"), date(q.Since), number(a.Critical), length(q.within))
}

// told judges whether alerts reach anybody by themselves.
func told(q question) verdict {
	if v, none := unknownSystem(q); none {
		return v
	}
	var names Count
	for _, s := range q.System.Sinks {
		if s.Alerts {
			names.Add(s.Name, "takes alerts")
		}
	}
	if names.N == 0 {
		return failed(Count{}, "Alerts go nowhere: they wait until somebody asks for them.")
	}
	v := pass("Alerts go to %s.", counted(names.N, "sink"))
	v.Count = names
	return v
}
