package acme

import (
	"net/netip"
	"time"

	"github.com/betonica/betonica/enroll/limit"
	"github.com/betonica/betonica/store"
)

// Limits bound what one client can cost, by the hour. They are counted in the
// memory of one process, for 10,000 accounts, sources and identities each; where
// there are more, some are counted anew early. Of n replicas each counts what it is
// asked: a client that is spread over them gets up to n times as much. 0 means the
// default.
type Limits struct {
	AccountsPerSource  int // new accounts from one address (an IPv6 /64 is one); default 1,000
	OrdersPerAccount   int // an order counts for each of its identifiers; default 100,000
	OrdersPerIdentity  int // the same, by all accounts that are bound to it; default 100,000
	FailuresPerAccount int // validations that failed; default 1,000
}

// limits are the counters. What they return is nil or a [*problem].
type limits struct {
	accounts   *limit.Window[netip.Prefix]
	orders     *limit.Window[store.AccountID]
	identities *limit.Window[string]
	failures   *limit.Window[store.AccountID]
}

func newLimits(l Limits) *limits {
	return &limits{
		accounts:   limit.NewWindow[netip.Prefix](orDefault(l.AccountsPerSource, 1_000), time.Hour),
		orders:     limit.NewWindow[store.AccountID](orDefault(l.OrdersPerAccount, 100_000), time.Hour),
		identities: limit.NewWindow[string](orDefault(l.OrdersPerIdentity, 100_000), time.Hour),
		failures:   limit.NewWindow[store.AccountID](orDefault(l.FailuresPerAccount, 1_000), time.Hour),
	}
}

func orDefault(n, def int) int {
	if n <= 0 {
		return def
	}
	return n
}

// newAccount counts an account.
func (l *limits) newAccount(from netip.Addr, now time.Time) error {
	return refuse("too many new accounts from this address", l.accounts.Count(limit.Source(from), now))
}

// newOrder counts an order of so many identifiers. Accounts that are bound to nobody
// count for themselves only: they need not be who they order for.
func (l *limits) newOrder(account store.Account, identifiers int, now time.Time) error {
	if err := refuse("too many orders of this account", l.orders.Add(account.ID, identifiers, now)); err != nil || account.Identity == "" {
		return err
	}
	return refuse("too many orders for this identity", l.identities.Add(account.Identity, identifiers, now))
}

// mayFail refuses a validation to an account whose validations failed too often.
func (l *limits) mayFail(account store.AccountID, now time.Time) error {
	return refuse("too many failed validations", l.failures.Full(account, now))
}

// failed counts a failed validation.
func (l *limits) failed(account store.AccountID, now time.Time) { l.failures.Count(account, now) }

func refuse(what string, wait time.Duration) error {
	if wait <= 0 {
		return nil
	}
	return limited(what, wait)
}
