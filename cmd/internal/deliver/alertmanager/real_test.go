package alertmanager

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
	"unicode"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/bcrypt"

	"github.com/betonica/betonica/cmd/internal/deliver"
	"github.com/betonica/betonica/cmd/internal/deliver/wire"
	"github.com/betonica/betonica/cmd/internal/deliver/wire/wiretest"
	"github.com/betonica/betonica/store/alert"
	"github.com/betonica/betonica/store/audit/plain/plaintest"
)

// A manager is Debian's Alertmanager, behind TLS and a password.
type manager struct {
	t      *testing.T
	url    string
	client *http.Client
}

const password = "open sesame"

func newManager(t *testing.T, a *wiretest.Authority) *manager {
	t.Helper()
	program, err := exec.LookPath("prometheus-alertmanager")
	if err != nil {
		if os.Getenv("CI") == "true" {
			require.NoError(t, err)
		}
		t.Skip("left out: prometheus-alertmanager is not installed")
	}
	dir, pair := t.TempDir(), a.Issue("127.0.0.1")
	hash, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)
	require.NoError(t, err)
	for name, text := range map[string]string{
		"config.yml": "route:\n  receiver: nobody\nreceivers:\n- name: nobody\n",
		"web.yml":    fmt.Sprintf("tls_server_config:\n  cert_file: %s\n  key_file: %s\nbasic_auth_users:\n  betonica: %s\n", pair.CertFile, pair.KeyFile, hash),
	} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	address := l.Addr().String()
	l.Close()
	var said bytes.Buffer
	cmd := exec.Command(program, "--config.file="+filepath.Join(dir, "config.yml"), "--web.config.file="+filepath.Join(dir, "web.yml"),
		"--storage.path="+filepath.Join(dir, "data"), "--web.listen-address="+address, "--cluster.listen-address=")
	cmd.Stdout, cmd.Stderr = &said, &said
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	m := &manager{t: t, url: "https://" + address, client: wire.Client(wire.TLS{CAFile: a.CAFile}, time.Minute)}
	t.Cleanup(m.client.CloseIdleConnections)
	require.Eventually(t, func() bool {
		r, err := http.NewRequest("GET", m.url+"/-/ready", nil)
		require.NoError(t, err)
		r.SetBasicAuth("betonica", password)
		resp, err := m.client.Do(r)
		if err != nil {
			return false
		}
		resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	}, 30*time.Second, 50*time.Millisecond, "%s", &said)
	return m
}

// A gettable is what Alertmanager says of an alert that it has.
type gettable struct {
	Labels, Annotations map[string]string
	StartsAt, EndsAt    time.Time
	Status              struct{ State string }
}

// alerts returns the alerts that fire, by the label "alert".
func (m *manager) alerts() map[string]gettable {
	m.t.Helper()
	r, err := http.NewRequest("GET", m.url+"/api/v2/alerts", nil)
	require.NoError(m.t, err)
	r.SetBasicAuth("betonica", password)
	resp, err := m.client.Do(r)
	require.NoError(m.t, err)
	defer resp.Body.Close()
	require.Equal(m.t, http.StatusOK, resp.StatusCode)
	var all []gettable
	require.NoError(m.t, json.NewDecoder(resp.Body).Decode(&all))
	found := make(map[string]gettable)
	for _, a := range all {
		found[a.Labels["alert"]] = a
	}
	require.Len(m.t, found, len(all))
	return found
}

func (m *manager) sink(b *book, a *wiretest.Authority) *Sink {
	file := filepath.Join(m.t.TempDir(), "password")
	require.NoError(m.t, os.WriteFile(file, []byte(password), 0o600))
	return sinkTo(m.t, b, m.url, func(c *Config) {
		c.TLS, c.User, c.PasswordFile = wire.TLS{CAFile: a.CAFile}, "betonica", file
	})
}

// The real Alertmanager shows what is open, once however often it is told, with what a
// person has to know; and no more what is resolved.
func TestAlertmanager(t *testing.T) {
	t.Parallel()
	authority := wiretest.New(t)
	m := newManager(t, authority)
	old, young := anAlert(1, 3*time.Hour), anAlert(2, time.Minute)
	young.Rule, young.Subject, young.Site, young.Subjects = "F04", "", "", []string{"device/a", "device/b"}
	b := &book{open: []alert.Alert{old, young}}
	s := m.sink(b, authority)
	n, err := s.Send(t.Context(), []deliver.Record{record(1, alert.Opening, old), record(2, alert.Opening, young)})
	require.NoError(t, err)
	require.Equal(t, 2, n)
	require.NoError(t, s.repeat(t.Context()))
	found := m.alerts()
	require.Len(t, found, 2)
	one := found["1"]
	require.Equal(t, map[string]string{
		"alertname": "A03", "alert": "1", "severity": "critical", "site": "ward-3", "subject": "device/pump-7", "ca": "hospital.example/log",
	}, one.Labels)
	require.WithinDuration(t, old.Opened, one.StartsAt, time.Millisecond)
	require.WithinDuration(t, time.Now().Add(5*time.Minute), one.EndsAt, time.Minute, "it is told again before")
	require.Equal(t, "from 10.0.0.1 at 09:00", one.Annotations["fact_1"])
	require.Equal(t, "from 172.16.0.9 at 09:00:20", one.Annotations["fact_2"])
	require.Equal(t, "entry 7, entry 9 of hospital.example/journal/icu", one.Annotations["entries"])
	rule, _ := alert.RuleOf("A03")
	require.Equal(t, rule.Title, one.Annotations["title"])
	require.Equal(t, rule.Do, one.Annotations["do"])
	require.Equal(t, "device/a, device/b", found["2"].Annotations["subjects"])
	require.NotContains(t, found["2"].Labels, "subject")

	// A person's word changes no label: it stays the same alert.
	b.open[0].State, b.open[0].By, b.open[0].Word = alert.Acknowledged, "person/alice", "it was moved"
	_, err = s.Send(t.Context(), []deliver.Record{record(3, alert.Acknowledging, b.open[0])})
	require.NoError(t, err)
	found = m.alerts()
	require.Len(t, found, 2)
	require.Equal(t, "it was moved", found["1"].Annotations["word"])

	b.open = nil
	old.Why, young.Why = "quiet", "quiet"
	_, err = s.Send(t.Context(), []deliver.Record{record(4, alert.Resolving, old), record(5, alert.Resolving, young), record(6, alert.Resolving, anAlert(77, time.Hour))})
	require.NoError(t, err)
	require.Empty(t, m.alerts())
	require.NoError(t, s.repeat(t.Context()))
	require.Empty(t, m.alerts())
}

// A clock of ours that is wrong by hours neither ends an alert nor has it refused.
func TestAlertmanagerClock(t *testing.T) {
	t.Parallel()
	authority := wiretest.New(t)
	m := newManager(t, authority)
	b := &book{open: []alert.Alert{anAlert(1, 3*time.Hour), anAlert(2, -30*time.Minute)}}
	s := m.sink(b, authority)
	for _, wrong := range []time.Duration{-3 * time.Hour, 30 * time.Minute} {
		s.conf.Now = func() time.Time { return time.Now().Add(wrong) }
		require.NoError(t, s.repeat(t.Context()))
		require.Len(t, m.alerts(), 2)
	}
	_, err := s.Send(t.Context(), []deliver.Record{record(1, alert.Resolving, anAlert(1, 3*time.Hour))})
	require.NoError(t, err)
	require.Len(t, m.alerts(), 1)
}

// No stranger's text makes a label or another alert, or is refused: what the real
// Alertmanager has of it is printable, and where it was put.
func TestHostile(t *testing.T) {
	t.Parallel()
	authority := wiretest.New(t)
	m := newManager(t, authority)
	b := &book{}
	for _, text := range plaintest.Hostile() {
		a := anAlert(int64(len(b.open)+1), 0)
		a.Site, a.Subject, a.Facts, a.By, a.Word, a.Why, a.Subjects = text, text, [2]string{text, text}, text, text, text, []string{text, text}
		a.Entries = []alert.Ref{{Origin: text, Seq: 1}}
		b.open = append(b.open, a)
	}
	s := m.sink(b, authority)
	require.NoError(t, s.repeat(t.Context()))
	found := m.alerts()
	require.Len(t, found, len(b.open))
	for _, a := range found {
		for name, value := range a.Labels {
			require.Contains(t, []string{"alertname", "alert", "severity", "site", "subject", "ca"}, name)
			require.LessOrEqual(t, len(value), maxLabel)
			require.Negative(t, strings.IndexFunc(value, func(r rune) bool { return !unicode.IsPrint(r) }), "%q", value)
		}
		require.Equal(t, "A03", a.Labels["alertname"])
		require.Equal(t, "critical", a.Labels["severity"])
		for name, value := range a.Annotations {
			require.LessOrEqual(t, len(value), maxNote, name)
			require.Negative(t, strings.IndexFunc(value, func(r rune) bool { return !unicode.IsPrint(r) }), "%q", value)
		}
	}
}
