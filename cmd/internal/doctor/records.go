package doctor

import (
	"context"
	"time"

	"github.com/betonica/betonica/store"
)

// late is how much longer than they must records stay: they leave once a month.
const late = 60 * 24 * time.Hour

// records tells whether what guards ship stays as long as it must, and no longer.
func records(_ context.Context, c *Case) []Finding {
	if c.Config == nil {
		return c.without()
	}
	keep := c.Config.StoreRetention().KeepsRecords()
	days := int(keep / (24 * time.Hour))
	var found []Finding
	if keep < store.SixYears {
		found = append(found, warn("see whether it may be so; otherwise take retention.records_below_six_years out of betonica.toml",
			"access records are removed %d days after they came, and 45 CFR 164.316(b)(2) has them kept for six years", days))
	}
	if d := c.Daemon; d != nil {
		oldest, _ := d.value("betonica_archive_oldest_timestamp_seconds")
		found = append(found, overdue(oldest, keep, c.Now())...)
	}
	return orOK(found, "what guards ship of their journals stays for %d days", days)
}

// overdue tells of records that should have left; oldest is when they came, 0 for none.
func overdue(oldest float64, keep time.Duration, now time.Time) []Finding {
	if oldest == 0 || float64(now.Unix())-oldest < (keep+late).Seconds() {
		return nil
	}
	return []Finding{warn("see the daemon's log for what keeps it from removing them; betonicad audit verify tells whether they are as they came",
		"the oldest records of guards came at %s, and should have left", time.Unix(int64(oldest), 0).UTC().Format(time.DateOnly))}
}
