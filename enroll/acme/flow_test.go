package acme_test

import (
	"bytes"
	"crypto/x509"
	"encoding/base64"
	"net/http"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/enroll/acme"
	"github.com/betonica/betonica/enroll/enrolltest"
	"github.com/betonica/betonica/store"
	"github.com/betonica/betonica/store/storetest"
)

// A token is enough: an account that it has bound orders the names of its identity
// and has its certificate with no challenge, on both engines.
func TestTokenAlone(t *testing.T) {
	storetest.EachEngine(t, func(t *testing.T, dsn string) {
		w := openWorld(t, dsn, 0, nil)
		u := w.bound("device", "pump-1")
		order := u.order("pump-1.devices.example").ok()
		require.Equal(t, "ready", order["status"])

		key := enrolltest.NewKey(t)
		request := csr(t, key, "pump-1.devices.example")
		done := u.finalize(order, request).ok()
		require.Equal(t, "valid", done["status"])

		chain := u.post(done["certificate"].(string), nil)
		require.Equal(t, "application/pem-certificate-chain", chain.Header.Get("Content-Type"))
		cert := leaf(t, chain.body)
		require.Equal(t, []string{"pump-1.devices.example"}, cert.DNSNames)
		require.Equal(t, "/device/pump-1", cert.URIs[0].Path)
		require.True(t, key.PublicKey.Equal(cert.PublicKey))
		require.NotContains(t, string(chain.body), base64.StdEncoding.EncodeToString(w.Authority.Root().Raw)[:60], "the root is the client's own")
		pool, intermediates := x509.NewCertPool(), x509.NewCertPool()
		pool.AddCert(w.Authority.Root())
		require.True(t, intermediates.AppendCertsFromPEM(chain.body))
		_, err := cert.Verify(x509.VerifyOptions{Roots: pool, Intermediates: intermediates})
		require.NoError(t, err)

		// The answer may get lost: the same key has the same certificate.
		again := u.finalize(order, request).ok()
		require.Equal(t, done["certificate"], again["certificate"])
		require.Equal(t, 1, w.Certificates("device/pump-1"))
		u.finalize(order, csr(t, enrolltest.NewKey(t), "pump-1.devices.example")).refused(http.StatusForbidden, "orderNotReady")
	})
}

// What an account may have is decided again when the order is finalized: whatever
// ends meanwhile ends it.
func TestDecidedAtFinalize(t *testing.T) {
	for name, end := range map[string]func(t *testing.T, w *world, u *user){
		"identity suspended": func(t *testing.T, w *world, u *user) {
			_, err := w.Suspend(t.Context(), enrolltest.Root, "device/pump-1")
			require.NoError(t, err)
		},
		"policy changed": func(t *testing.T, w *world, u *user) {
			_, err := w.Policies.Set(t.Context(), enrolltest.Root, "policy.toml", []byte("[role.device]\ndns = [\"x.example\"]"), w.Policies.Current().Version())
			require.NoError(t, err)
		},
		"account revoked": func(t *testing.T, w *world, u *user) {
			kid, key := w.eabReplace("device", "pump-1")
			other := w.newUser()
			other.register(map[string]any{"externalAccountBinding": other.eab(kid, key)})
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, nil)
			u := w.bound("device", "pump-1")
			order := u.order("pump-1.devices.example").ok()
			end(t, w, u)
			u.finalize(order, csr(t, enrolltest.NewKey(t), "pump-1.devices.example")).refused(http.StatusForbidden, "unauthorized")
			require.Zero(t, w.Certificates("device/pump-1"))
		})
	}
	t.Run("token revoked", func(t *testing.T) {
		w := newWorld(t, nil)
		u := w.newUser()
		kid, key := w.eab("device", "pump-1")
		u.register(map[string]any{"externalAccountBinding": u.eab(kid, key)})
		order := u.order("pump-1.devices.example").ok()
		id, err := store.ParseTokenID(kid)
		require.NoError(t, err)
		require.NoError(t, w.RevokeToken(t.Context(), enrolltest.Root, id))
		u.finalize(order, csr(t, enrolltest.NewKey(t), "pump-1.devices.example")).refused(http.StatusForbidden, "unauthorized")
	})
}

// An account lives as RFC 8555, Section 7.3 says.
func TestAccount(t *testing.T) {
	w := newWorld(t, func(c *acme.Config) {
		c.Settings.RequireEAB, c.Settings.TermsOfService = false, "https://ca.hospital.example/terms"
	})
	u := w.newUser()
	u.post("/acme/new-account", map[string]any{"onlyReturnExisting": true}).refused(http.StatusBadRequest, "accountDoesNotExist")
	a := u.post("/acme/new-account", map[string]any{})
	a.refused(http.StatusForbidden, "userActionRequired")
	require.Contains(t, a.Header.Values("Link"), `<https://ca.hospital.example/terms>;rel="terms-of-service"`)

	a = u.post("/acme/new-account", map[string]any{"termsOfServiceAgreed": true, "contact": []string{"mailto:ops@hospital.example"}})
	require.Equal(t, http.StatusCreated, a.StatusCode)
	object, url := a.ok(), a.Header.Get("Location")
	require.Equal(t, "valid", object["status"])
	require.Equal(t, []any{"mailto:ops@hospital.example"}, object["contact"])
	require.Equal(t, url+"/orders", object["orders"])

	again := u.post("/acme/new-account", map[string]any{"onlyReturnExisting": true})
	require.Equal(t, http.StatusOK, again.StatusCode)
	require.Equal(t, url, again.Header.Get("Location"))

	u.kid = url
	object = u.post(url, map[string]any{"contact": []string{"mailto:it@hospital.example"}, "status": "valid", "unknown": 1}).ok()
	require.Equal(t, []any{"mailto:it@hospital.example"}, object["contact"])
	require.Equal(t, object, u.post(url, nil).ok(), "POST-as-GET reads it")
	require.Equal(t, object, u.post(url, map[string]any{}).ok())

	require.Equal(t, "deactivated", u.post(url, map[string]any{"status": "deactivated"}).ok()["status"])
	u.post(url, nil).refused(http.StatusUnauthorized, "unauthorized")
	u.order("x.web.example").refused(http.StatusUnauthorized, "unauthorized")
	u.kid = ""
	u.post("/acme/new-account", map[string]any{"termsOfServiceAgreed": true}).refused(http.StatusUnauthorized, "unauthorized")
}

// One order, one certificate: of any number who finalize it at once with keys of
// their own one has it, and those who sent its key.
func TestOneCertificate(t *testing.T) { eachWorld(t, nil, testOneCertificate) }

func testOneCertificate(t *testing.T, w *world) {
	u := w.bound("device", "pump-1")
	order := u.order("pump-1.devices.example").ok()
	url := order["finalize"].(string)
	var bodies [][]byte
	for range 6 {
		request := map[string]any{"csr": base64.RawURLEncoding.EncodeToString(csr(t, enrolltest.NewKey(t), "pump-1.devices.example"))}
		bodies = append(bodies, u.sign(url, request, nil), u.sign(url, request, nil))
	}
	statuses := make([]int, len(bodies))
	var all sync.WaitGroup
	for i, body := range bodies {
		all.Go(func() {
			resp, err := w.client.Post(url, "application/jose+json", bytes.NewReader(body))
			if err == nil {
				statuses[i] = resp.StatusCode
				resp.Body.Close()
			}
		})
	}
	all.Wait()
	won := 0
	for i := range 6 {
		require.Equal(t, statuses[2*i], statuses[2*i+1], "the same key, the same answer")
		if statuses[2*i] == http.StatusOK {
			won++
		} else {
			require.Equal(t, http.StatusForbidden, statuses[2*i])
		}
	}
	require.Equal(t, 1, won)
	require.Equal(t, 1, w.Certificates("device/pump-1"))
}
