package peer

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/betonica/betonica/revoke/allow"
)

const (
	reportEvery  = time.Minute // when there is no news
	reportWithin = 10 * time.Second
	reportRetry  = time.Second // after the first failure; doubled to reportEvery
	errorBytes   = 200         // of a body, in an error
)

// A reporter tells the CA what this machine enforces, one report at a time. It
// works from what is in force when it sends, so that the newest wins, and nothing
// ever waits for it. It belongs to the goroutine that runs it, but for poke.
type reporter struct {
	peer   *Peer
	news   chan struct{}
	client *http.Client
	leaf   []byte            // that the connection was made with
	said   map[*keeper]int64 // numbers
	failed bool              // and it was said
}

// A report is what the CA is told.
type report struct {
	Issuer      string `json:"issuer"` // hex key id
	Number      int64  `json:"number"`
	EnforcedAt  string `json:"enforced_at"` // RFC 3339 with milliseconds
	Connections int    `json:"connections"`
	MaxAge      int64  `json:"max_age"` // seconds
}

func newReporter(p *Peer) *reporter {
	r := &reporter{peer: p, news: make(chan struct{}, 1), said: map[*keeper]int64{}}
	r.client = &http.Client{
		Transport: &http.Transport{
			TLSClientConfig: &tls.Config{
				MinVersion: tls.VersionTLS13,
				GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
					return p.certificate(), nil
				},
				InsecureSkipVerify: true, // verifyCA does it all
				VerifyConnection:   p.verifyCA,
			},
			ForceAttemptHTTP2: true, MaxIdleConnsPerHost: 1, IdleConnTimeout: 2 * reportEvery,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return r
}

// poke says that there is news.
func (r *reporter) poke() {
	select {
	case r.news <- struct{}{}:
	default:
	}
}

// run reports news at once, and all there is once a minute, until ctx ends.
func (r *reporter) run(ctx context.Context) {
	defer r.client.CloseIdleConnections()
	all := true // each minute
	due, retry := time.Now().Add(reportEvery), reportRetry
	for {
		err := r.sendAll(ctx, all)
		if ctx.Err() != nil {
			return
		}
		if all {
			due = time.Now().Add(reportEvery)
		}
		wait := time.Until(due)
		if err != nil {
			wait, retry = min(wait, retry), min(2*retry, reportEvery)
			if !r.failed {
				r.peer.event(Event{Kind: Unreported, Number: r.peer.Number(), URL: r.peer.conf.Report, Err: err})
			}
		} else {
			retry = reportRetry
		}
		r.failed = err != nil
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
		case <-r.news:
		case <-timer.C:
		}
		timer.Stop()
		all = !time.Now().Before(due)
	}
}

// sendAll sends a report for each issuer of which there is news, or for each.
func (r *reporter) sendAll(ctx context.Context, all bool) (first error) {
	held := r.peer.held()
	for k := range r.said {
		select {
		case <-k.gone:
			delete(r.said, k)
		default:
		}
	}
	for _, k := range held {
		f := k.force.Load()
		if k.root || f == nil || !all && f.news <= r.said[k] {
			continue
		}
		if err := r.send(ctx, k, f); err != nil {
			r.peer.counts.reportFails.Add(1)
			if first == nil {
				first = err
			}
			continue
		}
		r.peer.counts.reports.Add(1)
		news := f.news > r.said[k]
		r.said[k] = f.number
		if news || r.failed {
			k.event(Reported, r.peer.conf.Report, nil)
		}
	}
	return first
}

func (r *reporter) send(ctx context.Context, k *keeper, f *force) error {
	ctx, cancel := context.WithTimeout(ctx, reportWithin)
	defer cancel()
	if leaf, err := leafOf(r.peer.conf.Source.Certificate()); err == nil && !bytes.Equal(leaf.Raw, r.leaf) {
		r.client.CloseIdleConnections() // made with the certificate before
		r.leaf = leaf.Raw
	}
	body, err := json.Marshal(report{
		Issuer: k.id, Number: f.number, EnforcedAt: f.since.UTC().Format("2006-01-02T15:04:05.000Z07:00"), Connections: r.peer.live.len(),
		MaxAge: int64(k.maxAge / time.Second),
	})
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, r.peer.conf.Report+"/v1/enforcement", bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := r.client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(io.LimitReader(resp.Body, errorBytes)) // to its end, so that the connection is kept
	if resp.StatusCode == http.StatusConflict {                  // our number is above all that the CA knows
		k.offer(ctx, false)
	}
	if resp.StatusCode/100 != 2 {
		return fmt.Errorf("%s: %s: %q", req.URL, resp.Status, text)
	}
	return nil
}

// verifyCA lets nobody be the CA but a server that the same roots vouch for, whose
// SPIFFE ID is of the role ca in this machine's trust domain, and which is not
// revoked.
func (p *Peer) verifyCA(cs tls.ConnectionState) error {
	id, chain, err := p.identify(cs, x509.ExtKeyUsageServerAuth, "")
	if err != nil {
		return err
	}
	leaf, err := leafOf(p.conf.Source.Certificate())
	if err != nil {
		return err
	}
	if own, err := allow.IDOf(leaf); err != nil || id.Role() != "ca" || id.TrustDomain() != own.TrustDomain() {
		return fmt.Errorf("%s is not the CA", id)
	}
	return p.judge(context.Background(), chain, cs.OCSPResponse)
}
