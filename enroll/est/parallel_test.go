package est_test

import (
	"bytes"
	"encoding/base64"
	"io"
	"net/http"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/enroll"
	"github.com/betonica/betonica/enroll/enrolltest"
)

// A token that two clients show at once is good for one certificate, also when both are
// admitted before either is on record: the other client is told that it was used, and a
// client that sent its request twice gets the one certificate twice.
func TestOneTokenInParallel(t *testing.T) {
	for name, tt := range map[string]struct {
		token string   // the name that it is for
		names []string // that the two ask for
		same  bool     // the two are one request
		want  int      // what the later one to be recorded hears
	}{
		"two keys":    {token: "pump-1", names: []string{"device/pump-1", "device/pump-1"}, want: http.StatusConflict},
		"two names":   {token: "pump-*", names: []string{"device/pump-1", "device/pump-2"}, want: http.StatusConflict},
		"one request": {token: "pump-1", names: []string{"device/pump-1"}, same: true, want: http.StatusOK},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, "")
			token := w.Token(enroll.TokenRequest{Role: "device", Name: tt.token, Uses: 1})
			late := enrolltest.CSR(t, enrolltest.NewKey(t), tt.names[0])
			early := late
			if !tt.same {
				early = enrolltest.CSR(t, enrolltest.NewKey(t), tt.names[1])
			}
			signing, released := make(chan struct{}), make(chan struct{})
			release := sync.OnceFunc(func() { close(released) })
			defer release()
			w.WhileSigning(func() { close(signing); <-released })

			req := w.request(http.MethodPost, "simpleenroll", []byte(base64.StdEncoding.EncodeToString(late)))
			req.Header.Set("Content-Type", "application/pkcs10")
			req.SetBasicAuth("anybody", token)
			client := w.client(0)
			type answer struct {
				exchange
				err error
			}
			answered := make(chan answer, 1)
			go func() {
				resp, err := client.Do(req)
				if err != nil {
					answered <- answer{err: err}
					return
				}
				defer resp.Body.Close()
				body, err := io.ReadAll(resp.Body)
				answered <- answer{exchange{resp, body}, err}
			}()
			select {
			case <-signing:
			case got := <-answered:
				require.Fail(t, "answered before it was signed", "%s %v", got.body, got.err)
			}
			first := w.post(w.client(0), "simpleenroll", token, early).leaf(t)
			release()
			got := <-answered
			require.NoError(t, got.err)
			require.Equal(t, tt.want, got.StatusCode, string(got.body))
			if tt.same {
				require.True(t, bytes.Equal(first.Raw, got.leaf(t).Raw), "another certificate")
			}
			certificates := 0
			for _, path := range []string{"device/pump-1", "device/pump-2"} {
				certificates += w.Certificates(path)
			}
			require.Equal(t, 1, certificates)
		})
	}
}
