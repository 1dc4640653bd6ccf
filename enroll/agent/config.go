package agent

import (
	"context"
	"crypto"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"time"

	"github.com/betonica/betonica/enroll/api"
	"github.com/betonica/betonica/enroll/client"
)

// Config says what to keep where. Only Dir is always needed.
type Config struct {
	// Dir is the directory to keep; it is made if it is not there. What it holds
	// is described above.
	Dir string

	// URL is where the CA listens, https://host:port. Dir remembers it; a URL given
	// here goes before that, for a CA that moved.
	URL string

	// TokenFile holds the join token with which [Start] enrols a Dir that is empty.
	// It is not read otherwise: not even when the certificate ran out.
	TokenFile string

	// Prove, if set, says what else [Start] enrols an empty Dir with, in TokenFile's
	// place. It is called for that only.
	Prove func() (Proof, error)

	// Patient makes [Start] wait until there is a certificate that is good, where
	// trying again may help, or a person. Else it returns the error.
	Patient bool

	// Request is what to ask for. Dir remembers it from the enrolment on; the
	// renewals ask for the same.
	Request Request

	// Keys makes the machine's private keys; nil: in files. A Dir whose key is in a
	// chip, says [KeysOf], needs what opens it.
	Keys Keys

	// Attest, if set, has a key attested, by the chip that it is in. It is called anew
	// before each request, which is csr in PEM and goes over ca.
	Attest func(ctx context.Context, ca *client.Client, key crypto.Signer, csr []byte) (*api.Attestation, error)

	// Exec is a command to run after each new certificate, to make a program load
	// it: its name and arguments, without a shell. It finds Dir in $BETONICA_DIR, the
	// certificate's serial number in $BETONICA_SERIAL, and in $BETONICA_CHANGED why it
	// runs: [ChangedCertificate], or what [Agent.RunHook] says. A command that fails is
	// reported and tried again; where the certificate of before is still good, that
	// one is put back in place meanwhile, and Exec runs for it.
	Exec []string

	// Health is a command that says, by its exit status, whether all is well after Exec:
	// it is run each second until it succeeds. One that does not succeed in time is an
	// Exec that failed. It finds the same variables.
	Health []string

	// ExecTimeout bounds Exec, and Health with all its tries; the command and its
	// children are killed then. 0: one minute.
	ExecTimeout time.Duration

	// Events, if set, is called with everything that happens, one call at a time.
	// It should be quick: it holds up the agent.
	Events func(Event)

	// Log is where events are logged too; nil: nowhere.
	Log *slog.Logger

	// Now is the clock; nil: time.Now.
	Now func() time.Time

	// DialContext makes connections to the CA; nil: as package client says.
	DialContext func(ctx context.Context, network, address string) (net.Conn, error)

	// step is called before each change to a file, returns an error if the disk has
	// one, and does not return if this is where the test pulls the plug.
	step func(op, path string) error
	// uptime is a clock that nobody sets.
	uptime func() time.Duration
}

// A Request is what a machine asks its CA for. Empty fields leave it to the
// CA's record.
type Request struct {
	// Identity, role/name, is what the machine would like to be called. A token for
	// a pattern of names needs it; one for a single name does not.
	Identity string `json:"identity,omitempty"`
	// DNSNames and IPs are wanted in the certificate. If there are none, the
	// certificate has those on the CA's record.
	DNSNames []string     `json:"dns,omitempty"`
	IPs      []netip.Addr `json:"ips,omitempty"`
	// Role is what a machine would like to be whose proof does not say so.
	Role string `json:"role,omitempty"`
	// Key is the type of the keys: P-256 (the default), P-384, Ed25519, RSA-2048,
	// RSA-3072 or RSA-4096.
	Key string `json:"key,omitempty"`
}

const defaultExecTimeout = time.Minute

// complete fills in the defaults.
func (c Config) complete() (Config, error) {
	if c.Dir == "" {
		return c, errors.New("no directory to keep the certificate in")
	}
	if c.Request.Key == "" {
		c.Request.Key = "P-256"
	}
	if c.Keys == nil {
		c.Keys = fileKeys{}
	}
	if c.ExecTimeout == 0 {
		c.ExecTimeout = defaultExecTimeout
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.uptime == nil {
		start := time.Now()
		c.uptime = func() time.Duration { return time.Since(start) }
	}
	return c, nil
}
