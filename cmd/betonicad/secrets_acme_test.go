package main_test

import (
	"bytes"
	"encoding/hex"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/acme"

	"github.com/betonica/betonica/cmd/internal/adminapi"
)

// Over ACME, too, no secret is seen: not the HMAC key, of which the store keeps a
// sealed copy, whoever gives it as what; not what a client shows for a challenge;
// and not what a server answers to whom validation came by mistake.
func TestSecretsACME(t *testing.T) {
	t.Parallel()
	const name = "localhost" // which is not web's without a challenge
	site := newSite(t)
	dir := newCA(t)
	configure(t, dir, "acme", `http_port = `+site.port(t), `allow_networks = ["127.0.0.0/8", "::1/128"]`)
	d := serve(t, dir)
	said := &listener{RoundTripper: trusting(t, dir)}
	_, err := d.admin(t).CreateIdentity(t.Context(), adminapi.IdentityRequest{Role: "service", Name: "web", DNSNames: []string{"web.service." + trustDomain}})
	require.NoError(t, err)
	token := d.newEAB(t, "service", "web")
	key := hmacKey(t, token)
	require.Equal(t, 1, count(t, dir, `SELECT count(*) FROM tokens WHERE length(sealed) > 0`), "it has to be kept somewhere")

	web := newAccount(t, d, said)
	require.Error(t, web.bind(token.HMACKey, key), "the key where its name belongs")
	require.Error(t, web.bind(token.KID, []byte("another")))
	require.NoError(t, web.bind(token.KID, key))
	require.Error(t, newAccount(t, d, said).bind(token.KID, key), "spent")

	// The first time another server answers, which tells what it would tell nobody
	// else; the second time it is the client.
	var shown []string
	for _, right := range []bool{false, true} {
		order, err := web.AuthorizeOrder(t.Context(), acme.DomainIDs(name))
		require.NoError(t, err)
		authz, err := web.GetAuthorization(t.Context(), order.AuthzURLs[0])
		require.NoError(t, err)
		challenge := challengeOf(t, authz, "http-01")
		text, err := web.HTTP01ChallengeResponse(challenge.Token)
		require.NoError(t, err)
		shown = append(shown, text)
		if right {
			site.show(web.HTTP01ChallengePath(challenge.Token), text)
		}
		_, err = web.Accept(t.Context(), challenge)
		require.NoError(t, err)
		_, err = web.WaitAuthorization(t.Context(), order.AuthzURLs[0])
		if !right {
			require.Error(t, err)
			continue
		}
		require.NoError(t, err)
		_, err = web.finalize(order, name)
		require.NoError(t, err)
	}
	require.EqualValues(t, 2, site.asked())
	said.note(run(t, "betonica", "token", "list", "--socket", d.Socket, "-o", "json"))
	said.note(run(t, "betonica", "audit", "list", "--socket", d.Socket, "-o", "json"))
	require.NoError(t, d.stop())
	require.Equal(t, 3, count(t, dir, `SELECT count(*) FROM audit WHERE action IN ('token.refuse', 'token.reuse')`), "what went wrong is on record")

	d.hides(t, said.String(), map[string]needle{
		"the HMAC key":             {[]byte(token.HMACKey), ""},
		"the HMAC key's bytes":     {key, ""},
		"the HMAC key in hex":      {[]byte(hex.EncodeToString(key)), ""},
		"what a stranger answered": {[]byte(stranger), ""},
		"what did not come":        {[]byte(shown[0]), ""},
		"what the client showed":   {[]byte(shown[1]), ""},
	}, filepath.Dir(dir))
}

// configure sets keys of a table of the CA's configuration.
func configure(t testing.TB, dir, table string, lines ...string) {
	file := filepath.Join(dir, "betonica.toml")
	before, after, found := strings.Cut(string(read(t, file)), "\n["+table+"]\n")
	require.True(t, found)
	text := before + "\n[" + table + "]\n" + strings.Join(lines, "\n") + "\n" + after
	require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
}

func challengeOf(t testing.TB, authz *acme.Authorization, typ string) *acme.Challenge {
	for _, c := range authz.Challenges {
		if c.Type == typ {
			return c
		}
	}
	require.Fail(t, "no such challenge", typ)
	return nil
}

// A listener keeps all that a server answers.
type listener struct {
	http.RoundTripper

	mu   sync.Mutex
	text strings.Builder
}

func (l *listener) note(text string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text.WriteString(text)
}

func (l *listener) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func (l *listener) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := l.RoundTripper.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	var header strings.Builder
	if err := resp.Header.Write(&header); err != nil {
		return nil, err
	}
	l.note(header.String() + string(body))
	resp.Body = io.NopCloser(bytes.NewReader(body))
	return resp, nil
}

// stranger is what a site answers that was not told what to show.
const stranger = "the password of the database"

// A site is where challenges are looked for.
type site struct {
	*httptest.Server

	mu    sync.Mutex
	files map[string]string // by path
	calls int
}

func newSite(t testing.TB) *site {
	s := &site{files: map[string]string{}}
	s.Server = httptest.NewServer(s)
	t.Cleanup(s.Close)
	return s
}

func (s *site) port(t testing.TB) string {
	_, port, err := net.SplitHostPort(s.Listener.Addr().String())
	require.NoError(t, err)
	return port
}

func (s *site) show(path, text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.files[path] = text
}

func (s *site) asked() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.calls
}

func (s *site) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls++
	text, ok := s.files[r.URL.Path]
	if !ok {
		text = stranger
	}
	io.WriteString(w, text)
}
