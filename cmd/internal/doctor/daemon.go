package doctor

import (
	"context"
	"fmt"
	"strings"

	"github.com/betonica/betonica/store"
)

// daemon tells whether one runs, and what keeps it from its work.
func daemon(_ context.Context, c *Case) []Finding {
	d := c.Daemon
	switch {
	case d == nil && c.Holder != 0:
		return []Finding{fail(fmt.Sprintf("see its log; if it does not come to itself, end it (kill %d) and start it again", c.Holder),
			"process %d holds the lock of the folder, and does not answer", c.Holder)}
	case d == nil && c.Config == nil:
		return []Finding{skip("where it would answer is not known without a configuration")}
	case d == nil:
		return []Finding{skip("none runs: nothing answers at %s", c.Config.Server.Socket)}
	}
	var found []Finding
	for _, line := range d.Troubles {
		found = append(found, troubled(line))
	}
	if v := d.version(); v != "" && v != c.Version {
		found = append(found, warn("restart the daemon, so that it is the version that is installed",
			"the daemon runs version %s, and this program is %s", v, c.Version))
	}
	return orOK(found, "version %s runs, and is ready", c.Version)
}

// troubled turns a line of /readyz, "name: what; what to do", into a finding. What it
// says is trusted only as far as it names a trouble.
func troubled(line string) Finding {
	name, _, _ := strings.Cut(line, ":")
	return trouble(store.Trouble(name), line)
}

// trouble is the finding that one of the named troubles is there; text is what is said
// of one that this version does not know.
func trouble(t store.Trouble, text string) Finding {
	if t.What() == "" {
		return fail(store.TroubleOther.Remedy(), "%s", text)
	}
	return fail(t.Remedy(), "%s: %s", string(t), t.What())
}
