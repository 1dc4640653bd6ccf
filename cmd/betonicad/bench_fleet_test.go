package main_test

import (
	"crypto/x509"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/betonica/betonica/enroll/api"
)

// comeBack has each pump renew its certificate, once it comes. It says how many tries
// were told to come again, how many failed otherwise, and "gone" when all are renewed.
func (c crowd) comeBack() error {
	root, err := x509.ParseCertificate(c.Roots)
	if err != nil {
		return err
	}
	roots := x509.NewCertPool()
	roots.AddCert(root)
	next := make([]request, len(c.Pumps))
	for i := range next {
		if next[i], err = makeRequest(); err != nil {
			return err
		}
	}
	say("ready")
	var deferred, failed, lost atomic.Int64
	var machines sync.WaitGroup
	var first sync.Once
	for i, pump := range c.Pumps {
		machines.Go(func() {
			time.Sleep(rand.N(c.Within))
			for range 100 {
				wait, err := c.renew(roots, pump, next[i])
				if err == nil {
					return
				}
				if wait == 0 {
					failed.Add(1)
					first.Do(func() { fmt.Fprintln(os.Stderr, "fleet: a try failed:", err) })
					wait = time.Second + rand.N(29*time.Second)
				} else {
					deferred.Add(1)
				}
				time.Sleep(wait)
			}
			lost.Add(1)
		})
	}
	machines.Wait()
	say(fmt.Sprintf("deferred=%d", deferred.Load()))
	say(fmt.Sprintf("failed-tries=%d", failed.Load()))
	say(fmt.Sprintf("not-renewed=%d", lost.Load()))
	say("gone")
	return nil
}

// renew returns how long to wait if the machine was told to come back later.
func (c crowd) renew(roots *x509.CertPool, pump machineText, next request) (time.Duration, error) {
	conn, err := dial(c.HTTPS, roots, *pump.pair())
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	resp, answer, err := conn.send(api.PathRenew, "", next.csr)
	if err != nil {
		return 0, err
	}
	if resp.StatusCode == http.StatusCreated {
		return 0, nil
	}
	seconds, _ := strconv.Atoi(resp.Header.Get("Retry-After"))
	return time.Duration(seconds) * time.Second, fmt.Errorf("%s: %s", resp.Status, answer)
}
