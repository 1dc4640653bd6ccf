package main_test

import (
	"context"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/cmd/internal/adminapi"
	"github.com/betonica/betonica/enroll/api"
)

// A clientele is a load of which some machines are revoked, with a client of ACME and one
// who reads the revocation lists. It remembers what it was told.
type clientele struct {
	*load
	dir    string
	issuer string // hex of the key id
	client *orderer

	told    sync.Mutex
	fallen  map[string]int64 // serial -> number of the list that has it
	spent   []enrolment      // tokens that were spent, the last ones
	seen    int64            // greatest number of a list
	order   string           // path of the last order that was answered with a certificate
	ordered int
}

func newClientele(t testing.TB, dir string) *clientele {
	text, err := os.ReadFile(filepath.Join(dir, "keys", "intermediate.pem"))
	require.NoError(t, err)
	block, _ := pem.Decode(text)
	cert, err := x509.ParseCertificate(block.Bytes)
	require.NoError(t, err)
	c := &clientele{load: newLoad(t, dir), dir: dir, issuer: hex.EncodeToString(cert.SubjectKeyId), fallen: map[string]int64{}}
	c.after = c.goOn
	return c
}

// goOn has every fourth machine revoked, and remembers whose token is spent.
func (c *clientele) goOn(admin *adminapi.Client, e enrolment) error {
	c.told.Lock()
	c.spent = append(c.spent, e)
	c.spent = c.spent[max(0, len(c.spent)-4):]
	c.told.Unlock()
	if rand.N(4) > 0 {
		return nil
	}
	fell, err := admin.Revoke(context.Background(), adminapi.RevokeRequest{Identity: "device/" + e.name})
	if err != nil {
		if problem, ok := errors.AsType[*adminapi.Problem](err); ok {
			return c.wrong("revoking", problem.Status, err)
		}
		return err
	}
	c.told.Lock()
	defer c.told.Unlock()
	for _, serial := range fell.Serials {
		c.fallen[serial] = fell.Number
	}
	return nil
}

// run lets all of them loose until the daemon is gone.
func (c *clientele) run(ctx context.Context, d *daemon, issued chan<- struct{}) {
	ctx, cancel := context.WithCancel(ctx)
	var beside sync.WaitGroup
	beside.Go(func() { c.read(ctx, d) })
	beside.Go(func() { c.orders(ctx) })
	c.load.run(ctx, d, 8, issued)
	cancel()
	beside.Wait()
}

// while lets all of them loose while f runs.
func (c *clientele) while(t testing.TB, d *daemon, f func(issued <-chan struct{})) {
	ctx, cancel := context.WithCancel(t.Context())
	issued, gone := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(gone)
		c.run(ctx, d, issued)
	}()
	defer func() {
		cancel()
		<-gone
	}()
	f(issued)
}

// read reads the newest lists as fast as it can.
func (c *clientele) read(ctx context.Context, d *daemon) {
	for ctx.Err() == nil {
		list, err := c.list(d, "delta.crl")
		if err != nil {
			select { // the daemon may be dead
			case <-ctx.Done():
			case <-time.After(10 * time.Millisecond):
			}
			continue
		}
		c.told.Lock()
		c.seen = max(c.seen, list.Number.Int64())
		c.told.Unlock()
	}
}

func (c *clientele) list(d *daemon, name string) (*x509.RevocationList, error) {
	resp, err := http.Get("http://" + d.HTTP + "/crl/" + c.issuer + "/" + name)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	der, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("status %d", resp.StatusCode)
	}
	return x509.ParseRevocationList(der)
}

// orders gets certificates by ACME until one is not answered.
func (c *clientele) orders(ctx context.Context) {
	for ctx.Err() == nil {
		path, chain, err := c.client.obtain(newRequest(c.t).key)
		if err != nil {
			return // whether it may fail is known by those who have asked for the rest
		}
		block, _ := pem.Decode(chain)
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			c.t.Error(err)
			return
		}
		c.mu.Lock()
		c.held[serialOf(cert)] = true
		c.mu.Unlock()
		c.told.Lock()
		c.order = path
		c.ordered++
		c.told.Unlock()
	}
}

// check compares what everybody was told with what a daemon that has started says.
func (c *clientele) check(t testing.TB, d *daemon, driver, dsn string) {
	t.Helper()
	list, err := c.list(d, "delta.crl")
	require.NoError(t, err)
	require.GreaterOrEqual(t, list.Number.Int64(), c.seen, "a number fell")
	c.compare(t, driver, dsn)
	run(t, "betonicad", "audit", "verify", "--dir", c.dir)

	missing := ""
	require.Eventually(t, func() bool {
		list, err := c.list(d, "full.crl")
		if err != nil {
			return false
		}
		missing = c.missing(list)
		return missing == ""
	}, patience, 50*time.Millisecond, "a revocation was acknowledged, and no list has it: %s", missing)

	anonymous, err := dial(d.HTTPS, c.roots)
	require.NoError(t, err)
	defer anonymous.Close()
	for _, e := range c.spent {
		status, answer, err := anonymous.post(api.PathEnroll, e.token, newRequest(t).csr)
		require.NoError(t, err)
		require.GreaterOrEqual(t, status, 400, "a token bought twice: %s", answer)
		require.Less(t, status, 500, "%s", answer)
	}
	c.spent = nil // the attempt has made suspects of them
	c.meet(t, d)
}

// missing returns a serial that fell and is not in the list.
func (c *clientele) missing(list *x509.RevocationList) string {
	in := map[string]bool{}
	for _, e := range list.RevokedCertificateEntries {
		in[hex.EncodeToString(e.SerialNumber.FillBytes(make([]byte, 16)))] = true
	}
	for serial, number := range c.fallen {
		if !in[serial] {
			return fmt.Sprintf("%s, which fell with %d; the list is %d", serial, number, list.Number)
		}
	}
	return ""
}

// meet has the ACME client make its account, or find it again, with its last order.
func (c *clientele) meet(t testing.TB, d *daemon) {
	if c.client == nil {
		c.client = newOrderer(t, d, c.roots)
		path, chain, err := c.client.obtain(newRequest(t).key)
		require.NoError(t, err)
		require.NotEmpty(t, chain)
		c.order = path
		return
	}
	require.NoError(t, c.client.again(d, c.roots))
	var order struct{ Status, Certificate string }
	require.NoError(t, c.client.object(http.StatusOK, c.order, nil, &order))
	require.Equal(t, "valid", order.Status)
	resp, _, err := c.client.call(strings.TrimPrefix(order.Certificate, issuer), nil)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, resp.StatusCode)
}
