package ship

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/store/audit"
	"github.com/betonica/betonica/store/audit/journal"
)

// A far end answers each batch as it is told, and notes when it came.
type farEnd struct {
	status  int
	header  http.Header
	detail  string
	reader  []byte
	asked   []time.Time
	brought int // of those that had entries
}

func (f *farEnd) RoundTrip(r *http.Request) (*http.Response, error) {
	b, err := journal.ReadBatch(r.Body)
	if err != nil {
		return nil, err
	}
	f.asked = append(f.asked, time.Now())
	resp := &http.Response{StatusCode: http.StatusOK, Header: f.header, Request: r}
	body := fmt.Sprintf(`{"next":1,"reader":%q}`, base64.StdEncoding.EncodeToString(f.reader))
	if len(b.Rows) > 0 {
		f.brought++
		resp.StatusCode, body = f.status, `{"detail":"`+f.detail+`"}`
	}
	resp.Body = io.NopCloser(strings.NewReader(body))
	return resp, nil
}

// kept returns a journal of one entry that is signed for.
func kept(t *testing.T) *journal.Journal {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(t, err)
	cfg := journal.Config{
		Dir: filepath.Join(t.TempDir(), "journal"), Identity: "test.example/gateway/gw-1",
		Certificate: func() (*tls.Certificate, error) {
			return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, nil
		},
	}
	j, err := journal.Open(cfg)
	require.NoError(t, err)
	require.NoError(t, j.Append(t.Context(), audit.Event{Action: "access.request", Actor: "device/pump-1"}))
	require.NoError(t, j.Close())
	j, err = journal.Open(cfg)
	require.NoError(t, err)
	return j
}

// A CA that says when to come again is not asked before, is asked within the hour, and is
// brought the same batch: where the journal is, it said before. The log has why, and each
// hour again.
func TestLater(t *testing.T) {
	for _, tt := range []struct {
		name        string
		status      int
		after       string
		least, most time.Duration // between two batches
		says        string
	}{
		{"a share is used up", http.StatusTooManyRequests, "600", 10 * time.Minute, 18 * time.Minute, "429 Too Many Requests"},
		{"until tomorrow", http.StatusTooManyRequests, "86000", time.Hour, 68 * time.Minute, "429 Too Many Requests"},
		{"the archive is full", http.StatusInsufficientStorage, "3600", time.Hour, 68 * time.Minute, "nobody is let in"},
		{"busy", http.StatusServiceUnavailable, "900", 15 * time.Minute, 23 * time.Minute, "503 Service Unavailable"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				j := kept(t)
				far := &farEnd{status: tt.status, header: http.Header{"Retry-After": {tt.after}}, detail: "no room", reader: audit.NewKeys(audit.NewMaster()).ReaderKey()}
				var log bytes.Buffer
				s := New(Config{Journal: j, URL: "https://ca.test", Client: &http.Client{Transport: far}, Log: slog.New(slog.NewTextHandler(&log, nil))})
				ctx, stop := context.WithTimeout(t.Context(), 5*time.Hour)
				defer stop()
				s.Run(ctx)
				require.NoError(t, j.Close())
				require.Equal(t, far.brought+1, len(far.asked), "it asked once where to go on")
				require.Greater(t, far.brought, 2)
				for i := 2; i < len(far.asked); i++ {
					between := far.asked[i].Sub(far.asked[i-1])
					require.GreaterOrEqual(t, between, tt.least)
					require.LessOrEqual(t, between, tt.most)
				}
				require.Contains(t, log.String(), tt.says)
				require.NotContains(t, log.String(), "takes the journal again")
				said := strings.Count(log.String(), "was not shipped")
				require.GreaterOrEqual(t, said, 3)
				require.LessOrEqual(t, said, 5)
			})
		})
	}
}

// Retry-After is a number of seconds or a date, and never more than an hour.
func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	for text, want := range map[string]time.Duration{
		"": 0, "0": 0, "90": 90 * time.Second, "3601": time.Hour, "18446744073709551615": time.Hour, "-5": 0, "soon": 0,
		"Sun, 22 Nov 2026 12:10:00 GMT": 10 * time.Minute, "Sun, 22 Nov 2026 11:00:00 GMT": 0, "Mon, 23 Nov 2026 12:00:00 GMT": time.Hour,
	} {
		require.Equal(t, want, retryAfter(text, now), text)
	}
}
