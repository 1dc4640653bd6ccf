package est_test

import (
	"encoding/base64"
	"encoding/hex"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
)

// What a request should be like is the role's first kind of key, and challengePassword
// where it must be bound, in DER that old clients read; the holder of a certificate
// need not name his role.
func TestAttributes(t *testing.T) {
	w := newWorld(t, `
[role.device]
keys = ["P-384", "RSA-2048"]
[role.old]
keys = ["RSA-3072"]
channel_binding = "required"
[role.ed]
keys = ["Ed25519"]
[role.plain]
`)
	p384 := "30 1e 3012 06072a8648ce3d0201 3107 06052b81040022 0608 2a8648ce3d040303"
	for label, want := range map[string]string{
		"device/": p384,
		"plain/":  "30 21 3015 06072a8648ce3d0201 310a 06082a8648ce3d030107 0608 2a8648ce3d040302",
		"old/":    "30 29 0609 2a864886f70d010907 3011 06092a864886f70d010101 3104 02020c00 0609 2a864886f70d01010b",
		"ed/":     "30 05 0603 2b6570",
	} {
		got := w.get(label + "csrattrs")
		require.Equal(t, http.StatusOK, got.StatusCode, label)
		require.Equal(t, "application/csrattrs", got.Header.Get("Content-Type"))
		der, err := base64.StdEncoding.DecodeString(string(got.body))
		require.NoError(t, err)
		require.Equal(t, unspaced(want), hex.EncodeToString(der), label)
	}
	require.Equal(t, http.StatusNoContent, w.get("csrattrs").StatusCode)
	require.Equal(t, http.StatusNotFound, w.get("admin/csrattrs").StatusCode)
	cert, key := w.enrolled("plain", "pump-1")
	got := w.do(w.client(0, w.TLS(cert, key)), w.request(http.MethodGet, "csrattrs", nil))
	require.Equal(t, http.StatusOK, got.StatusCode)
}

func unspaced(s string) string {
	var out []byte
	for _, c := range []byte(s) {
		if c != ' ' {
			out = append(out, c)
		}
	}
	return string(out)
}
