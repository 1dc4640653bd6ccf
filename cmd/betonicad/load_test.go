package main_test

import (
	"context"
	"crypto/rand"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/cmd/internal/adminapi"
	"github.com/betonica/betonica/enroll/api"
)

// A load is a crowd of machines that enrol, renew and confirm without a pause. It
// remembers every certificate that reached one of them, and every request that
// was not answered, which the next machine repeats.
type load struct {
	t     testing.TB
	roots *x509.CertPool
	// faults says that answers of status 5xx are right, since something below the
	// daemon is broken on purpose.
	faults bool
	// after, if there is one, goes on with a machine that has lived.
	after func(admin *adminapi.Client, e enrolment) error

	mu         sync.Mutex
	held       map[string]bool // serials, hex
	unanswered []enrolment
}

// An enrolment is one machine's request with its own token.
type enrolment struct {
	request
	token string
	name  string
}

func newLoad(t testing.TB, dir string) *load {
	return &load{t: t, roots: rootsOf(t, dir), held: map[string]bool{}}
}

// rootsOf returns the root certificate that the CA in dir made.
func rootsOf(t testing.TB, dir string) *x509.CertPool {
	text, err := os.ReadFile(dir + ".root/root.pem")
	require.NoError(t, err)
	roots := x509.NewCertPool()
	require.True(t, roots.AppendCertsFromPEM(text))
	return roots
}

// run lets n machines at a time loose on d until ctx ends or, if there are to be
// no faults, until d is gone. issued is told of certificates.
func (l *load) run(ctx context.Context, d *daemon, n int, issued chan<- struct{}) {
	admin := adminapi.Unix(d.Socket)
	defer admin.Close()
	var wg sync.WaitGroup
	for range n {
		wg.Go(func() {
			for ctx.Err() == nil {
				err := l.life(ctx, d, admin)
				switch {
				case err == nil:
					select {
					case issued <- struct{}{}:
					default:
					}
				case !l.faults:
					return
				default: // do not ask a thousand times a second
					select {
					case <-ctx.Done():
					case <-time.After(20 * time.Millisecond):
					}
				}
			}
		})
	}
	wg.Wait()
}

// life is that of one machine: a token is made for it, it enrols, renews and
// confirms. An answer other than the right one fails the test; no answer is an
// error, since the daemon may be dead.
func (l *load) life(ctx context.Context, d *daemon, admin *adminapi.Client) error {
	e, again := l.takeUnanswered()
	if !again {
		name := "m-" + randomName()
		token, err := admin.CreateToken(ctx, adminapi.TokenRequest{Role: "device", Name: name})
		if err != nil {
			if problem, ok := errors.AsType[*adminapi.Problem](err); ok {
				return l.wrong("creating a token", problem.Status, err)
			}
			return err
		}
		e = enrolment{newRequest(l.t), token.Secret, name}
	}
	anonymous, err := dial(d.HTTPS, l.roots)
	if err != nil {
		l.putUnanswered(e)
		return err
	}
	defer anonymous.Close()
	chain, err := l.obtain(anonymous, api.PathEnroll, e.token, e.request)
	if err != nil {
		l.putUnanswered(e)
		return err
	}
	own, err := e.certificate(chain)
	if err != nil {
		return err
	}
	known, err := dial(d.HTTPS, l.roots, own)
	if err != nil {
		return err
	}
	defer known.Close()
	next := newRequest(l.t)
	chain, err = l.obtain(known, api.PathRenew, "", next)
	if err != nil {
		return err
	}
	own, err = next.certificate(chain)
	if err != nil {
		return err
	}
	renewed, err := dial(d.HTTPS, l.roots, own)
	if err != nil {
		return err
	}
	defer renewed.Close()
	status, answer, err := renewed.post(api.PathConfirm, "", nil)
	if err == nil && status != http.StatusNoContent {
		return l.wrong("confirming", status, answer)
	}
	if err != nil || l.after == nil {
		return err
	}
	return l.after(admin, e)
}

// obtain asks for a certificate and remembers that it came.
func (l *load) obtain(c *conn, path, token string, r request) ([]byte, error) {
	status, chain, err := c.post(path, token, r.csr)
	if err != nil {
		return nil, err
	}
	if status != http.StatusCreated {
		return nil, l.wrong(path, status, chain)
	}
	block, _ := pem.Decode(chain)
	if block == nil {
		return nil, fmt.Errorf("%s: not a chain", path)
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.held[serialOf(cert)] = true
	return chain, nil
}

// wrong makes an error of an answer that is not the right one, and fails the test
// unless it has to be expected.
func (l *load) wrong(what string, status int, answer any) error {
	err := fmt.Errorf("%s: %d %s", what, status, answer)
	if !l.faults || status < http.StatusInternalServerError {
		l.t.Error(err)
	}
	return err
}

func (l *load) takeUnanswered() (enrolment, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.unanswered) == 0 {
		return enrolment{}, false
	}
	e := l.unanswered[0]
	l.unanswered = l.unanswered[1:]
	return e, true
}

func (l *load) putUnanswered(e enrolment) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.unanswered = append(l.unanswered, e)
}

// serialOf writes a serial as the store does: 16 bytes, hex.
func serialOf(cert *x509.Certificate) string {
	return hex.EncodeToString(cert.SerialNumber.FillBytes(make([]byte, 16)))
}

func randomName() string { return strings.ToLower(rand.Text()) }
