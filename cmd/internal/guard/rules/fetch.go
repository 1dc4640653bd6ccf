package rules

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/betonica/betonica/enroll/api"
	"github.com/betonica/betonica/revoke/allow/signed"
)

const (
	wait     = 30 * time.Second // that the CA is asked to hold an answer back
	patience = 20 * time.Second // beyond that

	minPause, maxPause = time.Second, 30 * time.Second // after failures
)

// Run fetches what is new until ctx ends, and then returns nil. The CA is asked all the
// time, and answers when there is something new, or after half a minute; when it fails,
// it is asked again after a second, and later after up to half a minute.
func (s *Source) Run(ctx context.Context) error {
	defer s.client.CloseIdleConnections()
	pause := minPause
	for {
		begin := time.Now()
		err := s.fetch(ctx)
		if ctx.Err() != nil {
			return nil
		}
		s.note(err)
		next := time.Duration(0)
		switch {
		case err != nil:
			s.client.CloseIdleConnections() // perhaps it is for the certificate of before
			next = jitter(pause)
			pause = min(2*pause, maxPause)
		case time.Since(begin) < time.Second: // it did not hold the answer back, or there was something new
			pause = minPause
			next = jitter(minPause)
		default:
			pause = minPause
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(next):
		}
	}
}

// jitter returns between half and one and a half of d: guards that lost the CA together
// shall not come back together.
func jitter(d time.Duration) time.Duration {
	n, err := rand.Int(rand.Reader, big.NewInt(int64(d)))
	if err != nil {
		panic(err) // the system's randomness does not fail
	}
	return d/2 + time.Duration(n.Int64())
}

// note keeps how the last fetch ended, and says so when it is news.
func (s *Source) note(err error) {
	s.mu.Lock()
	before := s.err
	s.err = err
	if err == nil {
		s.confirmed = s.conf.Now()
	}
	expires := s.current.Load().statement.Expires
	expired := !expires.IsZero() && !s.conf.Now().Before(expires)
	alarm := expired && !s.expired
	s.expired = expired
	s.mu.Unlock()
	if alarm {
		s.conf.Log.Error("the rules have expired", "expired", stamp(expires), "in_force", !s.conf.EndAtExpiry)
	}
	switch {
	case err == nil && before != nil:
		s.conf.Log.Info("the CA confirms the rules", "version", s.current.Load().statement.Version)
	case err != nil && (before == nil || before.Error() != err.Error()):
		s.conf.Log.Error("the rules before stay in force", "error", err, "expires", stamp(s.current.Load().statement.Expires))
	}
}

// fetch asks the CA once, and takes what it says.
func (s *Source) fetch(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, wait+patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(s.conf.URL, "/")+api.PathGuardRules, nil)
	if err != nil {
		return err
	}
	req.Header.Set("Accept", api.MediaJOSE)
	req.Header.Set("Prefer", "wait="+strconv.Itoa(int(wait.Seconds())))
	if tag := s.current.Load().tag; tag != "" {
		req.Header.Set("If-None-Match", tag)
	}
	resp, err := s.client.Do(req)
	if err != nil {
		if inner := errors.Unwrap(err); inner != nil { // without method and URL
			err = inner
		}
		return fmt.Errorf("asking the CA for rules: %w", err)
	}
	defer resp.Body.Close()
	switch {
	case resp.StatusCode == http.StatusNotModified && req.Header.Get("If-None-Match") != "":
		return nil
	case resp.StatusCode != http.StatusOK:
		return fmt.Errorf("asking the CA for rules: it answers %d %s", resp.StatusCode, http.StatusText(resp.StatusCode))
	}
	text, err := io.ReadAll(io.LimitReader(resp.Body, signed.MaxSize+1))
	if err != nil {
		return fmt.Errorf("asking the CA for rules: %w", err)
	}
	return s.take(text, resp.Header.Get("ETag"))
}

// NewClient returns what asks the CA of a trust domain, and nobody else: its certificate
// must be of the role ca, whatever its host is called.
func NewClient(id Identity, trustDomain string, now func() time.Time) *http.Client {
	transport := &http.Transport{
		Proxy: http.ProxyFromEnvironment,
		TLSClientConfig: &tls.Config{
			MinVersion:         tls.VersionTLS13,
			InsecureSkipVerify: true, // the standard check is about DNS names
			VerifyConnection: func(cs tls.ConnectionState) error {
				return signed.VerifyServer(cs.PeerCertificates, trustDomain, id.Roots(), now())
			},
			GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return id.Certificate(), nil },
		},
		TLSHandshakeTimeout:    10 * time.Second,
		MaxIdleConns:           1,
		IdleConnTimeout:        time.Minute,
		MaxResponseHeaderBytes: 16 << 10,
	}
	return &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}
