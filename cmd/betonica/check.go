package main

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/betonica/betonica/enroll/agent"
)

// A verdict is what check finds.
type verdict struct {
	File      string    `json:"file"`
	Identity  string    `json:"identity,omitempty"`
	Serial    string    `json:"serial"`
	NotBefore time.Time `json:"not_before"`
	NotAfter  time.Time `json:"not_after"`
	Valid     bool      `json:"valid"`
	Reason    string    `json:"reason,omitempty"` // why not
	// Agent is what the agent of a machine's directory says of itself.
	Agent *agent.Status `json:"agent,omitempty"`
}

func checkCommand(env environment) *cobra.Command {
	var roots, key string
	var form *output
	cmd := &cobra.Command{
		Use:   "check FILE",
		Short: "Say whether a certificate is valid now",
		Long: `Say whether the certificate in FILE (PEM, with its intermediates) is valid now:
in time, under the roots, and with its key beside it. The exit code is 0 if it
is, and 1 if not. FILE may be a machine's directory.

It asks nobody: a certificate that was revoked may still look valid here.`,
		Example: `  betonica check /etc/pump/current/cert.pem
  betonica check /etc/pump || systemctl start pump-renew`,
		Args: oneArg("FILE"),
		RunE: func(_ *cobra.Command, args []string) error {
			v, err := check(env.now(), args[0], roots, key)
			if err != nil {
				return err
			}
			state := "valid"
			if !v.Valid {
				state = "not valid: " + v.Reason
			}
			fields := []field{
				{"file", v.File}, {"identity", v.Identity}, {"serial", v.Serial},
				{"not before", stamp(v.NotBefore, env.now())}, {"not after", stamp(v.NotAfter, env.now())}, {"state", state},
			}
			if v.Agent != nil {
				fields = append(fields, field{"agent", agentText(*v.Agent, env.now())})
			}
			err = writeOne(env, *form, v, fields)
			if err == nil && !v.Valid {
				err = fmt.Errorf("%s is not valid: %s", v.File, v.Reason)
			}
			return err
		},
	}
	cmd.Flags().StringVar(&roots, "roots", "", "`file` with the roots (default: roots.pem beside FILE)")
	cmd.Flags().StringVar(&key, "key", "", "`file` with the private key (default: key.pem beside FILE, if it is there)")
	form = outputFlag(cmd)
	return cmd
}

// agentText says where the agent stands, and why.
func agentText(s agent.Status, now time.Time) string {
	text := string(s.State)
	if s.Code != "" {
		text += ", code " + s.Code
	}
	if s.Why != "" {
		text += ": " + s.Why
	}
	if s.Retry.After(now) {
		text += "; tried again " + relative(s.Retry, now)
	}
	return text
}

// check judges the certificate in file. Its error says that there was nothing
// to judge.
func check(now time.Time, file, rootsFile, keyFile string) (verdict, error) {
	var status *agent.Status
	if info, err := os.Stat(file); err == nil && info.IsDir() {
		if s, err := agent.ReadStatus(file); err == nil && s.State != "" {
			status = &s
		}
		file = filepath.Join(file, "current", "cert.pem")
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return verdict{}, err
	}
	chain, err := certificates(text)
	if err != nil {
		return verdict{}, fmt.Errorf("%s: %w", file, err)
	}
	leaf := chain[0]
	v := verdict{File: file, Serial: serialText(leaf), NotBefore: leaf.NotBefore.UTC(), NotAfter: leaf.NotAfter.UTC(), Agent: status}
	if len(leaf.URIs) > 0 {
		v.Identity = leaf.URIs[0].String()
	}
	if rootsFile == "" {
		rootsFile = filepath.Join(filepath.Dir(file), "roots.pem")
	}
	reason, err := judge(now, chain, rootsFile)
	if err == nil && reason == "" {
		reason, err = judgeKey(text, file, keyFile)
	}
	v.Valid, v.Reason = reason == "", reason
	return v, err
}

// judge says why the chain is not good now; empty if it is.
func judge(now time.Time, chain []*x509.Certificate, rootsFile string) (string, error) {
	leaf := chain[0]
	switch {
	case now.After(leaf.NotAfter):
		return "it ran out " + relative(leaf.NotAfter, now), nil
	case now.Before(leaf.NotBefore):
		return "it begins " + relative(leaf.NotBefore, now) + "; is the clock right?", nil
	}
	text, err := os.ReadFile(rootsFile)
	if errors.Is(err, fs.ErrNotExist) {
		return "", usagef("there is no %s to verify it by: name the roots with --roots", rootsFile)
	}
	if err != nil {
		return "", err
	}
	trusted, err := certificates(text)
	if err != nil {
		return "", fmt.Errorf("%s: %w", rootsFile, err)
	}
	roots, intermediates := x509.NewCertPool(), x509.NewCertPool()
	for _, c := range trusted {
		roots.AddCert(c)
	}
	for _, c := range chain[1:] {
		intermediates.AddCert(c)
	}
	if _, err := leaf.Verify(x509.VerifyOptions{Roots: roots, Intermediates: intermediates, CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}}); err != nil {
		return err.Error(), nil
	}
	return "", nil
}

// judgeKey says why the key beside the certificate is not its key; empty if it
// is, or if there is none to be seen.
func judgeKey(cert []byte, file, keyFile string) (string, error) {
	named := keyFile != ""
	if !named {
		keyFile = filepath.Join(filepath.Dir(file), "key.pem")
	}
	text, err := os.ReadFile(keyFile)
	if !named && (errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission)) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	if block, _ := pem.Decode(text); block != nil && block.Type == "TSS2 PRIVATE KEY" {
		return judgeTPMKey(cert, text, keyFile)
	}
	if _, err := tls.X509KeyPair(cert, text); err != nil {
		return fmt.Sprintf("with %s: %v", keyFile, err), nil
	}
	return "", nil
}

// certificates reads all certificates of a PEM text, and skips what else is in
// it.
func certificates(text []byte) ([]*x509.Certificate, error) {
	var all []*x509.Certificate
	for len(bytes.TrimSpace(text)) > 0 {
		block, rest := pem.Decode(text)
		if block == nil {
			break
		}
		text = rest
		if block.Type != "CERTIFICATE" {
			continue
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, err
		}
		all = append(all, c)
	}
	if len(all) == 0 {
		return nil, errors.New("there is no certificate in it")
	}
	return all, nil
}

// serialText writes a serial number as the CA does: 32 hex digits.
func serialText(c *x509.Certificate) string {
	if n := c.SerialNumber; n.Sign() > 0 && n.BitLen() <= 128 {
		return hex.EncodeToString(n.FillBytes(make([]byte, 16)))
	}
	return c.SerialNumber.Text(16)
}
