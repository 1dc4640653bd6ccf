package main_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/cmd/internal/adminapi"
	"github.com/betonica/betonica/enroll/api"
)

// A siem is a webhook's receiver and a FHIR server in one, which behaves as it is told.
type siem struct {
	mu     sync.Mutex
	ill    bool
	well   chan struct{} // closed when it is not ill any more
	hold   chan struct{} // not nil: the next record is taken, and nobody hears of it
	asked  int
	events []int64  // entries that the webhook got, in order
	ids    []string // of them
	fhir   map[string]bool
}

func (s *siem) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.asked++
	ill, well, asked := s.ill, s.well, s.asked
	s.mu.Unlock()
	if ill {
		suffer(w, r, asked, well)
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	if r.URL.Path == "/fhir" {
		s.create(w, body)
		return
	}
	var got struct {
		ID  string
		Seq int64
	}
	if err := json.Unmarshal(body, &got); err != nil || got.ID != r.Header.Get("webhook-id") {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.events, s.ids = append(s.events, got.Seq), append(s.ids, got.ID)
	if s.hold != nil {
		close(s.hold)
		s.hold = nil
		s.mu.Unlock()
		<-r.Context().Done()
		s.mu.Lock()
	}
}

// suffer answers as one does that is down, slow, confused or hostile.
func suffer(w http.ResponseWriter, r *http.Request, asked int, well <-chan struct{}) {
	switch asked % 6 {
	case 0:
		w.WriteHeader(http.StatusInternalServerError)
	case 1:
		http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
	case 2: // it drips
		for {
			select {
			case <-r.Context().Done():
				return
			case <-well:
				panic(http.ErrAbortHandler)
			case <-time.After(10 * time.Millisecond):
				io.WriteString(w, "x")
				w.(http.Flusher).Flush()
			}
		}
	case 3:
		w.WriteHeader(http.StatusServiceUnavailable)
		for range 64 {
			w.Write(make([]byte, 1<<20))
		}
		panic(http.ErrAbortHandler)
	case 4:
		if c, _, err := w.(http.Hijacker).Hijack(); err == nil {
			io.WriteString(c, "\x00\xffwhat?")
			c.Close()
		}
	case 5:
		panic(http.ErrAbortHandler)
	}
}

func (s *siem) create(w io.Writer, body []byte) {
	var b struct {
		Entry []struct {
			Resource struct{ ID, ResourceType string }
		}
	}
	if json.Unmarshal(body, &b) != nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	answers := make([]string, 0, len(b.Entry))
	for _, e := range b.Entry {
		if e.Resource.ResourceType == "AuditEvent" {
			s.fhir[e.Resource.ID] = true
		}
		answers = append(answers, `{"response":{"status":"201 Created"}}`)
	}
	fmt.Fprintf(w, `{"resourceType":"Bundle","type":"batch-response","entry":[%s]}`, joined(answers))
}

func joined(all []string) (text string) {
	for i, one := range all {
		if i > 0 {
			text += ","
		}
		text += one
	}
	return text
}

// recover makes the siem well.
func (s *siem) recover() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ill = false
	close(s.well)
}

// has reports whether everything up to an entry has arrived at both.
func (s *siem) has(entries int64) func() bool {
	return func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		return len(s.events) > 0 && s.events[len(s.events)-1] >= entries && int64(len(s.fhir)) >= entries
	}
}

// Machines enrol as ever while every receiver of the audit log is down, slow or hostile,
// and all of it arrives afterwards, in order. A daemon that is killed after a receiver took
// a record, and before it knows, delivers that record again, under the same id.
func TestDelivery(t *testing.T) {
	t.Parallel()
	receiver := &siem{ill: true, well: make(chan struct{}), fhir: map[string]bool{}}
	web := httptest.NewServer(receiver)
	defer web.Close()
	dir := newCA(t)
	config, secret := filepath.Join(dir, "betonica.toml"), filepath.Join(t.TempDir(), "secret")
	require.NoError(t, os.WriteFile(secret, []byte("correct horse battery staple\n"), 0o600))
	require.NoError(t, os.WriteFile(config, fmt.Appendf(read(t, config), `
[deliver.webhook]
url = "%s/hook"
secret_file = "%s"
events = ["*"]
since = "all"
[deliver.fhir]
url = "%s/fhir"
[deliver.file]
path = "audit.jsonl"
`, web.URL, secret, web.URL), 0o600))
	d := serve(t, dir)
	roots := rootsOf(t, dir)
	enrol := func(d *daemon, name string) {
		t.Helper()
		token, err := d.admin(t).CreateToken(t.Context(), adminapi.TokenRequest{Role: "device", Name: name})
		require.NoError(t, err)
		c, err := dial(d.HTTPS, roots)
		require.NoError(t, err)
		defer c.Close()
		status, answer, err := c.post(api.PathEnroll, token.Secret, newRequest(t).csr)
		require.NoError(t, err)
		require.Equal(t, http.StatusCreated, status, "%s", answer)
	}
	entries := func(d *daemon) int64 {
		s, err := d.admin(t).Status(t.Context())
		require.NoError(t, err)
		return s.Entries
	}
	for i := range 10 {
		enrol(d, fmt.Sprintf("ill-%d", i))
	}
	require.Eventually(t, func() bool {
		receiver.mu.Lock()
		defer receiver.mu.Unlock()
		return receiver.asked >= 4
	}, patience, 10*time.Millisecond)
	enrol(d, "ill")
	require.Eventually(t, func() bool {
		s, err := d.admin(t).Status(t.Context())
		return err == nil && slices.ContainsFunc(s.Deliveries, func(one adminapi.Delivery) bool {
			return one.Failing != nil && one.Waiting > 0 && one.Trouble != ""
		})
	}, patience, 20*time.Millisecond)
	require.Contains(t, run(t, "betonica", "status", "--socket", d.Socket), "takes nothing")
	require.Empty(t, receiver.events)
	require.Empty(t, receiver.fhir)
	receiver.recover()
	require.Eventually(t, receiver.has(entries(d)), patience, 20*time.Millisecond)

	held := make(chan struct{})
	receiver.mu.Lock()
	receiver.hold = held
	receiver.mu.Unlock()
	enrol(d, "held")
	select {
	case <-held:
	case <-time.After(patience):
		t.Fatal("nothing is delivered")
	}
	d.kill()
	receiver.mu.Lock()
	before := len(receiver.ids)
	receiver.mu.Unlock()
	d = serve(t, dir)
	enrol(d, "again")
	require.Eventually(t, receiver.has(entries(d)), patience, 20*time.Millisecond)

	receiver.mu.Lock()
	defer receiver.mu.Unlock()
	require.Equal(t, receiver.ids[before-1], receiver.ids[before], "it is known by its id")
	next := int64(1)
	for _, seq := range slices.Delete(slices.Clone(receiver.events), before, before+1) {
		require.Equal(t, next, seq)
		next++
	}
	file := read(t, filepath.Join(dir, "audit.jsonl"))
	require.Contains(t, string(file), `"action":"delivery.begin"`)
}
