package doctor

import (
	"context"
	"time"

	"github.com/betonica/betonica/store"
)

// lagFor is how long a daemon may take to apply what another revoked, and more: the
// lease is half a second.
const lagFor = time.Second

// replicas tells of the daemons on a PostgreSQL database.
func replicas(ctx context.Context, c *Case) []Finding {
	if c.Config == nil {
		return c.without()
	}
	if _, alone := c.Config.Database(); alone {
		return []Finding{ok("none: an SQLite store has one daemon")}
	}
	i, why := inspect(ctx, c)
	if i == nil {
		return why
	}
	defer i.Close()
	all, err := i.Replicas(ctx)
	if err != nil {
		return []Finding{c.broken(err)}
	}
	found, live := judgeReplicas(c.Version, all)
	if newest, behind := newestRevoked(all); behind {
		select { // once more: a revocation may be on its way
		case <-time.After(lagFor):
		case <-ctx.Done():
		}
		if all, err = i.Replicas(ctx); err != nil {
			return []Finding{c.broken(err)}
		}
		found = append(found, lagging(all, newest)...)
	}
	if d := c.Daemon; d != nil {
		if lapsed, _ := d.value("betonica_feed_lapsed"); lapsed == 1 {
			found = append(found, trouble(store.TroubleLapsed, ""))
		}
	}
	return orOK(found, "%d live, of version %s, and all up to date", live, c.Version)
}

// judgeReplicas tells who is gone, and who is of another version. A process without a
// name is a tool.
func judgeReplicas(version string, all []store.ReplicaStatus) (found []Finding, live int) {
	for _, r := range all {
		switch {
		case r.Name == "":
		case !r.Live:
			found = append(found, warn("see its log, and start it again; if it was taken out of service, this is over within the hour",
				"replica %s, which runs since %s, renews its lease no more", r.Name, r.Started.UTC().Format(time.RFC3339)))
		default:
			live++
			if r.Version != version {
				found = append(found, warn("finish the upgrade: have all of one version", "replica %s is of version %s, and this program of %s", r.Name, r.Version, version))
			}
		}
	}
	return found, live
}

// newestRevoked returns the greatest CRL number under which something was revoked, and
// whether one that lives has not applied it.
func newestRevoked(all []store.ReplicaStatus) (newest int64, behind bool) {
	for _, r := range all {
		newest = r.Newest
		behind = behind || r.Live && r.Seen < newest
	}
	return newest, behind
}

func lagging(all []store.ReplicaStatus, newest int64) (found []Finding) {
	for _, r := range all {
		if r.Live && r.Seen < newest {
			found = append(found, fail(store.TroubleLapsed.Remedy(), "replica %s has applied revocations up to %d, and there are some up to %d", r.Name, r.Seen, newest))
		}
	}
	return found
}
