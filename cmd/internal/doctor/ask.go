package doctor

import (
	"bufio"
	"context"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"golang.org/x/sys/unix"
)

// A Daemon is what a running one tells of itself.
type Daemon struct {
	At       string   // where it answers: a socket's path, or host and port
	PID      int      // of who listens at the socket; 0: not known
	Troubles []string // the lines of /readyz; none: it is ready
	metrics  map[string]*dto.MetricFamily
}

// Bounds of what is taken for an answer.
const (
	askFor    = 5 * time.Second
	maxAnswer = 16 << 20
)

// ErrSilent says that nothing answers.
var ErrSilent = errors.New("no daemon answers")

// Ask asks the daemon behind a Unix socket, or where that cannot be reached the one
// at ops, which may be empty. The error is [ErrSilent] if neither answers.
func Ask(ctx context.Context, socket, ops string) (*Daemon, error) {
	ctx, cancel := context.WithTimeout(ctx, askFor)
	defer cancel()
	d := &Daemon{At: socket}
	over := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		conn, err := (&net.Dialer{}).DialContext(ctx, "unix", socket)
		if err == nil {
			d.PID = pidOf(conn.(*net.UnixConn))
		}
		return conn, err
	}}
	defer over.CloseIdleConnections()
	err := d.ask(ctx, &http.Client{Transport: over}, "http://betonica")
	if err != nil && ops != "" {
		plain := &http.Transport{}
		defer plain.CloseIdleConnections()
		d.At = ops
		err = d.ask(ctx, &http.Client{Transport: plain}, "http://"+ops)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrSilent, err)
	}
	return d, nil
}

func (d *Daemon) ask(ctx context.Context, c *http.Client, base string) error {
	status, body, err := get(ctx, c, base+"/readyz")
	if err != nil {
		return err
	}
	text, err := io.ReadAll(body)
	if err = errors.Join(err, body.Close()); err != nil {
		return err
	}
	switch status {
	case http.StatusOK:
	case http.StatusServiceUnavailable:
		d.Troubles = strings.Split(strings.TrimSpace(string(text)), "\n")
	default:
		return fmt.Errorf("GET /readyz: status %d", status)
	}
	if status, body, err = get(ctx, c, base+"/metrics"); err != nil {
		return err
	}
	defer body.Close()
	if status != http.StatusOK {
		return fmt.Errorf("GET /metrics: status %d", status)
	}
	d.metrics, err = parseMetrics(body)
	return err
}

// stranger says of what the daemon is that answers where the one of a folder would; empty if
// it is that one, as far as what it tells of itself goes. holder is who holds the folder's
// lock, 0 if nobody does.
func (d *Daemon) stranger(root *x509.Certificate, socket string, holder int) string {
	other := "of another CA"
	for _, s := range d.samples("betonica_certificate_not_after_timestamp_seconds") {
		if s.labels["certificate"] == "root" && s.labels["issuer"] == hex.EncodeToString(root.SubjectKeyId) {
			other = ""
		}
	}
	if other != "" || holder != 0 {
		return other
	}
	// In a container the folder may have another path, and its daemon another process
	// number: both have to speak against it.
	for _, s := range d.samples("betonica_listener_info") {
		if s.labels["listener"] == "socket" && s.labels["address"] != socket {
			return "of another folder, with the socket " + s.labels["address"]
		}
	}
	return ""
}

// get returns an answer of at most maxAnswer bytes.
func get(ctx context.Context, c *http.Client, url string) (status int, body io.ReadCloser, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, nil, err
	}
	resp, err := c.Do(req)
	if err != nil {
		return 0, nil, err
	}
	return resp.StatusCode, struct {
		io.Reader
		io.Closer
	}{io.LimitReader(resp.Body, maxAnswer), resp.Body}, nil
}

func parseMetrics(r io.Reader) (map[string]*dto.MetricFamily, error) {
	p := expfmt.NewTextParser(model.LegacyValidation)
	all, err := p.TextToMetricFamilies(bufio.NewReader(r))
	if err != nil {
		return nil, fmt.Errorf("reading the daemon's metrics: %w", err)
	}
	if all["betonica_ready"] == nil {
		return nil, errors.New("what answers is not betonicad, or an older version")
	}
	return all, nil
}

// pidOf returns the process that listens at the other end (unix(7), SO_PEERCRED).
func pidOf(c *net.UnixConn) (pid int) {
	raw, err := c.SyscallConn()
	if err != nil {
		return 0
	}
	err = raw.Control(func(fd uintptr) {
		if cred, err := unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED); err == nil {
			pid = int(cred.Pid)
		}
	})
	if err != nil {
		return 0
	}
	return pid
}
