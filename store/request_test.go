package store

import (
	"context"
	"crypto/rand"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/store/audit"
)

// newRequest is one that waits for a day, with a key of its own.
func newRequest(d *DB) Request {
	q := Request{
		CSR: []byte{4}, Nonce: []byte{5}, Code: "0000-0000", Role: "device", Network: "10.0.0.0/24", Address: "10.0.0.7",
		Expires: fromMillis(d.cfg.Now().Add(day).UnixMilli()),
	}
	rand.Read(q.ID[:])
	rand.Read(q.SPKI[:])
	return q
}

// request is one that waits on record.
func request(t testing.TB, d *DB) Request {
	t.Helper()
	q := newRequest(d)
	must(t, d, func(tx *Tx) { tx.InsertRequest(q, 10_000, 10_000, 10_000) })
	return q
}

// approved is one that is approved for that identity.
func approved(t testing.TB, d *DB, path string) Request {
	t.Helper()
	q := request(t, d)
	must(t, d, func(tx *Tx) { tx.ApproveRequest(q.ID, q.SPKI, path, true, "uid:0", time.Hour) })
	return q
}

func state(t testing.TB, d *DB, q Request) RequestState {
	t.Helper()
	now, err := d.Request(t.Context(), q.ID)
	require.NoError(t, err)
	return now.State
}

// What is written of a request is what is read, by its id, by its key and in the list.
func TestRequest(t *testing.T) {
	eachEngine(t, func(t *testing.T, d *DB) {
		now := time.UnixMilli(time.Now().UnixMilli()).UTC()
		d.cfg.Now = func() time.Time { return now }
		identity(t, d, "device/a")
		q := newRequest(d)
		q.Proofs, q.Identity = "token:1", "device/a"
		must(t, d, func(tx *Tx) { tx.InsertRequest(q, 1, 1, 1) })
		q.State, q.Created = RequestWaiting, now
		for _, read := range []func() (Request, error){
			func() (Request, error) { return d.Request(t.Context(), q.ID) },
			func() (Request, error) { return d.RequestByKey(t.Context(), q.SPKI) },
			func() (Request, error) {
				list, _, err := d.Requests(t.Context(), RequestFilter{Code: q.Code, Role: q.Role, Open: true}, Page{})
				require.Len(t, list, 1)
				return list[0], err
			},
		} {
			got, err := read()
			require.NoError(t, err)
			require.Equal(t, q, got)
		}
		must(t, d, func(tx *Tx) { tx.ApproveRequest(q.ID, q.SPKI, "device/a", true, "operator/anna", time.Hour) })
		q.State, q.Replace, q.DecidedBy, q.Decided = RequestApproved, true, "operator/anna", &now
		got, err := d.Request(t.Context(), q.ID)
		require.NoError(t, err)
		require.Equal(t, q, got)

		_, err = d.Request(t.Context(), RequestID{1})
		require.ErrorIs(t, err, ErrNotFound)
		_, err = d.RequestByKey(t.Context(), [32]byte{1})
		require.ErrorIs(t, err, ErrNotFound)
	})
}

// However many ask at once, from one network no more wait than may, and from one site and of
// one role neither; what was decided, or has lapsed, makes room.
func TestRequestBounds(t *testing.T) {
	eachEngine(t, func(t *testing.T, d *DB) {
		now := time.Now()
		d.cfg.Now = func() time.Time { return now }
		const perNetwork, perSite, perRole = 5, 8, 12
		flood := func(network, role string) (taken []Request) {
			all := make([]Request, 50)
			for i := range all {
				all[i] = newRequest(d)
				all[i].Network, all[i].Role = network, role
			}
			for i, err := range parallel(len(all), func(i int) error {
				return update(d, func(tx *Tx) { tx.InsertRequest(all[i], perNetwork, perSite, perRole) })
			}) {
				if err == nil {
					taken = append(taken, all[i])
					continue
				}
				require.ErrorIs(t, err, ErrQueueFull)
			}
			return taken
		}
		first := flood("10.0.0.0/24", "device")
		require.Len(t, first, perNetwork)
		require.Len(t, flood("10.0.1.0/24", "device"), perNetwork)
		require.Len(t, flood("10.0.2.0/24", "device"), perRole-2*perNetwork)
		require.Empty(t, flood("10.0.3.0/24", "device"))
		require.Len(t, flood("10.0.3.0/24", "gateway"), perNetwork, "the queue of one role is not that of another")
		require.Len(t, flood("2001:db8::/48 0000", "pump"), perNetwork)
		require.Len(t, flood("2001:db8::/48 ffff", "pump"), perSite-perNetwork)
		require.Len(t, flood("2001:db8:1::/48 0000", "pump"), perRole-perSite, "the queue of one site is not that of another")
		site, err := d.SiteQueue(t.Context(), "2001:db8::/48 0001")
		require.NoError(t, err)
		require.Equal(t, Queue{Waiting: perSite, First: first[0].Expires}, site)
		site, err = d.SiteQueue(t.Context(), "10.0.0.0/24")
		require.NoError(t, err)
		require.Equal(t, Queue{}, site)
		for of, want := range map[string]int{"10.0.0.0/24": perNetwork, "10.0.2.0/24": 2, "10.9.0.0/24": 0} {
			queue, err := d.NetworkQueue(t.Context(), of)
			require.NoError(t, err)
			require.Equal(t, want, queue.Waiting, of)
			if want > 0 {
				require.Equal(t, first[0].Expires, queue.First)
			}
		}
		queue, err := d.RoleQueue(t.Context(), "device")
		require.NoError(t, err)
		require.Equal(t, Queue{Waiting: perRole, First: first[0].Expires}, queue)

		must(t, d, func(tx *Tx) { tx.DenyRequest(first[0].ID, first[0].SPKI, "uid:0") })
		require.Len(t, flood("10.0.0.0/24", "device"), 1)
		now = now.Add(day)
		queue, err = d.RoleQueue(t.Context(), "device")
		require.NoError(t, err)
		require.Equal(t, Queue{}, queue, "what has lapsed does not wait")
		require.Len(t, flood("10.0.0.0/24", "device"), perNetwork)
	})
}

// A key has one request, with one nonce, however often it asks; when that has lapsed it
// has another one, in its place.
func TestRequestOfKey(t *testing.T) {
	eachEngine(t, func(t *testing.T, d *DB) {
		now := time.UnixMilli(time.Now().UnixMilli()).UTC()
		d.cfg.Now = func() time.Time { return now }
		all := make([]Request, 50)
		key := newRequest(d).SPKI
		for i := range all {
			all[i] = newRequest(d)
			all[i].SPKI, all[i].Nonce = key, []byte{byte(i)}
		}
		insert := func() (taken int) {
			taken = -1
			for i, err := range parallel(len(all), func(i int) error {
				return update(d, func(tx *Tx) { tx.InsertRequest(all[i], 1000, 1000, 1000) })
			}) {
				if err == nil {
					require.Negative(t, taken)
					taken = i
				}
			}
			require.GreaterOrEqual(t, taken, 0)
			return taken
		}
		first := all[insert()]
		got, err := d.RequestByKey(t.Context(), key)
		require.NoError(t, err)
		require.Equal(t, first.Nonce, got.Nonce)
		must(t, d, func(tx *Tx) { tx.DenyRequest(first.ID, key, "uid:0") })
		require.ErrorIs(t, update(d, func(tx *Tx) { tx.InsertRequest(all[0], 1000, 1000, 1000) }), ErrQueueFull, "what was denied stays denied")

		now = first.Expires
		for i := range all {
			rand.Read(all[i].ID[:])
			all[i].Expires = now.Add(day)
		}
		second := all[insert()]
		got, err = d.RequestByKey(t.Context(), key)
		require.NoError(t, err)
		second.State, second.Created = RequestWaiting, now
		require.Equal(t, second, got, "nothing is left of what was decided before")
		_, err = d.Request(t.Context(), first.ID)
		require.ErrorIs(t, err, ErrNotFound)
	})
}

// Of any number who approve and deny at once one decides; denying wins until the request
// is used, and then nothing does; it is used once.
func TestDecideRequest(t *testing.T) {
	eachEngine(t, func(t *testing.T, d *DB) {
		identity(t, d, "device/a")
		q := request(t, d)
		approve := func(tx *Tx) { tx.ApproveRequest(q.ID, q.SPKI, "device/a", true, "uid:0", time.Hour) }
		deny := func(tx *Tx) { tx.DenyRequest(q.ID, q.SPKI, "uid:0") }
		use := func(tx *Tx) { tx.UseRequest(q.ID, q.SPKI, "device/a") }
		once := func(demands func(*Tx), unmet error) {
			n := 0
			for _, err := range parallel(50, func(int) error { return update(d, demands) }) {
				if err == nil {
					n++
					continue
				}
				require.ErrorIs(t, err, unmet)
			}
			require.Equal(t, 1, n)
		}
		require.ErrorIs(t, update(d, use), ErrSpent, "used before it was approved")
		once(approve, ErrStale)
		require.Equal(t, RequestApproved, state(t, d, q))
		once(deny, ErrStale)
		require.Equal(t, RequestDenied, state(t, d, q))
		require.ErrorIs(t, update(d, approve), ErrStale, "approved after it was denied")
		require.ErrorIs(t, update(d, use), ErrSpent, "used after it was denied")

		q = request(t, d)
		must(t, d, approve)
		once(use, ErrSpent)
		require.ErrorIs(t, update(d, deny), ErrStale, "denied after it was used")
		require.Equal(t, RequestUsed, state(t, d, q))
		verify(t, d)
	})
}

// A decision is about one key, and a use about that key and one identity.
func TestRequestBindsKey(t *testing.T) {
	eachEngine(t, func(t *testing.T, d *DB) {
		identity(t, d, "device/a")
		q := request(t, d)
		other := q.SPKI
		other[31] ^= 1
		for name, demands := range map[string]func(*Tx){
			"approve another key": func(tx *Tx) { tx.ApproveRequest(q.ID, other, "device/a", true, "uid:0", time.Hour) },
			"deny another key":    func(tx *Tx) { tx.DenyRequest(q.ID, other, "uid:0") },
			"approve another id":  func(tx *Tx) { tx.ApproveRequest(RequestID{1}, q.SPKI, "device/a", true, "uid:0", time.Hour) },
		} {
			require.ErrorIs(t, update(d, demands), ErrStale, name)
		}
		q = approved(t, d, "device/a")
		for name, demands := range map[string]func(*Tx){
			"use another key":      func(tx *Tx) { tx.UseRequest(q.ID, other, "device/a") },
			"use another identity": func(tx *Tx) { tx.UseRequest(q.ID, q.SPKI, "device/b") },
		} {
			require.ErrorIs(t, update(d, demands), ErrSpent, name)
		}
		must(t, d, func(tx *Tx) { tx.UseRequest(q.ID, q.SPKI, "device/a") })
	})
}

// A request is good up to the millisecond before its end, and not at it; approving gives
// the machine the time to come for it.
func TestRequestInTime(t *testing.T) {
	eachEngine(t, func(t *testing.T, d *DB) {
		now := time.UnixMilli(time.Now().UnixMilli()).UTC()
		d.cfg.Now = func() time.Time { return now }
		identity(t, d, "device/a")
		late, soon, used := request(t, d), request(t, d), approved(t, d, "device/a")
		approve := func(q Request) error {
			return update(d, func(tx *Tx) { tx.ApproveRequest(q.ID, q.SPKI, "device/a", true, "uid:0", time.Hour) })
		}
		now = late.Expires.Add(-time.Millisecond)
		require.NoError(t, approve(soon))
		got, err := d.Request(t.Context(), soon.ID)
		require.NoError(t, err)
		require.Equal(t, now.Add(time.Hour), got.Expires)
		require.False(t, late.Lapsed(now))

		now = late.Expires
		require.True(t, late.Lapsed(now))
		require.ErrorIs(t, approve(late), ErrStale, "approved while it lapsed")
		require.ErrorIs(t, update(d, func(tx *Tx) { tx.DenyRequest(late.ID, late.SPKI, "uid:0") }), ErrStale)
		require.ErrorIs(t, update(d, func(tx *Tx) { tx.UseRequest(used.ID, used.SPKI, "device/a") }), ErrSpent)
		must(t, d, func(tx *Tx) { tx.UseRequest(soon.ID, soon.SPKI, "device/a") })
	})
}

// Nobody is approved as an identity that is not there to be enrolled.
func TestApproveAs(t *testing.T) {
	eachEngine(t, func(t *testing.T, d *DB) {
		for _, s := range []State{Pending, Active, Suspended, Revoked, Retired} {
			path := "device/" + string(s)
			must(t, d, func(tx *Tx) { tx.CreateIdentity(Identity{Path: path, Role: "device", Name: string(s), State: s}) })
		}
		for path, want := range map[string][2]error{
			"device/pending": {nil, nil}, "device/active": {ErrStale, nil}, "device/suspended": {ErrStale, ErrStale},
			"device/revoked": {ErrStale, ErrStale}, "device/retired": {ErrStale, ErrStale}, "device/nobody": {ErrStale, ErrStale},
		} {
			for i, replace := range []bool{false, true} {
				q := request(t, d)
				err := update(d, func(tx *Tx) { tx.ApproveRequest(q.ID, q.SPKI, path, replace, "uid:0", time.Hour) })
				require.ErrorIs(t, err, want[i], "%s, replace %t", path, replace)
			}
		}
		q := newRequest(d)
		q.Identity = "device/new" // as a token for a pattern has it, which makes the identity itself
		must(t, d, func(tx *Tx) { tx.InsertRequest(q, 1000, 1000, 1000) })
		require.ErrorIs(t, update(d, func(tx *Tx) { tx.ApproveRequest(q.ID, q.SPKI, "device/other", false, "uid:0", time.Hour) }), ErrStale)
		must(t, d, func(tx *Tx) { tx.ApproveRequest(q.ID, q.SPKI, "device/new", false, "uid:0", time.Hour) })
	})
}

// What is revoked is not let in by an approval of before.
func TestRevokeIdentityDenies(t *testing.T) {
	eachEngine(t, func(t *testing.T, d *DB) {
		identity(t, d, "device/a")
		identity(t, d, "device/b")
		a, b, waiting := approved(t, d, "device/a"), approved(t, d, "device/b"), request(t, d)
		var fall Fall
		require.NoError(t, d.UpdateAlone(t.Context(), func(ctx context.Context, tx *AloneTx) (e audit.Event, err error) {
			fall, err = tx.RevokeIdentity(ctx, "device/a", 1)
			return event(), err
		}))
		require.Equal(t, []RequestID{a.ID}, fall.Requests)
		require.Equal(t, RequestDenied, state(t, d, a))
		require.Equal(t, RequestApproved, state(t, d, b))
		require.Equal(t, RequestWaiting, state(t, d, waiting))
	})
}

// The list is whole and in order, however its parts are cut; filters leave out what they
// say and nothing else.
func TestRequests(t *testing.T) {
	eachEngine(t, func(t *testing.T, d *DB) {
		now := time.UnixMilli(time.Now().UnixMilli()).UTC()
		d.cfg.Now = func() time.Time { return now }
		var want []RequestID
		for i := range 25 {
			q := newRequest(d)
			q.Code = fmt.Sprintf("0000-000%d", i%5)
			q.Role = []string{"device", "gateway"}[i%2]
			must(t, d, func(tx *Tx) { tx.InsertRequest(q, 1000, 1000, 1000) })
			if i == 24 {
				must(t, d, func(tx *Tx) { tx.DenyRequest(q.ID, q.SPKI, "uid:0") })
			}
			want = append([]RequestID{q.ID}, want...)
			now = now.Add(time.Millisecond)
		}
		all := func(f RequestFilter) (ids []RequestID) {
			for after := ""; ; {
				list, next, err := d.Requests(t.Context(), f, Page{After: after, Limit: 4})
				require.NoError(t, err)
				for _, q := range list {
					ids = append(ids, q.ID)
				}
				if after = next; next == "" {
					return ids
				}
			}
		}
		require.Equal(t, want, all(RequestFilter{}))
		require.Equal(t, want[1:], all(RequestFilter{Open: true}))
		require.Len(t, all(RequestFilter{Role: "gateway"}), 12)
		require.Equal(t, []RequestID{want[0], want[5], want[10], want[15], want[20]}, all(RequestFilter{Code: "0000-0004"}))
		now = now.Add(day)
		require.Empty(t, all(RequestFilter{Open: true}))
		_, _, err := d.Requests(t.Context(), RequestFilter{}, Page{After: "x"})
		require.ErrorIs(t, err, ErrBadCursor)
	})
}

// Requests go a day after they lapsed, in batches, whatever became of them; others stay.
func TestPruneRequests(t *testing.T) {
	eachEngine(t, func(t *testing.T, d *DB) {
		now := time.UnixMilli(time.Now().UnixMilli()).UTC()
		d.cfg.Now = func() time.Time { return now }
		identity(t, d, "device/a")
		used := approved(t, d, "device/a")
		must(t, d, func(tx *Tx) {
			tx.UseRequest(used.ID, used.SPKI, "device/a")
			for range pruneBatch + 10 {
				tx.InsertRequest(newRequest(d), 10_000, 10_000, 10_000)
			}
		})
		now = now.Add(time.Millisecond)
		last := request(t, d)
		require.NoError(t, d.PruneRequests(t.Context(), last.Expires.Add(keepLapsed-time.Millisecond)))
		_, err := d.Request(t.Context(), used.ID)
		require.NoError(t, err)
		require.NoError(t, d.PruneRequests(t.Context(), last.Expires.Add(keepLapsed)))
		list, _, err := d.Requests(t.Context(), RequestFilter{}, Page{})
		require.NoError(t, err)
		require.Len(t, list, 1)
		require.Equal(t, last.ID, list[0].ID)
	})
}
