package doctor

import (
	"context"
	"fmt"
	"time"

	"github.com/betonica/betonica/revoke/crl"
	"github.com/betonica/betonica/store"
)

// lists tells whether the revocation lists are in force, renewed in time, and numbered
// as the store says. Relying parties refuse everyone once they are not.
func lists(ctx context.Context, c *Case) []Finding {
	if c.Keys == nil {
		return c.without()
	}
	found := rootList(c)
	var more []Finding
	if c.Daemon != nil {
		more = signedLists(c)
	} else {
		more = keptLists(ctx, c)
	}
	return orOK(append(found, more...), "in force, and renewed in time")
}

// rootList judges the root's own, which only its key can renew.
func rootList(c *Case) []Finding {
	const fetch = "fetch the root's key, and run betonicad root sign-crl"
	if c.Keys.RootListErr != nil {
		return []Finding{fail(fetch, "the root's list: %v", c.Keys.RootListErr)}
	}
	if c.Keys.Root == nil {
		return []Finding{skip("the root's list cannot be judged without its certificate")}
	}
	list, err := crl.OpenHead(c.Keys.RootList, c.Keys.Root)
	if err != nil {
		return []Finding{fail(fetch, "the root's list: %v", err)}
	}
	life, left := list.NextUpdate().Sub(list.ThisUpdate()), list.NextUpdate().Sub(c.Now())
	switch {
	case left <= 0:
		return []Finding{fail(fetch, "the root's list ended at %s: whoever checks the whole chain refuses everyone", list.NextUpdate().UTC().Format(time.RFC3339))}
	case left < life/3:
		return []Finding{warn(fetch, "the root's list ends in %s", span(left))}
	}
	return nil
}

const seeLog = "see the daemon's log for why none is signed"

// signedLists asks the daemon for what it has signed.
func signedLists(c *Case) []Finding {
	d := c.Daemon
	heartbeat, _ := d.seconds("betonica_crl_heartbeat_seconds")
	lifetime, _ := d.seconds("betonica_crl_lifetime_seconds")
	var found []Finding
	for _, s := range d.samples("betonica_crl_next_update_timestamp_seconds") {
		issuer, kind := s.labels["issuer"], s.labels["kind"]
		if kind == "root" {
			continue
		}
		age, _ := d.seconds("betonica_crl_age_seconds", "issuer", issuer, "kind", kind)
		what := fmt.Sprintf("the %s list of %s", kind, short(issuer))
		switch left := time.Unix(int64(s.value), 0).Sub(c.Now()); {
		case left <= 0:
			found = append(found, fail(seeLog, "%s has ended", what))
		case kind == "delta" && age > 3*heartbeat+time.Second: // thisUpdate is a whole second
			found = append(found, fail(seeLog, "%s is %s old, and a new one is due every %s", what, span(age), heartbeat))
		case kind == "full" && age > lifetime*2/3:
			found = append(found, warn(seeLog, "%s is %s old, and a new one was due after %s", what, span(age), span(lifetime/3)))
		}
	}
	return found
}

// keptLists judges what the last daemon left in the store, of the intermediate that
// issues: one whose certificates have all ended needs no list.
func keptLists(ctx context.Context, c *Case) []Finding {
	i, why := inspect(ctx, c)
	if i == nil {
		return why
	}
	defer i.Close()
	kept, err := i.Lists(ctx)
	if err != nil {
		return []Finding{c.broken(err)}
	}
	reserved, err := i.CRLNumber(ctx)
	if err != nil {
		return []Finding{c.broken(err)}
	}
	var found []Finding
	issues := map[string]bool{}
	for _, one := range c.Keys.Intermediates {
		issues[one.ID] = one.Issues
	}
	for _, list := range kept {
		ends := list.Kind == "full" && issues[list.Issuer]
		what := fmt.Sprintf("the %s list of %s", list.Kind, short(list.Issuer))
		switch left := list.NextUpdate.Sub(c.Now()); {
		case list.Number > reserved:
			found = append(found, fail(store.TroubleSetBack.Remedy(), "%s: %s has number %d, and the store never reserved more than %d", string(store.TroubleSetBack), what, list.Number, reserved))
		case left <= 0 && ends:
			found = append(found, fail("start the daemon: relying parties refuse everyone", "%s ended at %s", what, list.NextUpdate.Format(time.RFC3339)))
		case left < list.NextUpdate.Sub(list.ThisUpdate)/3 && ends:
			found = append(found, warn("start the daemon: once it has ended, relying parties refuse everyone", "%s ends in %s", what, span(left)))
		}
	}
	return found
}
