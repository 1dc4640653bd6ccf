package doctor

import (
	"context"
	"fmt"
	"time"

	"github.com/betonica/betonica/store"
)

// keys tells whether each key opens, fits its certificate and chains to the root.
func keys(_ context.Context, c *Case) []Finding {
	k := c.Keys
	if k == nil {
		return c.without()
	}
	const lost = "put the file back from a backup (betonicad restore); nothing can be issued without it"
	var found []Finding
	if k.RootErr != nil {
		found = append(found, fail(lost, "the root's certificate: %v", k.RootErr))
	}
	if k.PassphraseErr != nil {
		return append(found, fail("put the passphrase back where the configuration says ([ca] passphrase_file), or hand it over as the systemd credential betonica.passphrase",
			"%v", k.PassphraseErr))
	}
	for _, one := range k.Intermediates {
		switch {
		case one.Err != nil && one.InToken:
			found = append(found, fail(store.TroubleHSM.Remedy(), "%s: %s: %v", string(store.TroubleHSM), one.Name, one.Err))
		case one.Err != nil:
			found = append(found, fail("check the passphrase file; if it is the right one, put the key back from a backup (betonicad restore)", "%s: %v", one.Name, one.Err))
		case k.Root != nil && one.Certificate.CheckSignatureFrom(k.Root) != nil:
			found = append(found, fail("put back the certificate that the root signed, or the root's: one of them is another CA's", "%s is not signed by the root", one.Name))
		}
	}
	for _, one := range []Key{k.Log, k.Responder} {
		if one.Err != nil {
			found = append(found, fail(lost, "%s: %v", one.Name, one.Err))
		}
	}
	if cert := k.Responder.Certificate; k.Responder.Err == nil && k.Root != nil && cert.CheckSignatureFrom(k.Root) != nil {
		found = append(found, fail("have the root certify a new one: betonicad root sign-crl", "%s is not signed by the root", k.Responder.Name))
	}
	if d := c.Daemon; d != nil {
		found = append(found, logKeys(d, c.Now())...)
	}
	return orOK(found, "%s, and the log's key open; all fit their certificates, which the root signed", counted(len(k.Intermediates), "intermediate"))
}

// logKeys tells whether the daemon replaces the keys of the log as it should.
func logKeys(d *Daemon, now time.Time) (found []Finding) {
	for _, one := range []struct {
		metric, what string
		life         time.Duration
	}{
		{"betonica_audit_data_key_timestamp_seconds", "entries of the log are sealed under one data key", store.DataKeyLife},
		{"betonica_audit_wrapping_key_timestamp_seconds", "the log's data keys are wrapped by one key", store.WrappingKeyLife},
	} {
		made, known := d.value(one.metric)
		if since := time.Unix(int64(made), 0).UTC(); known && now.Sub(since) > one.life+keysLate {
			found = append(found, warn("see the daemon's log for why it was not replaced; betonicad rotate log-key has it done",
				"%s since %s, and the next was due after %d days", one.what, since.Format(time.DateOnly), one.life/(24*time.Hour)))
		}
	}
	return found
}

// keysLate is how much later than they are due the log's keys may be replaced.
const keysLate = 5 * 24 * time.Hour

// counted writes a number of things.
func counted(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
