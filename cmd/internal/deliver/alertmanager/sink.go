package alertmanager

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/betonica/betonica/cmd/internal/deliver"
	"github.com/betonica/betonica/cmd/internal/deliver/post"
	"github.com/betonica/betonica/cmd/internal/deliver/wire"
	"github.com/betonica/betonica/store/alert"
)

const (
	repeatEvery = time.Minute // as Prometheus does
	maxAtOnce   = 100         // alerts in a request
	path        = "api/v2/alerts"
)

// Opener says which alerts are open.
type Opener interface {
	// OpenAlerts returns all alerts that are not resolved, as they are on record.
	OpenAlerts(context.Context) ([]alert.Alert, error)
}

// Config says where alerts go. Every field is required, but for those that say otherwise.
type Config struct {
	// URL is where Alertmanager is, what comes before /api: see [post.Config].
	URL string
	// TLS is how it is known, and what it is shown.
	TLS wire.TLS
	// TokenFile has a bearer token, or PasswordFile the password of User, for HTTP's Basic
	// authentication; they are read for each request. Empty: none.
	TokenFile, User, PasswordFile string
	// Origin is the name of the log, for the label "ca". Empty: there is none.
	Origin string

	Open   Opener
	Eldest func() bool // whether this daemon is the one that repeats
	Now    func() time.Time
	Log    *slog.Logger
}

// A Sink tells one Alertmanager. Send and Run may be called concurrently.
type Sink struct {
	conf   Config
	mu     sync.Mutex // from reading what is open to having told it: nothing resolved is told as open after
	client *post.Client
}

var _ deliver.Sink = (*Sink)(nil)

// New returns a sink. It connects when there is something to tell.
func New(c Config) (*Sink, error) {
	if (c.User == "") != (c.PasswordFile == "") {
		return nil, errors.New("a user and a password file go together")
	}
	if c.User != "" && c.TokenFile != "" {
		return nil, errors.New("there is a token file and a password file: Alertmanager takes one of the two")
	}
	if strings.ContainsAny(c.User, ":\r\n") { // RFC 7617, Section 2
		return nil, fmt.Errorf("%q is no user of HTTP's Basic authentication", c.User)
	}
	client, err := post.New(post.Config{URL: c.URL, TLS: c.TLS, TokenFile: c.TokenFile})
	if err != nil {
		return nil, err
	}
	return &Sink{conf: c, client: client}, nil
}

// Send tells what became of the alerts that the batch is about. Records of anything else
// are passed over.
func (s *Sink) Send(ctx context.Context, batch []deliver.Record) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	current, err := s.current(ctx)
	if err != nil {
		return 0, err
	}
	now := s.conf.Now()
	var told []posted
	var of []int // of each, the number of its record
	said := make(map[int64]bool)
	for i, r := range batch {
		a, what, ok := alert.FromEntry(r.Entry)
		if !ok || r.Source.Guard {
			continue
		}
		is, open := current[a.ID]
		switch {
		case what == alert.Resolving:
			told, of = append(told, s.resolved(&a, r.Entry.At)), append(of, i)
		case open && !said[a.ID]: // as it is now, which one time tells
			told, of = append(told, s.open(&is, now)), append(of, i)
			said[a.ID] = true
		}
	}
	done, err := s.tell(ctx, told)
	if err != nil {
		return of[done], err
	}
	return len(batch), nil
}

func (s *Sink) current(ctx context.Context) (map[int64]alert.Alert, error) {
	all, err := s.conf.Open.OpenAlerts(ctx)
	if err != nil {
		return nil, fmt.Errorf("which alerts are open: %w", err)
	}
	current := make(map[int64]alert.Alert, len(all))
	for _, a := range all {
		current[a.ID] = a
	}
	return current, nil
}

// Run tells every minute which alerts are open, until ctx ends, if this daemon is the one
// that does. That it was not possible is in the log once, and again each hour.
func (s *Sink) Run(ctx context.Context) error {
	tick := time.NewTicker(repeatEvery)
	defer tick.Stop()
	return s.run(ctx, tick.C)
}

func (s *Sink) run(ctx context.Context, tick <-chan time.Time) error {
	var said time.Time // when the log last had that it is not possible; zero: it is
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick:
		}
		if !s.conf.Eldest() {
			continue
		}
		err := s.repeat(ctx)
		switch {
		case ctx.Err() != nil:
		case err == nil && !said.IsZero():
			said = time.Time{}
			s.conf.Log.InfoContext(ctx, "Alertmanager takes alerts again")
		case err != nil && time.Since(said) > time.Hour:
			said = time.Now()
			s.conf.Log.WarnContext(ctx, "Alertmanager was not told which alerts are open", "error", err)
		}
	}
}

// repeat tells which alerts are open. One that is refused keeps none of the others back.
func (s *Sink) repeat(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	all, err := s.conf.Open.OpenAlerts(ctx)
	if err != nil {
		return fmt.Errorf("which alerts are open: %w", err)
	}
	now := s.conf.Now()
	var told []posted
	for i := range all {
		told = append(told, s.open(&all[i], now))
	}
	var first error
	for len(told) > 0 {
		done, err := s.tell(ctx, told)
		if err == nil {
			break
		}
		if _, refused := errors.AsType[*deliver.RefusedError](err); !refused {
			return err
		}
		if first == nil {
			first = err
		}
		told = told[done+1:]
	}
	return first
}

// tell tells alerts, and returns how many of the first were taken. Alertmanager does not say
// which of many it refuses, so they are told one by one then.
func (s *Sink) tell(ctx context.Context, all []posted) (done int, err error) {
	for done < len(all) {
		n := min(maxAtOnce, len(all)-done)
		err := s.post(ctx, all[done:done+n])
		if _, refused := errors.AsType[*deliver.RefusedError](err); refused && n > 1 {
			for ; n > 0; n-- {
				if err := s.post(ctx, all[done:done+1]); err != nil {
					return done, err
				}
				done++
			}
			continue
		}
		if err != nil {
			return done, err
		}
		done += n
	}
	return done, nil
}

func (s *Sink) post(ctx context.Context, some []posted) error {
	body, err := json.Marshal(some)
	if err != nil {
		return fmt.Errorf("encoding alerts: %w", err)
	}
	h := http.Header{"Content-Type": {"application/json"}}
	if s.conf.User != "" {
		password, err := wire.Secret(s.conf.PasswordFile)
		if err != nil {
			return err
		}
		h.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString(append([]byte(s.conf.User+":"), password...)))
	}
	answer, err := s.client.Post(ctx, path, h, body)
	if err != nil {
		return err
	}
	return answer.Err()
}

// Close gives back the connection. Run has ended.
func (s *Sink) Close() error { return s.client.Close() }
