package doctor

import (
	"context"
	"time"

	"github.com/betonica/betonica/cmd/internal/server"
)

// backup tells how old the last backup is.
func backup(_ context.Context, c *Case) []Finding {
	if c.Config == nil {
		return c.without()
	}
	const do = "run betonicad backup, and have a timer run it once a day"
	last, err := server.ReadBackup(c.Dir)
	switch age := c.Now().Sub(last.At); {
	case err != nil:
		return []Finding{fail(do, "%v", err)}
	case last.At.IsZero():
		return []Finding{warn(do, "there never was one")}
	case age > c.Config.Backup.MaxAge.Duration:
		return []Finding{warn(do, "the last one is %s old: %s", span(age), last.File)}
	case len(last.Recipients) == 0:
		return []Finding{warn("give betonicad backup a --recipient", "the last one is not encrypted: %s", last.File)}
	default:
		return []Finding{ok("%s, %s ago, of %d entries", last.File, span(age.Abs().Round(time.Second)), last.Entries)}
	}
}
