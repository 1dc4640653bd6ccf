package main

import (
	"fmt"
	"slices"
	"strconv"

	"github.com/betonica/betonica/cmd/internal/adminapi"
)

// maxParties is how many relying parties a table of the status names.
const maxParties = 20

// partiesSummary says in words how many relying parties there are.
func partiesSummary(p adminapi.RelyingParties) string {
	if p.Known == 0 {
		return "none reports what it enforces"
	}
	text := fmt.Sprintf("%d known, %d connected", p.Known, p.Connected)
	if p.Lagging > 0 {
		text += fmt.Sprintf(", %d lagging", p.Lagging)
	}
	return text
}

// refusedSummary says how many reports were false, if any was.
func refusedSummary(p adminapi.RelyingParties) string {
	if p.Refused == 0 {
		return ""
	}
	return fmt.Sprintf("%d, of numbers that no list has: see betonica audit list --action enforcement.refuse", p.Refused)
}

// writeParties lists relying parties below the status: those that lag first.
func writeParties(env environment, p adminapi.RelyingParties) error {
	if len(p.Parties) == 0 {
		return nil
	}
	now := env.now()
	shown := p.Parties[:min(len(p.Parties), maxParties)]
	fmt.Fprintln(env.stdout)
	err := writeTable(env.stdout, []column[adminapi.RelyingParty]{
		{"RELYING PARTY", func(r adminapi.RelyingParty) string { return r.Identity }},
		{"ENFORCES", func(r adminapi.RelyingParty) string { return strconv.FormatInt(r.Number, 10) }},
		{"BEHIND", func(r adminapi.RelyingParty) string { return strconv.FormatInt(r.Lag, 10) }},
		{"STATE", partyState},
		{"REPORTED", func(r adminapi.RelyingParty) string { return relative(r.LastSeen, now) }},
		{"ADDRESS", func(r adminapi.RelyingParty) string { return r.Address }},
	}, func(yield func(adminapi.RelyingParty, error) bool) {
		for r := range slices.Values(shown) {
			if !yield(r, nil) {
				return
			}
		}
	})
	if more := p.Known - len(shown); err == nil && more > 0 {
		_, err = fmt.Fprintf(env.stdout, "and %d more\n", more)
	}
	return err
}

func partyState(r adminapi.RelyingParty) string {
	switch {
	case r.Lagging:
		return "lagging"
	case !r.Connected:
		return "not connected"
	}
	return "ok"
}
