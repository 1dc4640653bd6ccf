package compliance

func digests(q question) verdict {
	a := q.Access
	if a.Matched == 0 && a.Differing.N == 0 {
		return untested("No payload has passed two guards on one connection since %s.", date(q.Since))
	}
	if a.Differing.N > 0 {
		return failed(a.Differing, "%s arrived differently from how it left, and %s alike.", counted(a.Differing.N, "payload"), number(a.Matched))
	}
	if a.Unpaired > 0 {
		return untested("%s digested alike at both ends; for %s there was no room to look.", were(a.Matched, "payload"), number(a.Unpaired))
	}
	return ofAll(q, pass("%s digested at both ends of a connection, and alike.", were(a.Matched, "payload")))
}

func sampled(q question) verdict {
	if q.Log.Sampled == 0 {
		return untested("Nothing is signed yet that could be looked up.")
	}
	if c := q.Log.Unproved; c.N > 0 {
		return failed(c, "Not what was signed: %s of %s drawn at random.", number(c.N), counted(q.Log.Sampled, "entry"))
	}
	return pass("%s drawn at random, and each is in the signed log; the proofs are beside this report.", counted(q.Log.Sampled, "entry"))
}

func policyRecorded(q question) verdict {
	p := q.Policy
	if p.Version == 0 {
		return untested("No policy is in force.")
	}
	if !p.Logged {
		return untested("The log has no entry any more of how version %d came into force.", p.Version)
	}
	if !p.Recorded {
		return failed(one(text("version %d", p.Version), p.Digest), "The text of the policy in force is not the one whose digest is in the log.")
	}
	return pass("Version %d, in force since %s by %s, has the digest that is in the log.", p.Version, date(p.Loaded), p.Actor)
}
