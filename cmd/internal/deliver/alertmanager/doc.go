// Package alertmanager tells Prometheus' Alertmanager of alerts, by its API v2. Entries
// about alerts are told as they come, and each alert that is open is told again every
// minute, as Alertmanager wants it: it takes what it does not hear of for resolved after a
// while (resolve_timeout, 5 minutes).
//
// # Times
//
// The two clocks need not agree. An open alert is told without endsAt, so that Alertmanager
// counts from its own clock until it is over; an end of ours that lies behind its clock would
// end the alert at once. startsAt is left out for the first hour, since a start that lies
// ahead of its clock by more than those 5 minutes would be refused; Alertmanager then takes
// when it first heard. The annotation "opened" has our time in any case. An alert that is
// resolved has both; if our clock is ahead, it fires for as much longer.
//
// # What is open
//
// An entry that says that an alert opened may be old, when Alertmanager was away: what it
// says is told only if the alert is still open. What is resolved is told as resolved either
// way; of what Alertmanager never heard of it tells nobody.
//
// # Labels
//
// Labels make the alert what it is for Alertmanager, so that there are only those that do
// not change: alertname (the rule), alert (our number), severity, site, subject, and ca (the
// log's name). An alert whose severity rises becomes another one, and the first ends after
// resolve_timeout. Everything else is in the annotations: title, facts, entries, what to do.
package alertmanager
