package main_test

import (
	"bytes"
	"encoding/json"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const module = "github.com/betonica/betonica/"

// layers lists, for every package, the packages of this module that it may
// import, itself from top to bottom. It is the architecture: change it in the
// same commit as the code, or not at all.
var layers = map[string]string{
	// What a machine or a relying party links is at the bottom, and so is
	// everything that decides, signs or encodes without remembering.
	"ca/strict":                         "",
	"ca/sha1name":                       "",                                             // who must, and nobody else
	"ca":                                "ca/strict revoke/allow revoke/allow/rulefile", // the policy holds the guards' rules
	"ca/keys":                           "",
	"store/audit/checkpoint":            "",
	"store/inorder":                     "", // work on pages in parallel, whatever they hold
	"store/audit":                       "store/audit/checkpoint store/inorder",
	"store/audit/journal":               "store/audit store/audit/checkpoint",
	"cmd/internal/archive":              "store store/audit store/audit/checkpoint store/audit/journal", // what guards ship
	"store/audit/plain":                 "",
	"store/alert":                       "store/audit store/audit/plain", // rules over entries; it opens and keeps nothing
	"store/audit/atna":                  "store/audit store/audit/plain", // formats, and nothing that sends
	"cmd/internal/record":               "store/audit store/audit/plain",
	"cmd/internal/deliver":              "store store/audit store/audit/atna store/audit/plain", // what leaves; who takes it is below
	"cmd/internal/deliver/post":         "cmd/internal/deliver cmd/internal/deliver/wire store/audit/plain",
	"cmd/internal/deliver/webhook":      "cmd/internal/deliver cmd/internal/deliver/post cmd/internal/deliver/wire",
	"cmd/internal/deliver/fhir":         "cmd/internal/deliver cmd/internal/deliver/post cmd/internal/deliver/wire store/audit/atna",
	"cmd/internal/deliver/file":         "cmd/internal/deliver",
	"store/compliance":                  "", // checks over facts: whoever shows results links it
	"store/compliance/pack":             "store/audit store/audit/checkpoint",
	"store/compliance/report":           "store/audit/plain store/compliance store/compliance/pack",
	"store/compliance/survey":           "store store/alert store/audit store/audit/checkpoint store/audit/plain store/compliance store/compliance/pack store/review",
	"store/review":                      "store store/audit store/audit/plain", // what people are shown of the log, and said of it
	"revoke/x690":                       "",
	"revoke/ocsp":                       "ca/sha1name revoke/x690",
	"revoke/crl":                        "revoke/x690",
	"revoke/allow":                      "",
	"revoke/allow/rulefile":             "ca/strict revoke/allow",
	"revoke/allow/signed":               "revoke/allow revoke/allow/rulefile",
	"revoke/stream":                     "revoke/crl", // a relay serves by it, too; it tells deltas apart that say the same
	"enroll/api":                        "",
	"enroll/acme/validate":              "",
	"enroll/acme/attest":                "",
	"enroll/limit":                      "",
	"enroll/turns":                      "",
	"cmd/internal/adminapi":             "",
	"cmd/internal/notify":               "",
	"cmd/internal/fips":                 "",
	"cmd/internal/heap":                 "",
	"cmd/internal/deliver/wire":         "ca/keys", // it reads secrets as carefully
	"cmd/internal/deliver/syslog":       "cmd/internal/deliver cmd/internal/deliver/wire store/audit/atna",
	"cmd/internal/deliver/alertmanager": "cmd/internal/deliver cmd/internal/deliver/post cmd/internal/deliver/wire store/alert store/audit/plain",
	"cmd/internal/deliver/mail":         "cmd/internal/deliver cmd/internal/deliver/wire store/alert store/audit/plain",
	"store/backup":                      "", // the form alone
	"cmd/internal/guard/ship":           "enroll/api store/audit/journal",
	"cmd/internal/guard":                "ca/strict enroll/agent revoke/allow revoke/allow/rulefile revoke/peer store/audit/journal cmd/internal/record cmd/internal/guard/gate cmd/internal/guard/web cmd/internal/guard/sign cmd/internal/guard/mllp cmd/internal/guard/dicom cmd/internal/guard/rules cmd/internal/guard/ship",
	"cmd/internal/guard/gate":           "cmd/internal/record revoke/allow",
	"cmd/internal/guard/gate/gatetest":  "cmd/internal/guard/gate cmd/internal/record",
	"cmd/internal/guard/web/h1":         "",
	"cmd/internal/guard/web":            "cmd/internal/guard/web/h1 cmd/internal/guard/gate cmd/internal/guard/fhir cmd/internal/guard/sign cmd/internal/record revoke/allow",
	"cmd/internal/guard/fhir":           "",
	"cmd/internal/guard/sign":           "",
	"cmd/internal/guard/dicom":          "cmd/internal/guard/gate cmd/internal/record revoke/allow",
	"cmd/internal/guard/grants":         "cmd/internal/record revoke/allow revoke/allow/rulefile",
	"cmd/internal/guard/rules":          "enroll/api revoke/allow revoke/allow/signed",
	"cmd/internal/guard/mllp":           "cmd/internal/guard/gate cmd/internal/record revoke/allow",

	"store":         "store/audit store/audit/checkpoint", // it signs the log's checkpoints
	"enroll/client": "enroll/api",

	"enroll":                  "ca store store/audit store/review enroll/api enroll/limit enroll/turns enroll/acme/attest", // a token's text and the answers are of the API
	"enroll/agent/key":        "enroll/api enroll/client",                                                                  // apart, so that the agent links no TPM's libraries
	"enroll/agent":            "enroll/client enroll/api store/audit/checkpoint",
	"revoke/static":           "",
	"revoke/evidence":         "revoke/crl", // lists prove by themselves
	"revoke/lint":             "revoke/crl", // the daemon's side only: zlint is no matter of a relying party's
	"revoke":                  "ca store store/audit revoke/ocsp revoke/crl revoke/lint revoke/static revoke/stream",
	"revoke/peer":             "revoke/ocsp revoke/crl revoke/allow revoke/stream", // it relays, too
	"revoke/peer/peermetrics": "revoke/peer",                                       // apart, so that the peer links no more than the standard library
	"revoke/enforcement":      "store store/audit revoke/crl",                      // it decides nothing and signs nothing
	"revoke/bundle":           "revoke/crl revoke/stream",                          // as the CA and relays write it, it is read

	"enroll/attest": "ca enroll enroll/api", // what TPMs and their makers write
	"enroll/join":   "ca store enroll enroll/api",
	"enroll/renew":  "ca store enroll enroll/api",
	"enroll/cms":    "", // what is encrypted to somebody
	"enroll/pkcs10": "", // attributes of a request
	"enroll/scep":   "ca store enroll enroll/api enroll/cms enroll/limit enroll/pkcs10",
	"enroll/est":    "ca ca/sha1name store enroll enroll/api enroll/cms enroll/turns enroll/pkcs10",
	"enroll/acme":   "ca store enroll enroll/api enroll/limit enroll/acme/validate enroll/acme/attest",

	// The server takes the admin API as functions, and knows of it only what its
	// errors mean.
	"cmd/internal/server": "cmd/internal/watch store/alert ca ca/keys store store/audit enroll enroll/api enroll/limit enroll/attest enroll/est enroll/join enroll/renew revoke revoke/allow revoke/allow/rulefile revoke/allow/signed revoke/enforcement cmd/internal/adminapi cmd/internal/archive cmd/internal/deliver cmd/internal/deliver/mail cmd/internal/deliver/post cmd/internal/deliver/wire store/audit/atna store/audit/journal enroll/turns",
	"cmd/internal/admin":  "cmd/internal/watch store/alert ca store store/audit enroll enroll/api revoke revoke/enforcement cmd/internal/adminapi cmd/internal/archive cmd/internal/comply store/compliance store/compliance/pack store/review",
	"cmd/internal/comply": "ca enroll revoke/allow/rulefile store store/audit store/compliance store/compliance/pack store/compliance/report store/compliance/survey store/review", // what surveys do not know of the policy

	// The watch over the log records what the rules find; who tells others of it reads the log.
	"cmd/internal/watch": "ca enroll enroll/api store store/alert store/audit cmd/internal/archive",

	// The doctor is given keys and configuration, and opens the store by itself.
	"cmd/internal/doctor": "cmd/internal/deliver store store/audit revoke/crl cmd/internal/server",

	// What machines of a user's own would link, and the admin API from outside.
	"cmd/internal/demo": "enroll/api enroll/agent revoke/peer cmd/internal/adminapi",

	"cmd/betonicad": "cmd/internal/watch cmd/internal/deliver cmd/internal/deliver/alertmanager cmd/internal/deliver/fhir cmd/internal/deliver/file cmd/internal/deliver/mail cmd/internal/deliver/syslog cmd/internal/deliver/webhook store/audit/atna cmd/internal/comply store/compliance enroll/scep ca ca/keys store store/backup store/audit store/audit/plain store/audit/checkpoint enroll enroll/api enroll/acme enroll/acme/validate enroll/attest enroll/est enroll/join enroll/renew revoke revoke/crl revoke/evidence revoke/enforcement cmd/internal/server cmd/internal/admin cmd/internal/adminapi cmd/internal/demo cmd/internal/doctor cmd/internal/archive store/audit/journal cmd/internal/notify cmd/internal/heap cmd/internal/fips",
	"cmd/betonica":  "store/compliance store/compliance/pack enroll/api enroll/client enroll/agent enroll/agent/key revoke/bundle revoke/peer store/audit store/audit/checkpoint cmd/internal/adminapi cmd/internal/guard cmd/internal/guard/grants revoke/allow revoke/allow/rulefile store/audit/journal cmd/internal/record cmd/internal/notify cmd/internal/heap cmd/internal/fips",

	// What tests stand on: nothing above may import it.
	"store/storetest":                    "",
	"store/audit/plain/plaintest":        "",
	"cmd/internal/deliver/wire/wiretest": "",
	"cmd/internal/manual":                "", // writes manual pages, for the packages
	"enroll/client/catest":               "enroll/api",
	"enroll/enrolltest":                  "ca ca/keys store store/audit store/storetest enroll",
	"revoke/revoketest":                  "ca store enroll enroll/enrolltest revoke revoke/enforcement",
	"revoke/peer/peertest":               "revoke/crl revoke/ocsp revoke/stream",
}

// A listed package is what `go list -json` says of one.
type listed struct {
	ImportPath string
	Imports    []string
	Deps       []string
	Standard   bool
	CgoFiles   []string
}

func list(t *testing.T, args ...string) []listed {
	out, err := exec.Command("go", append([]string{"list", "-json=ImportPath,Imports,Deps,Standard,CgoFiles"}, args...)...).Output()
	require.NoError(t, err)
	var all []listed
	for dec := json.NewDecoder(bytes.NewReader(out)); dec.More(); {
		var p listed
		require.NoError(t, dec.Decode(&p))
		all = append(all, p)
	}
	return all
}

// Imports point down: every package is in the table, and imports nothing of ours
// that the table does not give it.
func TestLayers(t *testing.T) {
	t.Parallel()
	missing := make(map[string]bool)
	for p := range layers {
		missing[p] = true
	}
	for _, p := range list(t, module+"...") {
		name := strings.TrimPrefix(p.ImportPath, module)
		allowed, known := layers[name]
		if !known {
			t.Errorf("package %s has no layer", name)
		}
		delete(missing, name)
		for _, imp := range p.Imports {
			imp, ours := strings.CutPrefix(imp, module)
			if ours && !slices.Contains(strings.Fields(allowed), imp) {
				t.Errorf("%s must not import %s", name, imp)
			}
		}
	}
	for p := range missing {
		t.Errorf("package %s has a layer, but does not exist", p)
	}
}

// What runs on a machine stays small: the agent, for a Go program that embeds
// it, links the standard library and x/mod's note and tlog; the tool links no
// SQL, no cgo, and nothing that signs certificates for others.
func TestLinks(t *testing.T) {
	for _, p := range list(t, "-deps", module+"enroll/agent") {
		if p.Standard || strings.HasPrefix(p.ImportPath, module) || strings.HasPrefix(p.ImportPath, "golang.org/x/mod/sumdb/") {
			continue
		}
		t.Errorf("enroll/agent links %s", p.ImportPath)
	}
	t.Setenv("CGO_ENABLED", "0") // as it is built
	for _, p := range list(t, "-deps", module+"cmd/betonica") {
		switch {
		case p.ImportPath == module+"ca", p.ImportPath == module+"ca/keys", p.ImportPath == module+"store", p.ImportPath == "database/sql":
			t.Errorf("cmd/betonica links %s", p.ImportPath)
		case !p.Standard && len(p.CgoFiles) > 0:
			t.Errorf("cmd/betonica links %s, which is cgo", p.ImportPath)
		}
	}
}
