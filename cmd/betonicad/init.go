package main

import (
	"context"
	"crypto"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/betonica/betonica/ca"
	"github.com/betonica/betonica/ca/keys"
	"github.com/betonica/betonica/cmd/internal/server"
)

// An initialization is what init was asked to make.
type initialization struct {
	dir            string
	trustDomain    string
	names          []string
	url            string
	passphraseFile string
	dsn            string
	critical       bool
	caKey          string
}

func initCommand(env environment) *cobra.Command {
	var in initialization
	cmd := &cobra.Command{
		Use:   "init --dir DIR --trust-domain TD",
		Short: "Make a new certificate authority",
		Long: `init makes a root, an intermediate and an empty store, all of them or none.

	DIR             configuration, policy, database, the intermediate's key
	DIR.root        the root's key and its passphrase: carry them away
	DIR.passphrase  opens the intermediate's key: keep it on another device

With --ca-key the intermediate's key is made in an HSM and never leaves it; DIR then
holds a key that the passphrase opens and that seals the other secrets. The PIN is in
the file that pin-source names, or the systemd credential betonica.pin.`,
		Example: `  betonicad init --dir ca --trust-domain hospital.example --dns ca.hospital.example
  betonicad init --dir ca --trust-domain hospital.example \
    --ca-key 'pkcs11:module-path=/usr/lib/softhsm/libsofthsm2.so;token=ca;object=issuing?pin-source=file:/etc/betonica.pin'
  BETONICA_DSN=postgres://betonica@db/betonica betonicad init --dir ca --trust-domain hospital.example`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := needs(cmd, "dir", "trust-domain"); err != nil {
				return err
			}
			return in.run(cmd.Context(), env)
		},
	}
	f := cmd.Flags()
	f.StringVar(&in.dir, "dir", "", "folder to make; it must not exist, or be empty")
	f.StringVar(&in.trustDomain, "trust-domain", "", "what all identities begin with: spiffe://TRUST-DOMAIN/...")
	f.StringSliceVar(&in.names, "dns", nil, "DNS name or IP address of the daemon; may be repeated (default: the loopback)")
	f.StringVar(&in.url, "url", "", "where relying parties reach the HTTP listener (default: by the first name)")
	f.StringVar(&in.passphraseFile, "passphrase-file", "", "file with the passphrase; made if it does not exist (default DIR.passphrase)")
	f.StringVar(&in.dsn, "dsn", "", "postgres://... for a store on PostgreSQL (default: SQLite in DIR)")
	f.StringVar(&in.caKey, "ca-key", "", "pkcs11:... to make the intermediate's key in an HSM, or to use the one there (RFC 7512)")
	f.BoolVar(&in.critical, "critical-constraints", false, "mark the name constraints critical; mbedTLS 2.28 cannot parse that")
	return cmd
}

// run makes the CA.
func (in *initialization) run(ctx context.Context, env environment) error {
	names, err := in.serverNames()
	if err != nil {
		return err
	}
	target, err := in.target()
	if err != nil {
		return err
	}
	key, err := in.makeKey(env)
	if err != nil {
		return err
	}
	defer closeKey(key)
	hierarchy, err := ca.Create(ca.CreateConfig{TrustDomain: in.trustDomain, CriticalConstraints: in.critical, URL: in.url, IntermediateKey: key})
	if err != nil {
		return &usageError{strings.TrimPrefix(err.Error(), "ca: ")}
	}
	draft, err := newDraft(target)
	if err != nil {
		return err
	}
	defer draft.discard()
	if err := draft.writeConfig(*in, names); err != nil {
		return err
	}
	if err := draft.writeKeys(hierarchy); err != nil {
		return err
	}
	if err := draft.fillStore(ctx, hierarchy, *in); err != nil {
		return err
	}
	if err := draft.publish(); err != nil {
		return err
	}
	sum := sha256.Sum256(hierarchy.Root.Raw)
	fmt.Fprintf(env.stdout, "%x\n", sum)
	fmt.Fprintf(env.stderr, `made the CA of %s in %s; above is the SHA-256 of its root
  %s: the root's key and its passphrase. Carry both away: the daemon never needs them.
  %s: opens the intermediate's key. Keep it on another device, or hand it over as the
    systemd credential betonica.passphrase.
next: betonicad serve --dir %s
`, in.trustDomain, target.dir, target.rootDir, target.passphrase, in.dir)
	return nil
}

// makeKey makes the intermediate's key in the token that --ca-key names, if it does,
// and completes the reference.
func (in *initialization) makeKey(env environment) (crypto.Signer, error) {
	if in.caKey == "" {
		return nil, nil
	}
	key, found, made, err := keys.MakeToken(in.caKey)
	if err != nil {
		return nil, fmt.Errorf("--ca-key: %w", err)
	}
	in.caKey = found
	tellKey(env, found, made)
	return key, nil
}

// tellKey says what became of a key in a token, where it stays whatever happens next.
func tellKey(env environment, ref string, made bool) {
	what := "uses the key that is in the token"
	if made {
		what = "made a key in the token"
	}
	fmt.Fprintf(env.stderr, "%s: %s\n", what, ref)
}

// serverNames returns what machines will reach the daemon by. The loopback is
// always among them: whoever tries it out is on this host.
func (in initialization) serverNames() ([]server.Name, error) {
	var names []server.Name
	for _, text := range in.names {
		name, err := server.ParseName(text)
		if err != nil {
			return nil, usagef("--dns: %v", err)
		}
		names = append(names, name)
	}
	return server.WithLoopback(names), nil
}

// A target is where a new CA goes. Nothing of it may be there yet, but the
// passphrase.
type target struct {
	dir        string
	rootDir    string
	passphrase string
}

func (in initialization) target() (target, error) {
	dir, err := filepath.Abs(in.dir)
	if err != nil {
		return target{}, err
	}
	t := target{dir: dir, rootDir: dir + ".root", passphrase: dir + ".passphrase"}
	if in.passphraseFile != "" {
		if t.passphrase, err = filepath.Abs(in.passphraseFile); err != nil {
			return target{}, err
		}
	}
	if within(t.passphrase, dir) {
		return target{}, usagef("the passphrase file %s must not lie in %s, beside the key that it opens", t.passphrase, dir)
	}
	if err := vacant(dir); err != nil {
		return target{}, err
	}
	if _, err := os.Lstat(t.rootDir); !errors.Is(err, os.ErrNotExist) {
		return target{}, fmt.Errorf("%s exists: it may hold the root key of another CA, so move it away first", t.rootDir)
	}
	return t, nil
}

// vacant returns an error unless a CA's folder can be made there: nothing is there, or
// an empty folder.
func vacant(dir string) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err == nil && len(entries) > 0 {
		return fmt.Errorf("%[1]s is not empty: if it holds a CA, serve it (betonicad serve --dir %[1]s); otherwise choose another folder", dir)
	}
	return err
}

// within says whether path lies in dir.
func within(path, dir string) bool {
	rel, err := filepath.Rel(dir, path)
	return err == nil && rel != ".." && !strings.HasPrefix(rel, ".."+string(filepath.Separator))
}
