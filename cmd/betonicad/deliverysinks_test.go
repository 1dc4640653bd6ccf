package main_test

import (
	"bufio"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/cmd/internal/adminapi"
	"github.com/betonica/betonica/cmd/internal/deliver/wire/wiretest"
	"github.com/betonica/betonica/enroll/api"
)

// A hospital is an audit record repository and an Alertmanager.
type hospital struct {
	mu       sync.Mutex
	messages []string
	alerts   map[string]bool // rule: it is open
}

// repository takes frames of RFC 5425 of one connection after the other.
func (h *hospital) repository(t *testing.T, a *wiretest.Authority) (address string) {
	l, err := tls.Listen("tcp", "127.0.0.1:0", a.Server(a.Issue("127.0.0.1"), true))
	require.NoError(t, err)
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go h.frames(c)
		}
	}()
	return l.Addr().String()
}

func (h *hospital) frames(c io.ReadCloser) {
	defer c.Close()
	in := bufio.NewReader(c)
	for {
		length, err := in.ReadString(' ')
		if err != nil {
			return
		}
		n, err := strconv.Atoi(strings.TrimSpace(length))
		if err != nil || n > 1<<16 {
			return
		}
		message := make([]byte, n)
		if _, err := io.ReadFull(in, message); err != nil {
			return
		}
		h.mu.Lock()
		h.messages = append(h.messages, string(message))
		h.mu.Unlock()
	}
}

func (h *hospital) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var all []struct {
		Labels   map[string]string
		StartsAt string
		EndsAt   string
	}
	if r.URL.Path != "/api/v2/alerts" || json.NewDecoder(r.Body).Decode(&all) != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, a := range all {
		h.alerts[a.Labels["alertname"]] = a.EndsAt == ""
	}
}

// The daemon sends its log to a repository as audit messages, in order and from the first
// entry on, and tells Alertmanager of a token that is used twice.
func TestDeliverySinks(t *testing.T) {
	t.Parallel()
	a := wiretest.New(t)
	ours := a.Issue("betonica")
	h := &hospital{alerts: make(map[string]bool)}
	web := httptest.NewServer(h)
	defer web.Close()
	dir := newCA(t)
	config := filepath.Join(dir, "betonica.toml")
	require.NoError(t, os.WriteFile(config, fmt.Appendf(read(t, config), `
[deliver.syslog]
address = "%s"
ca_file = "%s"
cert_file = "%s"
key_file = "%s"
[deliver.alertmanager]
url = "%s"
[deliver.mail]
server = "127.0.0.1:1"
from = "ca@hospital.example"
to = ["security@hospital.example"]
`, h.repository(t, a), a.CAFile, ours.CertFile, ours.KeyFile, web.URL), 0o600))
	d := serve(t, dir)
	token, err := d.admin(t).CreateToken(t.Context(), adminapi.TokenRequest{Role: "device", Name: "pump-7"})
	require.NoError(t, err)
	for _, want := range []int{http.StatusCreated, http.StatusConflict} {
		c, err := dial(d.HTTPS, rootsOf(t, dir))
		require.NoError(t, err)
		defer c.Close()
		status, answer, err := c.post(api.PathEnroll, token.Secret, newRequest(t).csr)
		require.NoError(t, err)
		require.Equal(t, want, status, "%s", answer)
	}
	require.Eventually(t, func() bool {
		h.mu.Lock()
		defer h.mu.Unlock()
		return h.alerts["A06"] && slices.ContainsFunc(h.messages, func(m string) bool { return strings.Contains(m, `csd-code="alert.open"`) })
	}, patience, 20*time.Millisecond)
	h.mu.Lock()
	defer h.mu.Unlock()
	for i, m := range h.messages {
		require.Regexp(t, `^<8[45]>1 \S+ \S+ betonicad \d+ IHE\+RFC-3881 - <\?xml `, m)
		require.Contains(t, m, fmt.Sprintf(`type="auditSeq" value="%s"`, base64.StdEncoding.EncodeToString([]byte(strconv.Itoa(i+1)))))
	}
}
