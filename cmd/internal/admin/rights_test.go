package admin_test

import (
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/betonica/betonica/cmd/internal/admin"
	"github.com/betonica/betonica/cmd/internal/adminapi"
	"github.com/betonica/betonica/enroll/api"
	"github.com/betonica/betonica/enroll/enrolltest"
)

// may says who may ask for what, over mutual TLS: a(u)ditor, (o)perator,
// o(f)ficer, (a)dmin.
var may = map[string]string{
	"POST tokens":                           "ofa",
	"GET tokens":                            "uofa",
	"DELETE tokens/{id}":                    "ofa",
	"GET requests":                          "uofa",
	"POST requests/{id}/approve":            "ofa",
	"POST requests/{id}/deny":               "ofa",
	"GET proposals":                         "uofa",
	"GET proposals/{id}":                    "uofa",
	"POST proposals/{id}/approve":           "uofa",
	"POST proposals/{id}/deny":              "uofa",
	"GET powers":                            "uofa",
	"POST powers":                           "uofa",
	"POST powers/break-glass":               "of",
	"POST powers/{id}/end":                  "uofa",
	"POST powers/{id}/review":               "u",
	"POST identities":                       "ofa",
	"POST identities/import":                "ofa",
	"GET identities":                        "uofa",
	"GET identities/{role}/{name}":          "uofa",
	"POST identities/{role}/{name}/attest":  "ofa",
	"POST identities/{role}/{name}/suspend": "ofa",
	"POST identities/{role}/{name}/cut":     "fa",
	"POST revocations":                      "fa",
	"POST revocations/batch":                "fa",
	"POST identities/{role}/{name}/resume":  "ofa",
	"POST identities/{role}/{name}/retire":  "ofa",
	"GET certificates":                      "uofa",
	"GET certificates/{serial}":             "uofa",
	"GET alerts":                            "ufa",
	"GET alerts/{id}":                       "ufa",
	"POST alerts/{id}/acknowledge":          "u",
	"POST alerts/quiet":                     "ofa",
	"GET audit":                             "ufa",
	"GET audit/export":                      "ufa",
	"GET audit/review":                      "ufa",
	"POST audit/review":                     "u",
	"GET audit/reviews":                     "ufa",
	"GET records":                           "ufa",
	"POST compliance/check":                 "ufa",
	"POST compliance/report":                "ufa",
	"POST compliance/attestations":          "ufa",
	"GET policy":                            "uofa",
	"POST policy/test":                      "ufa",
	"PUT policy":                            "a",
	"GET status":                            "uofa",
	"GET enforcement":                       "uofa",
}

// Each role may do what it is for and nothing else; whoever has no such role may
// do nothing, and each refusal is on record.
func TestRights(t *testing.T) {
	f := serve(t, os.Getuid())
	require.Len(t, admin.New(admin.Config{}).Socket(), len(may), "every page is in the table")
	fill := strings.NewReplacer("{id}", strings.Repeat("0", 32), "{serial}", strings.Repeat("0", 32), "{role}", "device", "{name}", "nobody")
	for letter, role := range map[string]string{"u": "auditor", "o": "operator", "f": "officer", "a": "admin", "-": "device"} {
		transport := &http.Transport{TLSClientConfig: f.tls(f.enrolled(role, "alice"))}
		defer transport.CloseIdleConnections()
		c := &http.Client{Transport: transport}
		for verb, who := range may {
			before := len(f.Audit("admin.refuse"))
			method, path, _ := strings.Cut(fill.Replace(verb), " ")
			status, text := f.request(c, method, path, http.Header{"Content-Type": {"application/json"}}, "{}")
			if strings.Contains(who, letter) {
				require.NotContains(t, text, adminapi.ProblemForbidden, "%s may %s", role, verb)
				require.NotContains(t, []int{401, 500, 503}, status, "%s %s: %s", role, verb, text)
				continue
			}
			require.Equal(t, http.StatusForbidden, status, "%s may not %s: %s", role, verb, text)
			require.Contains(t, text, adminapi.ProblemForbidden)
			refused := f.Audit("admin.refuse")
			require.Len(t, refused, before+1)
			e := refused[before]
			require.Equal(t, role+"/alice", e.Actor)
			require.Equal(t, "127.0.0.1", e.Address)
			require.Equal(t, method+" "+adminapi.Prefix+path, e.Detail["request"])
			require.Contains(t, e.Outcome, "may not")
		}
	}
}

// Without a certificate nobody is anybody; with one of an identity that was
// suspended since, nobody any more, on the same connection.
func TestNobody(t *testing.T) {
	f := serve(t, os.Getuid())
	anonymous := adminapi.New("https://"+f.urls.HTTPS, f.tls())
	defer anonymous.Close()
	_, err := anonymous.Status(t.Context())
	require.Equal(t, api.ProblemUnauthenticated, problem(t, err).Type)

	alice := f.as("admin")
	_, err = alice.Status(t.Context())
	require.NoError(t, err)
	_, err = f.Suspend(t.Context(), enrolltest.Root, "admin/alice")
	require.NoError(t, err)
	_, err = alice.Status(t.Context())
	p := problem(t, err)
	require.Equal(t, adminapi.ProblemForbidden, p.Type)
	require.Equal(t, http.StatusForbidden, p.Status)
	require.Contains(t, p.Detail, "suspended")
}

// On the socket root and the daemon's own user may do everything, the first
// privileged token included, and no other user anything, though the socket's mode
// let him in.
func TestPeer(t *testing.T) {
	f := serve(t, os.Getuid())
	token, err := f.root().CreateToken(t.Context(), adminapi.TokenRequest{Role: "admin", Name: "alice"})
	require.NoError(t, err)
	require.NotEmpty(t, token.Secret)
	require.Len(t, f.Audit("token.bootstrap"), 1)

	if os.Getuid() != 0 {
		t.Skip("left out: only root can call as another user")
	}
	open(t, f.urls.Socket)
	cmd := exec.Command("curl", "-sS", "--unix-socket", f.urls.Socket, "http://betonica"+adminapi.Prefix+"status")
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	cmd.Dir = "/"
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.Contains(t, string(out), adminapi.ProblemForbidden)
	refused := f.Audit("admin.refuse")
	require.Len(t, refused, 1)
	require.Equal(t, "uid:65534", refused[0].Actor)
}

// open lets every user reach the socket.
func open(t *testing.T, socket string) {
	require.NoError(t, os.Chmod(socket, 0o666))
	for dir := filepath.Dir(socket); dir != os.TempDir(); dir = filepath.Dir(dir) {
		require.NoError(t, os.Chmod(dir, 0o755))
	}
}
