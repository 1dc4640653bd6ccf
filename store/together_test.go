package store

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/store/audit"
)

// Whatever calls share a batch, what becomes of each, and what is on record afterwards, is
// the same as if they had been made one after another, in the order that the log has.
func TestTogetherIsOneByOne(t *testing.T) {
	t.Parallel()
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	s, calls := newStock(seed)
	batched, single := newTwin(t), newTwin(t)
	single.steps = true
	batched.alone(t, copied(calls)...)
	single.alone(t, copied(calls)...)
	met, unmet := 0, 0
	batched.atOnce = 0
	for round := range 150 {
		calls := make([]*call, 1+s.IntN(14))
		for i := range calls {
			calls[i] = s.call()
		}
		joint, _ := together(copied(calls))
		again := batched.apply(t, calls)
		good := without(calls, again)
		batched.alone(t, again...)
		order := slices.Concat(good, again)
		same := copied(order)
		single.alone(t, same...)
		for i, c := range order {
			require.Equal(t, same[i].err, c.err, "round %d, call %d of %d", round, i, len(order))
		}
		if len(again) > 0 {
			unmet++
		} else if joint != nil {
			met++
		}
		if round%10 == 9 {
			require.Equal(t, single.content(t), batched.content(t), "round %d", round)
		}
	}
	t.Logf("%d batches met together, %d not; %d at once", met, unmet, batched.atOnce)
	require.Greater(t, batched.atOnce, 10)
	require.Greater(t, met, 10)
	require.Greater(t, unmet, 10)
}

// A batch of what daemons mostly do is a handful of statements, each of which meets what
// it is for.
func TestTogetherMeets(t *testing.T) {
	t.Parallel()
	w, single := newTwin(t), newTwin(t)
	s, stocked := newStock(1)
	w.alone(t, copied(stocked)...)
	single.alone(t, copied(stocked)...)
	const each = 5
	var calls []*call
	for i := range 4 * each {
		path, id := fmt.Sprintf("device/of-%d", i), TokenID{0xaa, byte(i)}
		ready := collected(s.now, func(tx *Tx) {
			tx.InsertToken(Token{ID: id, Role: "device", Name: "*", MaxUses: 1, Expires: s.now.Add(time.Hour)})
			if i >= each {
				tx.CreateIdentity(Identity{Path: path, Role: "device", Name: path[7:], State: []State{Pending, Active, Active}[i/each-1]})
			}
		})
		w.alone(t, copied([]*call{ready})...)
		single.alone(t, copied([]*call{ready})...)
		c := Certificate{
			Serial: s.serial(), Issuer: issuer, Identity: path, NotBefore: s.now, NotAfter: s.now.Add(time.Hour), Method: "token", Revision: 1,
			DER: []byte{byte(i)}, SPKI: [32]byte{byte(i), 7}, DNSNames: []string{path[7:]}, Rekey: i < 2*each,
		}
		calls = append(calls, collected(s.now, func(tx *Tx) {
			switch i / each {
			case 0: // a token for many
				c.Token = &s.tokens[2]
				tx.SpendToken(s.tokens[2])
				tx.NameTokenUser(s.tokens[2], path)
				tx.CreateIdentity(Identity{Path: path, Role: "device", Name: path[7:], Owner: "o", State: Active, IPs: []string{"10.0.0.1"}, Suspect: i == 2, Site: "s"})
			case 1: // a token for one
				c.Token = &id
				tx.SpendToken(id)
				tx.ActivateIdentity(path, 1)
			case 2: // a renewal
				parent := Serial{byte(i)}
				c.Parent, c.SharesNames, c.DNSNames = &parent, true, []string{"shared.example.test"}
				tx.RecordChild(parent, c.Serial, nil)
			case 3: // the first use of another
				relaxed := &RelaxedTx{Tx{now: s.now}}
				relaxed.Confirm(c.Serial)
				tx.demands = relaxed.tx.demands
				return
			}
			tx.InsertCertificate(c)
		}))
	}
	single.alone(t, copied(calls)...)

	joint, others := together(calls)
	require.Empty(t, others)
	used := map[string]bool{}
	for _, d := range joint {
		used[d.query] = true
	}
	require.Len(t, used, len(joint))
	for _, f := range forms {
		require.Equal(t, f.many != "", used[f.many], f.query)
	}
	failed, _, err := w.engine.pipeline(t.Context(), w.session, calls, joint, others, 0)
	require.NoError(t, err)
	require.Empty(t, failed)
	_, err = w.session.exec(t.Context(), `COMMIT`)
	require.NoError(t, err)
	require.Equal(t, single.content(t), w.content(t))
}

// The log has the calls of a batch in the order in which they were made.
func TestTogetherLog(t *testing.T) {
	a, _, other := takingTurns(t, time.Minute)
	for i := range 3 {
		identity(t, a, device(i))
	}
	other.takeTurn()
	outcomes := make(chan error, 4)
	begin := func(action string, demands func(*Tx)) {
		before := a.writer.queue.depth()
		go func() {
			outcomes <- a.Update(t.Context(), func(tx *Tx) audit.Event {
				demands(tx)
				return audit.Event{Action: action, Actor: "uid:0", Outcome: "ok"}
			})
		}()
		if action == "first" {
			other.waited()
			return
		}
		require.Eventually(t, func() bool { return a.writer.queue.depth() > before }, 30*time.Second, time.Millisecond)
	}
	begin("first", func(tx *Tx) { tx.InsertCertificate(certificate(device(0))) })
	begin("suspend", func(tx *Tx) { tx.SetState(device(1), []State{Active}, Suspended) })
	begin("issue", func(tx *Tx) { tx.InsertCertificate(certificate(device(1))) })
	begin("last", func(tx *Tx) { tx.InsertCertificate(certificate(device(2))) })
	other.exec(giveTurn, int64(turnLock))
	for range 4 {
		require.NoError(t, <-outcomes)
	}
	entries, _, err := a.AuditEntries(t.Context(), AuditFilter{}, Page{Limit: 4})
	require.NoError(t, err)
	var actions []string
	for _, e := range slices.Backward(entries) {
		actions = append(actions, e.Action)
	}
	require.Equal(t, []string{"first", "issue", "last", "suspend"}, actions)
	verify(t, a)
}

// Calls that meet in a row, or depend on the order in which they were made, get what they
// would get one after another.
func TestTogetherMeetings(t *testing.T) {
	t.Parallel()
	w := newTwin(t)
	now := time.Now()
	end := now.Add(time.Minute)
	w.alone(t, collected(now, func(tx *Tx) {
		tx.demand(1, nil, `INSERT INTO revocations (serial, identity, reason, revoked_at, not_after, number) VALUES ($1, 'x', 1, 1, 1, 0)`, make([]byte, 16))
	}))
	for n, tt := range []struct {
		name  string
		calls []func(tx *Tx, path string, id TokenID, c Certificate) // c is one for all
		want  []error
		again int // calls that are not among those that a batch was made of
	}{
		{"certificate before identity", []func(*Tx, string, TokenID, Certificate){func(tx *Tx, path string, _ TokenID, c Certificate) {
			c.Identity = path + "-new"
			tx.InsertCertificate(c)
			tx.CreateIdentity(Identity{Path: path + "-new", Role: "device", Name: path[7:] + "-new", State: Active})
		}}, []error{ErrStale}, 1},
		{"certificate before activation", []func(*Tx, string, TokenID, Certificate){
			func(tx *Tx, path string, _ TokenID, c Certificate) { tx.InsertCertificate(c) },
			func(tx *Tx, path string, _ TokenID, _ Certificate) { tx.ActivateIdentity(path, 1) },
		}, []error{nil, nil}, 1},
		{"activated twice", []func(*Tx, string, TokenID, Certificate){
			func(tx *Tx, path string, _ TokenID, c Certificate) {
				tx.ActivateIdentity(path, 1)
				tx.InsertCertificate(c)
			},
			func(tx *Tx, path string, _ TokenID, _ Certificate) { tx.ActivateIdentity(path, 1) },
		}, []error{nil, ErrStale}, 1},
		{"key kept, then new", []func(*Tx, string, TokenID, Certificate){
			func(tx *Tx, path string, _ TokenID, c Certificate) { tx.takeKey(c.SPKI, path, c.Serial, false) },
			func(tx *Tx, path string, _ TokenID, c Certificate) { tx.takeKey(c.SPKI, path, c.Serial, true) },
		}, []error{nil, ErrKeyTaken}, 1},
		{"one name for two", []func(*Tx, string, TokenID, Certificate){
			func(tx *Tx, path string, _ TokenID, _ Certificate) { tx.takeName(path, path) },
			func(tx *Tx, path string, _ TokenID, _ Certificate) { tx.takeName(path, "device/x") },
			func(tx *Tx, path string, _ TokenID, _ Certificate) { tx.takeName(path, path) },
		}, []error{nil, ErrNameTaken, nil}, 1},
		{"one parent for two", []func(*Tx, string, TokenID, Certificate){
			func(tx *Tx, _ string, _ TokenID, c Certificate) { tx.RecordChild(c.Serial, c.Serial, nil) },
			func(tx *Tx, _ string, _ TokenID, c Certificate) { tx.RecordChild(c.Serial, Serial{1}, nil) },
		}, []error{nil, ErrForked}, 1},
		{"more than there are uses", []func(*Tx, string, TokenID, Certificate){
			func(tx *Tx, _ string, id TokenID, _ Certificate) { tx.SpendToken(id) },
			func(tx *Tx, _ string, id TokenID, _ Certificate) { tx.SpendToken(id); tx.SpendToken(id) },
			func(tx *Tx, _ string, id TokenID, _ Certificate) { tx.SpendToken(id) },
		}, []error{nil, ErrSpent, nil}, 2},
		{"one too late", []func(*Tx, string, TokenID, Certificate){
			func(tx *Tx, _ string, id TokenID, _ Certificate) { tx.SpendToken(id) },
			func(tx *Tx, _ string, id TokenID, _ Certificate) { tx.now = end; tx.SpendToken(id) },
		}, []error{nil, ErrSpent}, 1},
		{"no such issuer", []func(*Tx, string, TokenID, Certificate){
			func(tx *Tx, path string, _ TokenID, c Certificate) {
				tx.ActivateIdentity(path, 1)
				c.Issuer = "nobody"
				tx.InsertCertificate(c)
			},
		}, []error{errAny}, 1},
		{"revoked parent", []func(*Tx, string, TokenID, Certificate){
			func(tx *Tx, path string, _ TokenID, c Certificate) {
				tx.ActivateIdentity(path, 1)
				c.Parent = &Serial{}
				tx.InsertCertificate(c)
			},
		}, []error{ErrStale}, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path, id := fmt.Sprintf("device/%d", n), TokenID{byte(n)}
			c := certificate(path)
			w.alone(t, collected(now, func(tx *Tx) {
				tx.CreateIdentity(Identity{Path: path, Role: "device", Name: path[7:], State: Pending})
				tx.InsertToken(Token{ID: id, Role: "device", Name: "*", MaxUses: 2, Expires: end})
			}))
			var calls []*call
			for _, f := range tt.calls {
				calls = append(calls, collected(now, func(tx *Tx) { f(tx, path, id, c) }))
			}
			order := slices.Clone(calls)
			for i := range fewest { // what has nothing to do with it, and demands the same
				holder := fmt.Sprint(path, "-", i)
				identity(t, w.DB, holder)
				other := certificate(holder)
				other.DNSNames = []string{fmt.Sprint(path, i)}
				calls = append(calls, collected(now, func(tx *Tx) { tx.InsertCertificate(other) }))
			}
			joint, _ := together(copied(calls))
			require.NotEmpty(t, joint)
			again := w.apply(t, calls)
			require.Len(t, again, tt.again)
			w.alone(t, again...)
			for i, want := range tt.want {
				if want == errAny {
					require.Error(t, order[i].err)
					continue
				}
				require.ErrorIs(t, order[i].err, want, "call %d", i)
			}
			for i := range fewest {
				_, err := w.NameHolder(t.Context(), fmt.Sprint(path, i))
				require.NoError(t, err)
			}
		})
	}
}

// Where a call fails, those that met it come before others than they did, and stand there in
// the log.
func TestTogetherAnew(t *testing.T) {
	t.Parallel()
	w := newTwin(t)
	now := time.Now()
	var issue []*call
	for i := range fewest + 1 {
		identity(t, w.DB, device(i))
		c := certificate(device(i))
		c.DNSNames = []string{device(i)}
		issue = append(issue, collected(now, func(tx *Tx) { tx.InsertCertificate(c) }))
	}
	fails := collected(now, func(tx *Tx) { tx.ActivateIdentity(device(0), 1) })
	frees := collected(now, func(tx *Tx) { tx.FreeNames(device(0)) })
	calls := append([]*call{fails, frees}, issue...)
	require.Equal(t, []*call{fails}, w.apply(t, calls))
	_, err := w.NameHolder(t.Context(), device(0))
	require.ErrorIs(t, err, ErrNotFound, "the names were freed last")
	require.True(t, slices.Equal(append(slices.Clone(issue[1:]), issue[0], frees, fails), calls))
}

var errAny = errors.New("any error")
