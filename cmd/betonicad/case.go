package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/betonica/betonica/ca"
	"github.com/betonica/betonica/ca/keys"
	"github.com/betonica/betonica/cmd/internal/doctor"
	"github.com/betonica/betonica/cmd/internal/server"
	"github.com/betonica/betonica/store"
)

// caseOf opens what there is of a CA for the doctor. What does not open is said in its
// place.
func caseOf(ctx context.Context, d layout) *doctor.Case {
	c := &doctor.Case{Dir: string(d), Version: version(), Now: time.Now, IDFile: d.storeID()}
	if c.Config, c.ConfigErr = server.ReadConfig(string(d)); c.ConfigErr != nil {
		c.Config = nil
	}
	text, err := os.ReadFile(d.policy())
	if err == nil {
		_, err = ca.ParsePolicy(d.policy(), text)
	}
	c.PolicyErr = err
	c.Holder = holder(d.lock())
	if c.Config == nil {
		return c
	}
	c.Keys = keysOf(d, c.Config)
	c.VerifyLog = func(ctx context.Context, log *store.Log) error {
		evidence, err := readEvidence(c.Config.Audit.Evidence)
		if err != nil {
			return err
		}
		defer evidence.close()
		_, err = verifyLog(ctx, log, evidence, nil)
		return err
	}
	if d, err := doctor.Ask(ctx, c.Config.Server.Socket, c.Config.Server.Ops.String()); err == nil {
		c.Answers(d)
	}
	return c
}

// keysOf opens each key by itself: see openSecrets.
func keysOf(d layout, c *server.Config) *doctor.Keys {
	k := &doctor.Keys{Log: doctor.Key{Name: "the audit log's key"}, Responder: doctor.Key{Name: "the root's OCSP responder"}}
	k.Root, k.RootErr = readCertificate(d.rootCertificate())
	k.RootList, k.RootListErr = os.ReadFile(d.rootCRL())
	var passphrase []byte
	if passphrase, k.PassphraseErr = keys.ReadPassphrase(c.CA.PassphraseFile); k.PassphraseErr != nil {
		return k
	}
	r, err := readRoster(d)
	if err != nil {
		k.Intermediates = []doctor.Key{{Name: "the intermediates", Err: err}}
		return k
	}
	for _, m := range r.Intermediates {
		one, err := openMember(d, c, m, passphrase)
		if one.certificate == nil { // it is there all the same, as a rule
			one.certificate, _ = readCertificate(d.inKeys(m.Certificate))
		}
		issues := r.issuing(time.Now()) == m.ID || r.Move != nil && r.Move.To == m.ID
		inToken := keys.InToken(keyOf(d, c, m))
		k.Intermediates = append(k.Intermediates, doctor.Key{
			Name: "the intermediate " + m.Certificate, ID: m.ID, Certificate: one.certificate, Issues: issues, InToken: inToken, Err: err,
		})
		if len(k.Intermediates) == 1 {
			unseal(d, k, one, passphrase)
		}
		closeKey(one.signer)
	}
	return k
}

// unseal opens what is sealed under the first intermediate's key, or under the one that was
// made for it, which opens whatever became of a token.
func unseal(d layout, k *doctor.Keys, first intermediate, passphrase []byte) {
	sealer, err := (*keys.Sealer)(nil), errors.New("it is sealed under the first intermediate's key, which does not open")
	switch {
	case k.Intermediates[0].InToken:
		sealer, err = openSealingKey(d, passphrase)
	case first.signer != nil:
		sealer, err = keys.NewSealer(first.signer)
	}
	if err != nil {
		k.Log.Err, k.Responder.Err = err, err
		return
	}
	k.Audit, k.Log.Err = openLogKey(d, sealer)
	if first.certificate != nil {
		s := secrets{intermediates: []intermediate{first}}
		k.Origin = origin(s.trustDomain())
	}
	said, err := readStatement(d, sealer)
	if err == nil {
		k.Responder.Certificate = said.Responder
	}
	k.Responder.Err = err
}

// holder returns the process that holds a lock, as far as the kernel tells (proc(5),
// /proc/locks); 0 if none does.
func holder(file string) int {
	var at unix.Stat_t
	if err := unix.Stat(file, &at); err != nil {
		return 0
	}
	locks, err := os.ReadFile("/proc/locks")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(locks)) {
		// 1: FLOCK  ADVISORY  WRITE 4711 08:02:131090 0 EOF
		f := strings.Fields(line)
		if len(f) < 6 || f[1] != "FLOCK" {
			continue
		}
		_, inode, _ := strings.Cut(f[5], ":")
		_, inode, _ = strings.Cut(inode, ":")
		if inode == strconv.FormatUint(at.Ino, 10) && sameDevice(f[5], uint64(at.Dev)) {
			pid, _ := strconv.Atoi(f[4])
			return pid
		}
	}
	return 0
}

// sameDevice compares the device of a line of /proc/locks, major:minor in hex.
func sameDevice(text string, dev uint64) bool {
	return strings.HasPrefix(text, fmt.Sprintf("%02x:%02x:", unix.Major(dev), unix.Minor(dev)))
}
