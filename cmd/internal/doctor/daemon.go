package doctor

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/betonica/betonica/store"
)

// daemon tells whether one runs, and what keeps it from its work.
func daemon(_ context.Context, c *Case) []Finding {
	d := c.Daemon
	const elsewhere = "stop it, or set [server] ops and socket to what nothing else has"
	switch {
	case d == nil && c.Holder != 0 && c.Stranger != "":
		return []Finding{fail(elsewhere+"; then start this CA's again", "process %d holds the lock of the folder, and %s", c.Holder, c.Stranger)}
	case d == nil && c.Holder != 0:
		return []Finding{fail(fmt.Sprintf("see its log; if it does not come to itself, end it (kill %d) and start it again", c.Holder),
			"process %d holds the lock of the folder, and does not answer", c.Holder)}
	case c.Stranger != "":
		return []Finding{warn(elsewhere+": as it is this CA's cannot be started", "none runs here: %s", c.Stranger)}
	case d == nil && c.Config == nil:
		return []Finding{skip("where it would answer is not known without a configuration")}
	case d == nil:
		return []Finding{skip("none runs: nothing answers at %s", c.Config.Server.Socket)}
	}
	var found []Finding
	for _, line := range d.Troubles {
		found = append(found, c.troubled(line))
	}
	if v := d.version(); v != "" && v != c.Version {
		found = append(found, warn("restart the daemon, so that it is the version that is installed",
			"the daemon runs version %s, and this program is %s", v, c.Version))
	}
	return orOK(found, "version %s runs, and is ready", c.Version)
}

// troubledBy says whether the daemon tells of a trouble.
func (d *Daemon) troubledBy(t store.Trouble) bool {
	return slices.ContainsFunc(d.Troubles, func(line string) bool { return strings.HasPrefix(line, string(t)+":") })
}

// troubled turns a line of /readyz, "name: what; what to do", into a finding. What it
// says is trusted only as far as it names a trouble.
func (c *Case) troubled(line string) Finding {
	name, _, _ := strings.Cut(line, ":")
	f := trouble(store.Trouble(name), line)
	switch {
	case c.Config == nil:
	case store.Trouble(name) == store.TroubleReplaced:
		f.Do = c.whenReplaced()
	case store.Trouble(name) == store.TroubleCorrupt:
		f.Do = c.whenDamaged()
	}
	return f
}

// trouble is the finding that one of the named troubles is there; text is what is said
// of one that this version does not know.
func trouble(t store.Trouble, text string) Finding {
	if t.What() == "" {
		return fail(store.TroubleOther.Remedy(), "%s", text)
	}
	return fail(t.Remedy(), "%s: %s", string(t), t.What())
}
