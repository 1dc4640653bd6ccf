package compliance

import "strings"

func listeners(q question) verdict {
	if v, none := unknownSystem(q); none {
		return v
	}
	var bad Count
	var met []string
	for _, l := range q.System.Listeners {
		switch {
		case l.Trouble != "":
			return untested("The listener %s at %s could not be tried: %s.", l.Name, l.Address, l.Trouble)
		case !l.Refuses:
			bad.Add(l.Name+" at "+l.Address, "takes TLS 1.1")
		}
		met = append(met, text("%s agreed on %s with %s", l.Name, l.Version, strings.Join(notEmpty(l.Cipher, l.Group), " and ")))
	}
	switch {
	case len(q.System.Listeners) == 0:
		return untested("The daemon has no listener of TLS.")
	case bad.N > 0:
		return failed(bad, "What is older than TLS 1.2 is taken by %s.", counted(bad.N, "listener"))
	}
	v := pass("TLS 1.1 is refused by %s; %s.", counted(int64(len(met)), "listener"), strings.Join(met, ", "))
	for _, l := range q.System.Listeners {
		v.Add(l.Name+" at "+l.Address, strings.Join(notEmpty(l.Version, l.Cipher, l.Group), ", "))
	}
	return v
}

func notEmpty(words ...string) (kept []string) {
	for _, w := range words {
		if w != "" {
			kept = append(kept, w)
		}
	}
	return kept
}

func plaintext(q question) verdict {
	if v, none := unknownSystem(q); none {
		return v
	}
	if q.System.OpsOpen {
		return failed(one(q.System.Ops, "health and metrics"), "Health and metrics are told without encryption beyond this host.")
	}
	return pass("Health and metrics are told at %s, which only this host reaches.", q.System.Ops)
}

func fips(q question) verdict {
	if v, none := unknownSystem(q); none {
		return v
	}
	if !q.System.FIPS {
		return inapplicable("This program does not claim FIPS 140-3: its cryptography is Go's, and no validated module is in force.")
	}
	if q.System.FIPSVersion == "latest" {
		return inapplicable("This program does not claim FIPS 140-3: its mode is on, and the cryptographic module that it was built with is not validated.")
	}
	return pass("Go's cryptographic module %s is in force. Backups are encrypted by age, which is no part of it.", q.System.FIPSVersion)
}

func lists(q question) verdict {
	if q.Enforcement.Lists == 0 {
		return untested("No issuer has published a list yet.")
	}
	if c := q.Enforcement.Stale; c.N > 0 {
		return failed(c, "Not fresh: %s of %s.", number(c.N), counted(q.Enforcement.Lists, "list"))
	}
	return pass("%s, and each is in time.", counted(q.Enforcement.Lists, "list"))
}

func enforced(q question) verdict {
	if q.Enforcement.Parties == 0 {
		return untested("No relying party has reported within a day.")
	}
	if c := q.Enforcement.Behind; c.N > 0 {
		return failed(c, "With an older list: %s of %s.", number(c.N), counted(q.Enforcement.Parties, "relying party"))
	}
	return pass("Each of %s enforces the newest revocation, number %s.", counted(q.Enforcement.Parties, "relying party"), number(q.Enforcement.Number))
}
