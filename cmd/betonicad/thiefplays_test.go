package main_test

import (
	"bytes"
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/cmd/internal/adminapi"
	"github.com/betonica/betonica/enroll/api"
	"github.com/betonica/betonica/enroll/enrolltest"
)

// tickOf is how often these tests look again.
const tickOf = 20 * time.Millisecond

// A thiefWorld is a daemon whose devices are stolen.
type thiefWorld struct {
	t     *testing.T
	d     *daemon
	admin *adminapi.Client
	roots *x509.CertPool
	maker *enrolltest.Manufacturer
	next  int // for names
}

func newThiefWorld(t *testing.T) *thiefWorld {
	maker := enrolltest.NewManufacturer(t, "Pumps")
	dir := newCA(t)
	policy := filepath.Join(dir, "policy.toml")
	text, err := os.ReadFile(policy)
	require.NoError(t, err)
	text = fmt.Appendf(text, `
[role.strict]
fork = "refuse"

[role.brief]
lifetime = "1s"

[role.late]
lifetime = "1s"
grace = "30d"

[role.pump]
methods = ["birth", "renew"]
manufacturer_roots = '''
%s'''

[role.asker]
methods = ["approval", "renew"]
`, maker.PEM())
	require.NoError(t, os.WriteFile(policy, text, 0o600))
	config := filepath.Join(dir, "betonica.toml")
	text, err = os.ReadFile(config)
	require.NoError(t, err)
	text = bytes.Replace(text, []byte("\n[est]\n"), []byte("\n[est]\nenabled = true\nlisten = \"127.0.0.1:0\"\n"), 1)
	require.NoError(t, os.WriteFile(config, text, 0o600))
	d := serve(t, dir)
	return &thiefWorld{t: t, d: d, admin: d.admin(t), roots: rootsOf(t, dir), maker: maker}
}

// A victim is a machine that was enrolled.
type victim struct {
	name, token string
	request     request
	own         tls.Certificate
}

func (w *thiefWorld) token(role string) (name, token string) {
	w.next++
	name = fmt.Sprintf("victim-%d", w.next)
	made, err := w.admin.CreateToken(w.t.Context(), adminapi.TokenRequest{Role: role, Name: name})
	require.NoError(w.t, err)
	return name, made.Secret
}

func (w *thiefWorld) victim(role string) victim {
	v := victim{request: newRequest(w.t)}
	v.name, v.token = w.token(role)
	status, chain := w.post(api.PathEnroll, v.token, v.request.csr)
	require.Equal(w.t, "201", status, chain)
	var err error
	v.own, err = v.request.certificate([]byte(chain))
	require.NoError(w.t, err)
	return v
}

// post sends a request over a connection of its own.
func (w *thiefWorld) post(path, bearer string, body []byte, own ...tls.Certificate) (status, answer string) {
	w.t.Helper()
	c, err := dial(w.d.HTTPS, w.roots, own...)
	require.NoError(w.t, err)
	defer c.Close()
	code, text, err := c.post(path, bearer, body)
	require.NoError(w.t, err)
	return fmt.Sprint(code), string(text)
}

func (w *thiefWorld) enrol(token string) string {
	status, _ := w.post(api.PathEnroll, token, newRequest(w.t).csr)
	return status
}

func (w *thiefWorld) renew(own tls.Certificate) string {
	status, _ := w.post(api.PathRenew, "", newRequest(w.t).csr, own)
	return status
}

// renewed has the machine renew, and say that it is in use.
func (w *thiefWorld) renewed(v victim) {
	next := newRequest(w.t)
	status, chain := w.post(api.PathRenew, "", next.csr, v.own)
	require.Equal(w.t, "201", status, chain)
	own, err := next.certificate([]byte(chain))
	require.NoError(w.t, err)
	status, answer := w.post(api.PathConfirm, "", nil, own)
	require.Equal(w.t, "204", status, answer)
}

// expired waits until a certificate has.
func (w *thiefWorld) expired(v victim) {
	require.Eventually(w.t, func() bool { return time.Now().After(v.own.Leaf.NotAfter) }, patience, tickOf)
}

// born puts a device on record, and returns what its maker gave it.
func (w *thiefWorld) born() (serial string, birth tls.Certificate) {
	w.next++
	serial = fmt.Sprintf("SN-%d", w.next)
	results, err := w.admin.Import(w.t.Context(), adminapi.ImportRequest{Role: "pump", Lines: []adminapi.ImportLine{{Serial: serial}}})
	require.NoError(w.t, err)
	require.Equal(w.t, adminapi.LineImported, results[0].Status)
	key, chain := w.maker.Device(serial)
	return serial, pair(key, chain)
}

func pair(key crypto.Signer, chain []*x509.Certificate) tls.Certificate {
	c := tls.Certificate{PrivateKey: key, Leaf: chain[0]}
	for _, one := range chain {
		c.Certificate = append(c.Certificate, one.Raw)
	}
	return c
}

func (w *thiefWorld) enrolBorn(birth tls.Certificate) string {
	status, _ := w.post(api.PathEnroll, "", newRequest(w.t).csr, birth)
	return status
}

// est asks for a certificate by EST.
func (w *thiefWorld) est(token string) string {
	req, err := http.NewRequestWithContext(w.t.Context(), "POST", "https://"+w.d.EST+"/.well-known/est/device/simpleenroll", strings.NewReader(base64.StdEncoding.EncodeToString(newRequest(w.t).csr)))
	require.NoError(w.t, err)
	req.Header.Set("Content-Type", "application/pkcs10")
	if token != "" {
		req.SetBasicAuth("device", token)
	}
	from := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 2)}} // whom nobody has seen guess before
	resp, err := w.client(from).Do(req)
	require.NoError(w.t, err)
	defer resp.Body.Close()
	return fmt.Sprint(resp.StatusCode)
}

// impostor is a server with a certificate of a machine of the same CA, which hands out the
// CA's root as the CA does. The tool of a machine that enrols asks it for that, and for
// nothing else.
func (w *thiefWorld) impostor() string {
	root, err := os.ReadFile(w.d.dir + ".root/root.pem")
	require.NoError(w.t, err)
	name, token := w.token("device")
	asked := make(chan string, 100)
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, api.PathRoots) && r.Header.Get("Authorization") == "" {
			rw.Write(root)
			return
		}
		asked <- r.Method + " " + r.URL.Path
	}))
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.TLS = &tls.Config{Certificates: []tls.Certificate{w.victim("service").own}}
	server.StartTLS()
	defer server.Close()

	dir := w.t.TempDir()
	require.NoError(w.t, os.WriteFile(filepath.Join(dir, "token"), []byte(token), 0o600))
	cmd, err := command("betonica", "enroll", "--url", server.URL, "--token-file", filepath.Join(dir, "token"), "--out", filepath.Join(dir, name))
	require.NoError(w.t, err)
	out, err := cmd.CombinedOutput()
	require.Error(w.t, err, "%s", out)
	select {
	case request := <-asked:
		return request
	default:
		return "nothing: no request with the token comes"
	}
}

// plays are the lines of the table, each as what the thief is answered. Some go on where
// another left off, in the order of the table.
func (w *thiefWorld) plays() map[[2]string]func() string {
	const (
		image   = "a disk image, before its machine has enrolled"
		inUse   = "key and certificate in use"
		est     = "nothing"
		renews  = "renews with them"
		enrols  = "enrols"
		renewed = "the machine renews after him"
	)
	var stolen string // a token
	var copied victim
	return map[[2]string]func() string{
		{image, "enrols first"}: func() string {
			_, stolen = w.token("device")
			return w.enrol(stolen)
		},
		{image, "the machine enrols after him"}: func() string { return w.enrol(stolen) },
		{"a join token that is spent", "enrols with a key of his own"}: func() string {
			return w.enrol(w.victim("device").token)
		},
		{"a request that somebody sent, with its token", "sends it again"}: func() string {
			v := w.victim("device")
			status, chain := w.post(api.PathEnroll, v.token, v.request.csr)
			again, err := v.request.certificate([]byte(chain))
			require.NoError(w.t, err)
			require.Equal(w.t, v.own.Leaf.Raw, again.Leaf.Raw)
			return status + ", the same certificate"
		},
		{inUse, "renews before the machine"}: func() string {
			copied = w.victim("device")
			return w.renew(copied.own)
		},
		{inUse, renewed}: func() string { return w.renew(copied.own) },
		{inUse + ", of a role that refuses forks", renewed}: func() string {
			v := w.victim("strict")
			require.Equal(w.t, "201", w.renew(v.own))
			return w.renew(v.own)
		},
		{"key and certificate, renewed since and in use", renews}: func() string {
			v := w.victim("device")
			w.renewed(v)
			return w.renew(v.own)
		},
		{"key and certificate, revoked", renews}: func() string {
			v := w.victim("device")
			_, err := w.admin.Revoke(w.t.Context(), adminapi.RevokeRequest{Identity: "device/" + v.name})
			require.NoError(w.t, err)
			return w.renew(v.own)
		},
		{"key and certificate, expired", renews}: func() string {
			v := w.victim("brief")
			w.expired(v)
			status, _ := w.post(api.PathRenewLate, "", newRequest(w.t).csr, v.own)
			return status
		},
		{"key and certificate, expired, of a role with grace, whose machine went on", renews}: func() string {
			v := w.victim("late")
			w.renewed(v)
			w.expired(v)
			status, _ := w.post(api.PathRenewLate, "", newRequest(w.t).csr, v.own)
			return status
		},
		{"a birth certificate with its key, of a device in service", enrols}: func() string {
			_, birth := w.born()
			require.Equal(w.t, "201", w.enrolBorn(birth))
			return w.enrolBorn(birth)
		},
		{"a birth certificate of a manufacturer of his own, with a device's serial number", enrols}: func() string {
			serial, _ := w.born()
			return w.enrolBorn(pair(enrolltest.NewManufacturer(w.t, "Forgers").Device(serial)))
		},
		{"a second birth certificate of the manufacturer, with the serial number of another's device", enrols}: func() string {
			serial, birth := w.born()
			require.Equal(w.t, "201", w.enrolBorn(birth))
			return w.enrolBorn(pair(w.maker.Device(serial)))
		},
		{est, "asks by EST"}: func() string { return w.est("") },
		{est, "asks by EST with a token that he made up"}: func() string {
			return w.est("bt1." + strings.Repeat("A", 43) + "." + strings.Repeat("A", 43))
		},
		{"a machine's certificate, and its address book", "poses as the CA to a machine that enrols"}: w.impostor,
		{"one network", "asks for approval, again and again"}:                                         func() string { return w.flood(1) },
		{"many networks", "ask for approval, again and again"}:                                        func() string { return w.flood(80) },
	}
}

// flood asks for approval from so many networks, in turn, until it is refused.
func (w *thiefWorld) flood(networks int) string {
	for n := range 2_000 {
		from := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, byte(n%networks+networks), 1)}}
		client := w.client(from)
		csr := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: newRequest(w.t).csr})
		body, err := json.Marshal(api.EnrollRequest{CSR: string(csr), Ask: true, Role: "asker"})
		require.NoError(w.t, err)
		resp, err := client.Post("https://"+w.d.HTTPS+api.PathEnroll, api.MediaJSON, bytes.NewReader(body))
		require.NoError(w.t, err)
		resp.Body.Close()
		if resp.StatusCode != http.StatusAccepted {
			return fmt.Sprint(resp.StatusCode)
		}
	}
	return "202"
}

// client is one of which nobody knows anything.
func (w *thiefWorld) client(from *net.Dialer) *http.Client {
	return &http.Client{Transport: &http.Transport{
		DialContext: from.DialContext, DisableKeepAlives: true, TLSClientConfig: &tls.Config{RootCAs: w.roots, ServerName: "localhost"},
	}}
}
