package store

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/store/storetest"
)

// A twin is a store and a writer's session of its own, for batches whose make-up a test
// decides. What it writes need not be on disk.
type twin struct {
	*DB
	engine  *postgres
	session *session
	steps   bool // whether batches are never made at once
	atOnce  int  // batches that were
}

func newTwin(t *testing.T) *twin {
	d := open(t, config(t, storetest.Postgres(t).Database(t)))
	e, err := openPostgres(t.Context(), d.cfg)
	require.NoError(t, err)
	s, err := e.connect(t.Context())
	require.NoError(t, err)
	t.Cleanup(func() {
		require.NoError(t, s.close())
		require.NoError(t, e.close())
	})
	return &twin{DB: d, engine: e, session: s}
}

// apply makes one transaction of the calls, and returns those that are to be made again.
func (w *twin) apply(t *testing.T, calls []*call) (again []*call) {
	t.Helper()
	if demands, ok := w.engine.whole(w.session, calls); ok && !w.steps {
		done, err := w.engine.atOnce(t.Context(), w.session, demands, nil, nil)
		assert.NoError(t, err)
		assert.NoError(t, w.engine.rollback(t.Context(), w.session))
		if done {
			w.atOnce++
			return nil
		}
	}
	again, _, err := w.engine.apply(t.Context(), w.session, calls, 0)
	if !assert.NoError(t, err) {
		return nil
	}
	if len(without(calls, again)) > 0 {
		_, err := w.session.exec(t.Context(), `COMMIT`)
		assert.NoError(t, err)
	}
	assert.NoError(t, w.engine.rollback(t.Context(), w.session))
	return again
}

// alone makes a transaction of each of the calls.
func (w *twin) alone(t *testing.T, calls ...*call) {
	t.Helper()
	for _, c := range calls {
		require.Empty(t, w.apply(t, []*call{c}))
	}
}

// content returns all rows that calls of the tests may write.
func (w *twin) content(t *testing.T) string {
	var all strings.Builder
	for _, table := range []string{"tokens", "acme_orders", "requests", "lineage", "identities", "certificates", "keys", "names", "confirmations"} {
		rows, err := w.session.query(t.Context(), `SELECT x::text FROM `+table+` x ORDER BY 1`, nil)
		require.NoError(t, err)
		for rows.Next() {
			var row string
			require.NoError(t, rows.Scan(&row))
			fmt.Fprintln(&all, table, row)
		}
		require.NoError(t, rows.Close())
	}
	return all.String()
}

// collected is a call with what demands makes.
func collected(now time.Time, demands func(*Tx)) *call {
	tx := &Tx{now: now}
	demands(tx)
	return &call{demands: tx.demands, relaxed: true}
}

func copied(calls []*call) []*call {
	all := make([]*call, len(calls))
	for i, c := range calls {
		all[i] = &call{demands: c.demands, relaxed: true}
	}
	return all
}

// A stock is what calls of a test draw from: little enough that they meet.
type stock struct {
	*rand.Rand
	now        time.Time
	tokens     []TokenID
	identities []string
	keys       [][32]byte
	names      []string
	parents    []Serial
	orders     []OrderID
	requests   []Request
	made       int
}

func pick[T any](s *stock, from []T) T { return from[s.IntN(len(from))] }

func (s *stock) serial() Serial {
	s.made++
	return Serial(numbered(s.now.UnixMilli()<<16, numbered(int64(s.made), nil)))
}

// newStock returns one, and the calls that put it on record.
func newStock(seed uint64) (*stock, []*call) {
	s := &stock{Rand: rand.New(rand.NewPCG(seed, 1)), now: time.Now()}
	var calls []*call
	make := func(demands func(*Tx)) { calls = append(calls, collected(s.now, demands)) }
	for i := range 12 {
		path := fmt.Sprintf("device/%d", i)
		s.identities = append(s.identities, path)
		s.names = append(s.names, fmt.Sprintf("n%d.example.test", i))
		s.keys = append(s.keys, [32]byte{byte(i), 1})
		state := []State{Active, Active, Active, Pending, Suspended, Active, Active, Pending, Active, Active, Active, Active}[i]
		make(func(tx *Tx) { tx.CreateIdentity(Identity{Path: path, Role: "device", Name: path[7:], State: state}) })
		id := TokenID{byte(i)}
		s.tokens = append(s.tokens, id)
		end := s.now.Add(time.Hour)
		if i == 7 {
			end = s.now
		}
		make(func(tx *Tx) {
			tx.InsertToken(Token{ID: id, Role: "device", Name: "*", MaxUses: []int{1, 2, 300}[i%3], Expires: end})
		})
		parent := s.certificate("device/0")
		parent.SPKI, parent.DNSNames = [32]byte{byte(i), 2}, nil
		s.parents = append(s.parents, parent.Serial)
		make(func(tx *Tx) { tx.InsertCertificate(parent) })
		account := newAccount("device/0")
		o, z := newOrder(account, AuthorizationValid)
		s.orders = append(s.orders, o.ID)
		make(func(tx *Tx) { tx.InsertAccount(account) })
		relaxed := &RelaxedTx{Tx{now: s.now}}
		relaxed.InsertOrder(o, []Authorization{z})
		calls = append(calls, &call{demands: relaxed.tx.demands, relaxed: true})
		q := Request{ID: RequestID{byte(i)}, SPKI: [32]byte{byte(i), 3}, Expires: end, CSR: []byte{1}, Nonce: []byte{1}}
		s.requests = append(s.requests, q)
		make(func(tx *Tx) { tx.InsertRequest(q, 100, 100, 100) })
		make(func(tx *Tx) { tx.ApproveRequest(q.ID, q.SPKI, "device/3", false, "uid:0", 0) })
	}
	make(func(tx *Tx) { tx.RevokeToken(s.tokens[8]) })
	make(func(tx *Tx) {
		tx.demand(1, nil, `INSERT INTO revocations (serial, identity, reason, revoked_at, not_after, number) VALUES ($1, 'device/0', 1, 1, 1, 0)`, s.parents[1][:])
	})
	return s, calls
}

func (s *stock) certificate(path string) Certificate {
	c := Certificate{
		Serial: s.serial(), Issuer: issuer, Identity: path, NotBefore: s.now, NotAfter: s.now.Add(time.Hour), Method: "token", Revision: 1, DER: []byte{1, 2},
		SPKI: [32]byte{byte(s.made), byte(s.made >> 8), 9}, DNSNames: []string{fmt.Sprintf("m%d.example.test", s.made)},
	}
	switch s.IntN(80) {
	case 0:
		c.SPKI = pick(s, s.keys)
	case 1:
		c.Revision = 2
	case 2:
		c.DNSNames = []string{pick(s, s.names)}
	case 3:
		c.Method = MethodAttestation
	case 4, 5, 6, 7, 8:
		c.DNSNames, c.SharesNames = []string{"a.example.test", "b.example.test"}, true
	case 9, 10:
		c.DNSNames, c.SharesNames, c.AdoptsNames = []string{"c.example.test"}, true, true
	}
	c.Rekey = s.IntN(2) == 0
	return c
}

// rarely is true where a call is to meet what it may fail for.
func (s *stock) rarely() bool { return s.IntN(30) == 0 }

func (s *stock) token() TokenID {
	if s.rarely() {
		return pick(s, s.tokens)
	}
	return s.tokens[2]
}

// call returns one of the calls that daemons make, or something like it, which mostly can
// be met.
func (s *stock) call() *call {
	path := s.identities[0]
	if s.IntN(3) > 0 {
		path = pick(s, s.identities)
	}
	c := s.certificate(path)
	id := s.token()
	return collected(s.now, func(tx *Tx) {
		switch s.IntN(20) {
		case 0, 1, 2:
			tx.SpendToken(id)
		case 3, 4, 5, 6, 7, 8:
			c.Token, c.Identity = &id, fmt.Sprintf("device/new-%d", s.made)
			if s.rarely() {
				c.Identity = path
			}
			s.identities = append(s.identities, c.Identity)
			tx.SpendToken(id)
			tx.NameTokenUser(id, c.Identity)
			tx.CreateIdentity(Identity{Path: c.Identity, Role: "device", Name: c.Identity[7:], Owner: "o", State: Active, Suspect: s.IntN(2) == 0, DNSNames: c.DNSNames, Site: "s"})
		case 9, 10, 11, 12:
			parent := s.serial()
			if s.rarely() {
				parent = pick(s, s.parents)
			}
			c.Parent = &parent
			s.parents = append(s.parents, parent)
			tx.RecordChild(parent, c.Serial, nil)
		case 13:
			relaxed := &RelaxedTx{Tx{now: s.now}}
			relaxed.Confirm(pick(s, s.parents))
			tx.demands = relaxed.tx.demands
			return
		case 14: // what is seldom
			switch s.IntN(5) {
			case 0:
				tx.FreeNames(path)
			case 1:
				tx.SetState(path, []State{Active}, Suspended)
			case 2:
				tx.SetState(path, []State{Suspended}, Active)
			case 3:
				tx.MarkSuspect(path)
			case 4: // in another order than others do
				tx.InsertCertificate(c)
				tx.SpendToken(id)
				return
			}
		case 15: // what is to be had once
			switch s.IntN(5) {
			case 0:
				tx.CompleteOrder(pick(s, s.orders), c.Serial)
			case 1:
				q := pick(s, s.requests)
				tx.UseRequest(q.ID, q.SPKI, "device/3")
				return
			case 2:
				c.Identity = s.identities[3]
				tx.ActivateIdentity(c.Identity, 1)
			}
		}
		tx.InsertCertificate(c)
	})
}
