package main_test

import (
	"database/sql"
	"net/http"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/cmd/internal/adminapi"
	"github.com/betonica/betonica/enroll/api"
)

// One token, one certificate: of a hundred machines that come with the same
// token at once, each over a connection and with a key of its own, one gets a
// certificate, and the others a refusal that is on record.
func TestOneToken(t *testing.T) {
	dir := newCA(t)
	d := serve(t, dir)
	token, err := d.admin(t).CreateToken(t.Context(), adminapi.TokenRequest{Role: "device", Name: "SN-1"})
	require.NoError(t, err)

	const racers = 100
	roots := rootsOf(t, dir)
	conns, requests := make([]*conn, racers), make([]request, racers)
	for i := range racers {
		conns[i], err = dial(d.HTTPS, roots)
		require.NoError(t, err)
		defer conns[i].Close()
		requests[i] = newRequest(t)
	}
	statuses := race(t, conns, func(i int) (int, []byte, error) {
		return conns[i].post(api.PathEnroll, token.Secret, requests[i].csr)
	})
	// A few have been told that the token was used, the others, by then, to wait.
	require.Equal(t, 1, statuses[http.StatusCreated])
	require.Positive(t, statuses[http.StatusConflict])
	require.Equal(t, racers-1, statuses[http.StatusConflict]+statuses[http.StatusTooManyRequests])
	require.Equal(t, 1, count(t, dir, `SELECT count(*) FROM certificates WHERE identity = 'device/SN-1'`))
	require.GreaterOrEqual(t, count(t, dir, `SELECT count(*) FROM audit WHERE action = 'token.reuse'`), statuses[http.StatusConflict])
	run(t, "betonicad", "audit", "verify", "--dir", dir)
}

// A certificate has one child: of sixteen renewals of one certificate with a key
// each, a role that says fork = "refuse" serves one.
func TestOneChild(t *testing.T) {
	t.Parallel()
	dir := newCA(t)
	d := serve(t, dir)
	token, err := d.admin(t).CreateToken(t.Context(), adminapi.TokenRequest{Role: "service", Name: "billing"})
	require.NoError(t, err)
	roots := rootsOf(t, dir)
	c, err := dial(d.HTTPS, roots)
	require.NoError(t, err)
	defer c.Close()
	first := newRequest(t)
	status, chain, err := c.post(api.PathEnroll, token.Secret, first.csr)
	require.NoError(t, err)
	require.Equal(t, http.StatusCreated, status, "%s", chain)
	own, err := first.certificate(chain)
	require.NoError(t, err)

	const racers = 16 // as many as are served at once: one machine may not make others wait
	conns, requests := make([]*conn, racers), make([]request, racers)
	for i := range racers {
		conns[i], err = dial(d.HTTPS, roots, own)
		require.NoError(t, err)
		defer conns[i].Close()
		requests[i] = newRequest(t)
	}
	statuses := race(t, conns, func(i int) (int, []byte, error) {
		return conns[i].post(api.PathRenew, "", requests[i].csr)
	})
	require.Equal(t, map[int]int{http.StatusCreated: 1, http.StatusForbidden: racers - 1}, statuses)
	require.Equal(t, 2, count(t, dir, `SELECT count(*) FROM certificates WHERE identity = 'service/billing'`))
}

// race posts over all connections at once, and counts the statuses.
func race(t testing.TB, conns []*conn, post func(i int) (int, []byte, error)) map[int]int {
	var mu sync.Mutex
	statuses := map[int]int{}
	var wg sync.WaitGroup
	start := make(chan struct{})
	for i := range conns {
		wg.Go(func() {
			<-start
			status, _, err := post(i)
			if err != nil {
				t.Error(err)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			statuses[status]++
		})
	}
	close(start)
	wg.Wait()
	return statuses
}

// count asks the database of a CA a question, as an outsider would.
func count(t testing.TB, dir, query string) (n int) {
	db, err := sql.Open("sqlite3", "file:"+filepath.Join(dir, "betonica.db"))
	require.NoError(t, err)
	defer db.Close()
	require.NoError(t, db.QueryRow(query).Scan(&n))
	return n
}
