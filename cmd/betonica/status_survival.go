package main

import (
	"fmt"
	"slices"
	"time"

	"github.com/betonica/betonica/cmd/internal/adminapi"
)

// maxSurvivalGroups is how many roles, and how many sites, a table of the status names.
const maxSurvivalGroups = 20

// survivalSummary says in words how long machines go on without the CA.
func survivalSummary(s *adminapi.Survival, now time.Time) string {
	if s == nil {
		return "not counted yet"
	}
	if s.All.Devices == 0 {
		return "no machine holds a certificate"
	}
	whose := " by default"
	if s.MaxAgeSaid {
		whose = " as the strictest says that is connected"
	}
	by := map[string]string{
		adminapi.BoundCertificate: "by its certificate's end",
		adminapi.BoundList:        "by the revocation list's end",
		adminapi.BoundMaxAge:      "when the list is as old as relying parties take, " + span(time.Duration(s.MaxAge)*time.Second) + whose,
	}[s.Bound]
	return fmt.Sprintf("if the CA stops now, the first of %s falls %s, half of them %s: %s", many(int(s.All.Devices), "machine", "machines"),
		near(s.All.First, now), near(s.All.Half, now), by)
}

// near is relative, of a time that the daemon reckoned from its own now.
func near(t, now time.Time) string { return relative(t.Add(30*time.Second), now) }

// survivalCertificates says the same by certificates alone.
func survivalCertificates(s *adminapi.Survival, now time.Time) string {
	if s == nil || s.All.Devices == 0 {
		return ""
	}
	who := ""
	if s.All.FirstIdentity != "" {
		who = " (" + s.All.FirstIdentity + ")"
	}
	return fmt.Sprintf("the first%s ends %s, half of them %s; counted %s", who, relative(s.All.FirstCertificate, now), relative(s.All.HalfCertificate, now), relative(s.Counted, now))
}

// writeSurvival lists roles and sites below the status, if there is more than one: who
// falls first before the others.
func writeSurvival(env environment, s *adminapi.Survival) error {
	if s == nil {
		return nil
	}
	if err := writeSurvivalGroups(env, "ROLE", s.Roles); err != nil {
		return err
	}
	return writeSurvivalGroups(env, "SITE", s.Sites)
}

func writeSurvivalGroups(env environment, head string, groups []adminapi.SurvivalGroup) error {
	if len(groups) == 0 {
		return nil
	}
	now := env.now()
	shown := groups[:min(len(groups), maxSurvivalGroups)]
	fmt.Fprintln(env.stdout)
	err := writeTable(env.stdout, []column[adminapi.SurvivalGroup]{
		{head, func(g adminapi.SurvivalGroup) string { return g.Name }},
		{"MACHINES", func(g adminapi.SurvivalGroup) string { return fmt.Sprint(g.Devices) }},
		{"FIRST FALLS", func(g adminapi.SurvivalGroup) string { return near(g.First, now) }},
		{"HALF", func(g adminapi.SurvivalGroup) string { return near(g.Half, now) }},
		{"BY CERTIFICATE", func(g adminapi.SurvivalGroup) string { return relative(g.FirstCertificate, now) }},
		{"HALF", func(g adminapi.SurvivalGroup) string { return relative(g.HalfCertificate, now) }},
	}, func(yield func(adminapi.SurvivalGroup, error) bool) {
		for g := range slices.Values(shown) {
			if !yield(g, nil) {
				return
			}
		}
	})
	if more := len(groups) - len(shown); err == nil && more > 0 {
		_, err = fmt.Fprintf(env.stdout, "and %d more\n", more)
	}
	return err
}
