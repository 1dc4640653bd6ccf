package doctor

import (
	"context"
	"crypto/x509"
	"fmt"
	"time"
)

// certificates tells how long each certificate of the CA lasts. A third of its life
// before its end somebody should know; the root's itself is told of in its last tenth.
func certificates(_ context.Context, c *Case) []Finding {
	if c.Keys == nil {
		return c.without()
	}
	const fetch = "fetch the root's key, and run "
	var found []Finding
	soonest := time.Duration(1<<63 - 1)
	judge := func(what string, begin, end time.Time, share time.Duration, do string) {
		life, left := end.Sub(begin), end.Sub(c.Now())
		soonest = min(soonest, left)
		switch {
		case begin.After(c.Now()):
			found = append(found, fail("set the clock", "%s is not valid before %s", what, begin.UTC().Format(time.RFC3339)))
		case left <= 0:
			found = append(found, fail(do, "%s ended at %s", what, end.UTC().Format(time.RFC3339)))
		case left < life/share:
			found = append(found, warn(do, "%s ends in %s, at %s", what, span(left), end.UTC().Format(time.RFC3339)))
		}
	}
	of := func(what string, cert *x509.Certificate, share time.Duration, do string) {
		if cert != nil {
			judge(what, cert.NotBefore, cert.NotAfter, share, do)
		}
	}
	of("the root's certificate", c.Keys.Root, 10, "plan a new CA beside this one: every machine has to learn of its root before this one ends")
	for _, one := range c.Keys.Intermediates {
		if one.Issues {
			of(one.Name, one.Certificate, 3, fetch+"betonicad rotate")
		}
	}
	of(c.Keys.Responder.Name, c.Keys.Responder.Certificate, 3, fetch+"betonicad root sign-crl")
	if d := c.Daemon; d != nil {
		for _, s := range d.samples("betonica_certificate_not_after_timestamp_seconds") {
			kind, issuer := s.labels["certificate"], s.labels["issuer"]
			what := map[string]string{"daemon": "the daemon's own certificate", "ocsp": "the certificate of the OCSP responder of " + short(issuer)}[kind]
			begin, known := d.value("betonica_certificate_not_before_timestamp_seconds", "certificate", kind, "issuer", issuer)
			if what != "" && known {
				judge(what, time.Unix(int64(begin), 0), time.Unix(int64(s.value), 0), 3, "see the daemon's log for why it is not renewed")
			}
		}
	}
	return orOK(found, "the first to end has %s left", span(soonest))
}

// short is enough of a key identifier to tell intermediates apart.
func short(id string) string { return id[:min(8, len(id))] }

// span writes a time in the unit that fits it.
func span(d time.Duration) string {
	switch {
	case d >= 48*time.Hour:
		return fmt.Sprintf("%d days", d/(24*time.Hour))
	case d >= 2*time.Hour:
		return fmt.Sprintf("%d hours", d/time.Hour)
	case d >= 2*time.Minute:
		return fmt.Sprintf("%d minutes", d/time.Minute)
	}
	return fmt.Sprintf("%d seconds", d/time.Second)
}
