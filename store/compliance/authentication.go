package compliance

import "time"

func named(q question) verdict {
	if v, none := noRecords(q); none {
		return v
	}
	if c := q.Access.Nameless; c.N > 0 {
		return failed(c, "%s let in without a certificate.", were(c.N, "access"))
	}
	in := q.Access.Outcomes["allowed"] + q.Access.Outcomes["observed"]
	if in == 0 {
		return untested("Nobody was let in since %s.", date(q.Since))
	}
	return ofAll(q, pass("%s let in, each with the certificate of a machine that is named.", were(in, "access")))
}

func revokedIn(q question) verdict {
	if v, none := noRecords(q); none {
		return v
	}
	if c := q.Access.Revoked; c.N > 0 {
		return failed(c, "%s let in with a certificate that had been revoked.", were(c.N, "access"))
	}
	switch {
	case q.Access.VoidsLost:
		return untested("More certificates were revoked than could be held against the records.")
	case q.Access.Voids == 0:
		return untested("No certificate that was in time since %s was revoked, so none could be shown.", date(q.Since))
	}
	return ofAll(q, pass("%s revoked before the end, and nobody was let in with one.", were(q.Access.Voids, "certificate")))
}

// byRole counts the roles that are at fault, with their machines.
func byRole(q question, fault func(Role) string) (c Count) {
	for _, r := range q.Policy.Roles {
		if why := fault(r); why != "" {
			c.Add("role "+r.Name, why+"; "+counted(r.Active, "machine"))
		}
	}
	return c
}

func keysAtHome(q question) verdict {
	if v, none := noRoles(q); none {
		return v
	}
	c := byRole(q, func(r Role) string {
		if r.ServerKeys {
			return "the CA makes keys for it"
		}
		return ""
	})
	if c.N > 0 {
		return failed(c, "%s may have keys that were made elsewhere.", counted(c.N, "role"))
	}
	return pass("In each of %s machines make their own keys, and the CA never sees them.", counted(int64(len(q.Policy.Roles)), "role"))
}

func lifetimes(q question) verdict {
	if v, none := noRoles(q); none {
		return v
	}
	longest := time.Duration(0)
	c := byRole(q, func(r Role) string {
		longest = max(longest, r.Lifetime)
		if r.Lifetime > q.within {
			return length(r.Lifetime)
		}
		return ""
	})
	if c.N > 0 {
		return failed(c, "Certificates of more than %s are given in %s.", length(q.within), counted(c.N, "role"))
	}
	return pass("No role gives certificates of more than %s.", length(longest))
}

func strong(q question) verdict {
	if v, none := noCertificates(q); none {
		return v
	}
	if c := q.Certificates.Weak; c.N > 0 {
		return failed(c, "The keys of %s are too weak.", counted(c.N, "certificate"))
	}
	return pass("Each of %s has a key of P-256, P-384, Ed25519, or RSA of 2048 bits or more.", counted(q.Certificates.Live, "certificate"))
}

func suspects(q question) verdict {
	if c := q.Identities.Suspect; c.N > 0 {
		return failed(c, "%s under suspicion.", are(c.N, "identity"))
	}
	if v, none := nobody(q); none {
		return v
	}
	return pass("None of %s that are active is under suspicion.", counted(q.Identities.States["active"], "identity"))
}

func proofs(q question) verdict {
	if v, none := noRoles(q); none {
		return v
	}
	c := byRole(q, func(r Role) string {
		if int64(r.Proofs) < q.most && !r.Privileged {
			return counted(int64(r.Proofs), "proof") + " to enrol"
		}
		return ""
	})
	if c.N > 0 {
		return failed(c, "In %s fewer than %d proofs are enough to enrol.", counted(c.N, "role"), q.most)
	}
	return pass("Every role of machines asks for %d proofs or more.", q.most)
}
