package main

import (
	"time"

	"github.com/spf13/cobra"

	"github.com/betonica/betonica/cmd/internal/adminapi"
	"github.com/betonica/betonica/enroll/api"
)

func powerCommand(env environment) *cobra.Command {
	return groupCommand("power", "Have a right for a time, or in an emergency",
		powerRequestCommand(env), powerBreakGlassCommand(env), powerListCommand(env), powerEndCommand(env), powerReviewCommand(env))
}

// powerArg reads the number of a power.
func powerArg(text string) (string, error) {
	id, ok := proposalOf(text)
	if !ok {
		return "", usagef("%q is %v; betonica power list has them", text, api.ErrProposal)
	}
	return id, nil
}

func writePower(env environment, form output, p adminapi.Power) error {
	return writeOne(env, form, p, powerFields(p, env.now()))
}

func powerFields(p adminapi.Power, now time.Time) []field {
	fields := []field{
		{"power", p.ID}, {"kind", p.Kind}, {"right", p.Right}, {"person", p.Person}, {"state", p.State}, {"reason", p.Reason}, {"agreed", p.By},
		{"began", stamp(p.Begun, now)}, {"ends", stamp(p.Ends, now)},
	}
	if p.Ended != nil {
		fields = append(fields, field{"ended", stamp(*p.Ended, now) + " by " + p.EndedBy})
	}
	switch {
	case p.Reviewed != nil:
		fields = append(fields, field{"reviewed", stamp(*p.Reviewed, now) + " by " + p.ReviewedBy}, field{"word", p.Word})
	case p.ReviewDue != nil:
		fields = append(fields, field{"review due", stamp(*p.ReviewDue, now)})
	}
	return fields
}
