package main

import (
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/betonica/betonica/ca"
	"github.com/betonica/betonica/ca/keys"
	"github.com/betonica/betonica/store"
)

// next makes an intermediate with a key of its own, in files of new names that nothing
// refers to yet: under the daemon's passphrase, or in a token, where caKey names one or
// the last one's key lies.
func (c *ceremony) next(env environment, root *ca.Root, caKey string) (intermediate, error) {
	if err := c.clean(); err != nil {
		return intermediate{}, err
	}
	passphrase, err := keys.ReadPassphrase(c.config.CA.PassphraseFile)
	if err != nil {
		return intermediate{}, err
	}
	last := c.secrets.intermediates[len(c.secrets.intermediates)-1]
	if token, is := last.signer.(*keys.TokenKey); is && caKey == "" {
		caKey = token.Next()
	}
	made := initialization{caKey: caKey}
	given, err := made.makeKey(env)
	if err != nil {
		return intermediate{}, err
	}
	cert, key, err := root.NextIntermediate(last.certificate, given)
	if err != nil {
		return intermediate{}, err
	}
	one := intermediate{id: hex.EncodeToString(cert.SubjectKeyId), certificate: cert, signer: key, ref: made.caKey}
	files := []string{c.layout.inKeys(one.file("pem"))}
	if given == nil {
		files = append(files, c.layout.inKeys(one.file("key")))
		err = keys.Write(files[1], key, passphrase)
	}
	err = errors.Join(err, writeFile(files[0], encodeCertificate(cert)))
	for _, file := range files {
		if err == nil {
			err = bestow(file)
		}
	}
	return one, errors.Join(err, syncDir(c.layout.keys()))
}

// key is how the roster names the key of an intermediate that is not the first.
func (i intermediate) key() string {
	if i.ref != "" {
		return i.ref
	}
	return i.file("key")
}

// file names the file of an intermediate that is not the first.
func (i intermediate) file(kind string) string { return "intermediate-" + i.id[:8] + "." + kind }

// clean removes what a ceremony that was killed left behind: files that the roster
// does not name.
func (c *ceremony) clean() error {
	left, err := filepath.Glob(c.layout.inKeys("intermediate-*"))
	if err != nil {
		return err
	}
	for _, path := range left {
		name := filepath.Base(path)
		named := slices.ContainsFunc(c.secrets.roster.Intermediates, func(m member) bool { return m.Key == name || m.Certificate == name })
		if named {
			continue
		}
		if err := os.Remove(path); err != nil {
			return err
		}
	}
	return nil
}

// enter puts the next intermediate on the roster. It is there from then on.
func (c *ceremony) enter(next intermediate, now time.Time, overlap, over time.Duration) error {
	r := c.secrets.roster
	from := r.issuing(now)
	r.Intermediates = append(r.Intermediates, member{ID: next.id, Certificate: next.file("pem"), Key: next.key()})
	begins := now.Add(overlap)
	r.Move = &move{From: from, To: next.id, Begins: begins, Since: begins, Pace: pace(over), State: moveOn}
	c.secrets.intermediates = append(c.secrets.intermediates, next)
	return r.write(c.layout, c.order(actionRotate, next.id, map[string]any{
		"from": from, "to": next.id, "serial": store.SerialOf(next.certificate).String(), "sha256": fingerprint(next.certificate),
		"begins": begins, "pace": over.String(),
	}))
}

// moving returns the move of the roster.
func (c *ceremony) moving() (*move, error) {
	if m := c.secrets.roster.Move; m != nil {
		return m, nil
	}
	return nil, errors.New("this CA was never rotated: betonicad rotate --root-key makes the next intermediate")
}

// stop has nobody asked to renew early any more.
func (c *ceremony) stop(now time.Time) (string, error) {
	m, err := c.moving()
	if err != nil {
		return "", err
	}
	if m.State != moveOn {
		return "", errors.New("the fleet is not being moved")
	}
	m.State = moveStopped
	text := "stopped: nobody is asked to renew early, and who renews gets the next intermediate"
	if now.Before(m.Begins) {
		m.State = moveHeld
		text = "stopped: the next intermediate does not issue until --resume"
	}
	return text, c.secrets.roster.write(c.layout, c.order(actionStop, m.To, map[string]any{"to": m.To}))
}

// back has the earlier intermediate issue again.
func (c *ceremony) back() (string, error) {
	m, err := c.moving()
	if err != nil {
		return "", err
	}
	if m.State == moveBack {
		return "", errors.New("the earlier intermediate issues already")
	}
	if err := c.fit(m.From); err != nil {
		return "", fmt.Errorf("the earlier intermediate cannot issue: %w", err)
	}
	m.State = moveBack
	return fmt.Sprintf("back: %q issues again", c.secrets.intermediate(m.From).Subject),
		c.secrets.roster.write(c.layout, c.order(actionBack, m.From, map[string]any{"to": m.From}))
}

// A change is what of a move is to be another from now on; nil: as before.
type change struct{ pace, overlap *time.Duration }

// resume goes on with the move.
func (c *ceremony) resume(now time.Time, anew change) (string, error) {
	m, err := c.moving()
	if err != nil {
		return "", err
	}
	if m.State == moveOn && anew == (change{}) {
		return "", errors.New("the fleet is being moved already")
	}
	if err := c.fit(m.To); err != nil {
		return "", fmt.Errorf("the next intermediate cannot issue: %w", err)
	}
	m.State = moveOn
	if anew.overlap != nil {
		m.Begins = now.Add(*anew.overlap)
	}
	if m.Since = m.Begins; now.After(m.Begins) {
		m.Since = now
	}
	if anew.pace != nil {
		m.Pace = pace(*anew.pace)
	}
	return fmt.Sprintf("resumed: %q issues from %s on", c.secrets.intermediate(m.To).Subject, m.Begins.Format(time.RFC3339)),
		c.secrets.roster.write(c.layout, c.order(actionResume, m.To, map[string]any{
			"to": m.To, "begins": m.Begins, "pace": time.Duration(m.Pace).String(),
		}))
}

// fall puts on the roster that the root revoked an intermediate, which is not moved
// to any more.
func (c *ceremony) fall(falls *intermediate, reason string) error {
	r := c.secrets.roster
	if m := r.Move; m != nil && m.To == falls.id && r.issuing(time.Now()) != falls.id {
		m.State = moveBack
	}
	return r.write(c.layout, c.order(actionRevoke, falls.id, map[string]any{
		"id": falls.id, "serial": store.SerialOf(falls.certificate).String(), "reason": reason,
	}))
}

// find returns the intermediate that a file holds, or that has this serial number.
func (c *ceremony) find(text string) (*intermediate, error) {
	is := func(cert *x509.Certificate) bool {
		digits := strings.TrimLeft(strings.ToLower(strings.ReplaceAll(text, ":", "")), "0")
		return digits != "" && cert.SerialNumber.Text(16) == digits
	}
	if file, err := os.ReadFile(text); err == nil {
		named, _, err := decodeCertificate(file)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", text, err)
		}
		is = named.Equal
	}
	for i := range c.secrets.intermediates {
		if is(c.secrets.intermediates[i].certificate) {
			return &c.secrets.intermediates[i], nil
		}
	}
	return nil, fmt.Errorf("%s is no intermediate of this CA, and no file with the certificate of one", text)
}
