package alertmanager

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/cmd/internal/deliver"
	"github.com/betonica/betonica/store/alert"
	"github.com/betonica/betonica/store/audit"
	"github.com/betonica/betonica/store/audit/atna"
)

// A book is what is on record of alerts, for the test.
type book struct {
	mu   sync.Mutex
	open []alert.Alert
	err  error
}

func (b *book) OpenAlerts(context.Context) ([]alert.Alert, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.open), b.err
}

// anAlert is one that opened so long ago.
func anAlert(id int64, ago time.Duration) alert.Alert {
	return alert.Alert{
		ID: id, Rule: "A03", Key: "k", Severity: alert.Critical, Site: "ward-3", Subject: "device/pump-7", Opened: time.Now().Add(-ago), Last: time.Now(), Count: 2,
		Facts: [2]string{"from 10.0.0.1 at 09:00", "from 172.16.0.9 at 09:00:20"}, Entries: []alert.Ref{{Seq: 7}, {Origin: "hospital.example/journal/icu", Seq: 9}}, State: alert.Open,
	}
}

// record is what the log has of a change.
func record(seq int64, what alert.What, a alert.Alert) deliver.Record {
	return deliver.Record{
		Source: atna.Source{Origin: "hospital.example/log"},
		Entry:  audit.Entry{Seq: seq, At: time.Now(), Event: alert.Change{What: what, Alert: a}.Event()},
	}
}

// sinkTo returns a sink to where an Alertmanager is.
func sinkTo(t *testing.T, b *book, url string, change func(*Config)) *Sink {
	t.Helper()
	c := Config{
		URL: url, Origin: "hospital.example/log", Open: b, Eldest: func() bool { return true }, Now: time.Now, Log: slog.New(slog.DiscardHandler),
	}
	if change != nil {
		change(&c)
	}
	s, err := New(c)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

// A stub is what takes posts, and answers as it is told.
type stub struct {
	*httptest.Server
	mu     sync.Mutex
	posts  [][]posted
	auth   string
	answer func([]posted) int
}

func newStub(t *testing.T) *stub {
	s := &stub{answer: func([]posted) int { return http.StatusOK }}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		defer s.mu.Unlock()
		var some []posted
		d := json.NewDecoder(r.Body)
		d.DisallowUnknownFields()
		if r.URL.Path != "/am/api/v2/alerts" || r.Method != http.MethodPost || r.Header.Get("Content-Type") != "application/json" || d.Decode(&some) != nil {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		s.auth = r.Header.Get("Authorization")
		status := s.answer(some)
		if status == http.StatusOK {
			s.posts = append(s.posts, some)
		}
		w.WriteHeader(status)
		io.WriteString(w, "said")
	}))
	t.Cleanup(s.Close)
	return s
}

// told returns the numbers of the alerts that were told, in order.
func (s *stub) told() (all []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range s.posts {
		for _, a := range p {
			all = append(all, a.Labels["alert"]+strings.Repeat("!", len(a.EndsAt[:min(1, len(a.EndsAt))])))
		}
	}
	s.posts = nil
	return all
}

// What is told of an entry is how the alert is now: nobody is woken by one that was resolved
// while Alertmanager was away. Records that are about no alert are passed over.
func TestSend(t *testing.T) {
	t.Parallel()
	am := newStub(t)
	b := &book{open: []alert.Alert{anAlert(1, time.Minute)}}
	s := sinkTo(t, b, am.URL+"/am", nil)
	first, second := anAlert(1, time.Minute), anAlert(2, time.Hour)
	guards := record(9, alert.Resolving, first)
	guards.Source.Guard = true
	issue := deliver.Record{Entry: audit.Entry{Seq: 1, Event: audit.Event{Action: "certificate.issue"}}}
	batch := []deliver.Record{
		issue, record(2, alert.Opening, first), record(3, alert.Opening, second), record(4, alert.Counting, first), record(5, alert.Resolving, second), guards, issue,
	}
	n, err := s.Send(t.Context(), batch)
	require.NoError(t, err)
	require.Len(t, batch, n)
	require.Equal(t, []string{"1", "2!"}, am.told())

	n, err = s.Send(t.Context(), []deliver.Record{issue})
	require.NoError(t, err)
	require.Equal(t, 1, n)
	require.Empty(t, am.told(), "there was nothing to tell")

	b.err = errors.New("no store")
	n, err = s.Send(t.Context(), batch)
	require.ErrorContains(t, err, "no store")
	require.Zero(t, n)
}

// What Alertmanager refuses is one record's fault, which is found among the others; any other
// answer is its trouble. What was taken before counts.
func TestSendRefused(t *testing.T) {
	t.Parallel()
	am := newStub(t)
	b := &book{}
	var batch []deliver.Record
	for id := int64(1); id <= 250; id++ {
		a := anAlert(id, 0)
		if id == 130 {
			a.Site = "bad"
		}
		b.open = append(b.open, a)
		batch = append(batch, record(id, alert.Opening, a))
	}
	s := sinkTo(t, b, am.URL+"/am", nil)
	bad := func(some []posted) bool {
		return slices.ContainsFunc(some, func(p posted) bool { return p.Labels["site"] == "bad" })
	}
	for _, status := range []int{http.StatusBadRequest, http.StatusUnprocessableEntity} {
		am.answer = func(some []posted) int {
			if bad(some) {
				return status
			}
			return http.StatusOK
		}
		n, err := s.Send(t.Context(), batch)
		refused, ok := errors.AsType[*deliver.RefusedError](err)
		require.True(t, ok, "%v", err)
		require.Contains(t, refused.Answer, "said")
		require.Equal(t, 129, n)
		require.Len(t, am.told(), 129)
		n, err = s.Send(t.Context(), batch[130:])
		require.NoError(t, err)
		require.Equal(t, 120, n)
		require.Len(t, am.told(), 120)
	}

	require.ErrorContains(t, s.repeat(t.Context()), "refuses")
	require.Len(t, am.told(), 249, "the others are told")
	for _, status := range []int{301, 401, 403, 404, 408, 429, 500, 503} {
		am.answer = func(some []posted) int {
			if bad(some) {
				return status
			}
			return http.StatusOK
		}
		n, err := s.Send(t.Context(), batch)
		require.Error(t, err)
		_, refused := errors.AsType[*deliver.RefusedError](err)
		require.False(t, refused)
		require.Equal(t, 100, n)
		am.told()
	}
}

// Each open alert is told again with every tick, by the one daemon that does; that it is not
// possible is in the log once.
func TestRun(t *testing.T) {
	t.Parallel()
	am := newStub(t)
	b := &book{open: []alert.Alert{anAlert(1, 0), anAlert(2, 0)}}
	var log strings.Builder
	eldest := true
	s := sinkTo(t, b, am.URL+"/am", func(c *Config) {
		c.Eldest = func() bool { return eldest }
		c.Log = slog.New(slog.NewTextHandler(&log, nil))
	})
	tick := make(chan time.Time) // taken when the round before is over
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- s.run(ctx, tick) }()
	tick <- time.Time{}
	tick <- time.Time{}
	b.mu.Lock()
	b.open = b.open[:1]
	b.mu.Unlock()
	tick <- time.Time{}
	am.Close()
	for range 3 {
		tick <- time.Time{}
	}
	cancel()
	require.NoError(t, <-done)
	told := am.told()
	require.Equal(t, []string{"1", "2"}, told[:2])
	require.Contains(t, []int{3, 4, 5}, len(told), "%v", told)
	require.Equal(t, 1, strings.Count(log.String(), "Alertmanager was not told"), log.String())

	eldest = false
	again := newStub(t)
	s = sinkTo(t, b, again.URL+"/am", func(c *Config) { c.Eldest = func() bool { return eldest } })
	ctx, cancel = context.WithCancel(t.Context())
	go func() { done <- s.run(ctx, tick) }()
	tick <- time.Time{}
	tick <- time.Time{}
	cancel()
	require.NoError(t, <-done)
	require.Empty(t, again.told())
}

// No clock of ours ends an alert, or has it refused.
func TestTimes(t *testing.T) {
	t.Parallel()
	s := sinkTo(t, &book{}, "http://127.0.0.1:1", nil)
	now := time.Now()
	a := anAlert(1, time.Minute)
	p := s.open(&a, now)
	require.Empty(t, p.StartsAt+p.EndsAt)
	require.Equal(t, stamp(a.Opened), p.Annotations["opened"])
	a = anAlert(1, 2*time.Hour)
	p = s.open(&a, now)
	require.Equal(t, stamp(a.Opened), p.StartsAt)
	require.Empty(t, p.EndsAt)
	p = s.resolved(&a, a.Opened.Add(-time.Hour))
	require.Equal(t, p.StartsAt, p.EndsAt, "an end before the start is refused")
	require.Equal(t, "1970-01-01T00:00:00.000Z", stamp(time.Date(12000, 1, 1, 0, 0, 0, 0, time.UTC)))
}

// A configuration that cannot work is an error at once, and says no secret.
func TestNew(t *testing.T) {
	t.Parallel()
	for want, c := range map[string]Config{
		"go together":     {URL: "https://am", User: "betonica"},
		"one of the two":  {URL: "https://am", User: "betonica", PasswordFile: "p", TokenFile: "t"},
		"is no user":      {URL: "https://am", User: "a:b", PasswordFile: "p"},
		"must begin with": {URL: "http://am.hospital.example"},
	} {
		_, err := New(c)
		require.ErrorContains(t, err, want)
	}
	am := newStub(t)
	password := filepath.Join(t.TempDir(), "password")
	require.NoError(t, os.WriteFile(password, []byte("open sesame\n"), 0o600))
	s := sinkTo(t, &book{}, am.URL+"/am", func(c *Config) { c.User, c.PasswordFile = "betonica", password })
	n, err := s.Send(t.Context(), []deliver.Record{record(1, alert.Resolving, anAlert(1, 0))})
	require.NoError(t, err)
	require.Equal(t, 1, n)
	require.Equal(t, "Basic YmV0b25pY2E6b3BlbiBzZXNhbWU=", am.auth)
	require.NoError(t, os.Chmod(password, 0o644))
	_, err = s.Send(t.Context(), []deliver.Record{record(1, alert.Resolving, anAlert(1, 0))})
	require.ErrorContains(t, err, "has mode 0644")
	require.NotContains(t, err.Error(), "sesame")
}
