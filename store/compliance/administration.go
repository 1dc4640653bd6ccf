package compliance

// nobody answers for what is looked for in identities, where none is active.
func nobody(q question) (verdict, bool) {
	if q.Identities.States["active"] > 0 {
		return verdict{}, false
	}
	return untested("No identity is active."), true
}

// noRoles answers for what the policy says.
func noRoles(q question) (verdict, bool) {
	if len(q.Policy.Roles) > 0 {
		return verdict{}, false
	}
	return untested("No policy is in force that could be read."), true
}

func owners(q question) verdict {
	if v, none := nobody(q); none {
		return v
	}
	active := q.Identities.States["active"]
	if c := q.Identities.Ownerless; c.N > 0 {
		return failed(c, "Nobody answers for %s of %s that are active.", counted(c.N, "identity"), number(active))
	}
	return pass("Somebody answers for each of %s that are active.", counted(active, "identity"))
}

func twoPeople(q question) verdict {
	var people Count
	for _, p := range q.Identities.Privileged {
		owner := "nobody"
		if p.Owner != "" {
			owner = p.Owner
		}
		people.Add(p.Path, "answered for by "+owner)
	}
	held, owners := counted(people.N, "person"), counted(q.Identities.Owners, "owner")
	if q.Identities.Owners < 2 {
		return failed(people, "Privileged certificates in time are held by %s, of %s: what needs two people root does alone.", held, owners)
	}
	v := pass("Privileged certificates in time are held by %s, of %s.", held, owners)
	v.Count = people
	return v
}

func dormancy(q question) verdict {
	var machines int64
	for _, r := range q.Policy.Roles {
		if !r.Privileged {
			machines += r.Active
		}
	}
	if machines == 0 {
		return untested("No machine is active in a role.")
	}
	c := byRole(q, func(r Role) string {
		if r.Active > 0 && r.Dormant == 0 && !r.Privileged {
			return "dormant_after is not set"
		}
		return ""
	})
	if c.N > 0 {
		return failed(c, "In %s a machine that is gone keeps its standing until somebody notices.", counted(c.N, "role"))
	}
	return pass("In each role that has machines, one that asks for nothing any more is suspended by itself.")
}

func unattested(q question) verdict {
	if v, none := nobody(q); none {
		return v
	}
	if c := q.Identities.Unattested; c.N > 0 {
		return failed(c, "Of %s nobody has said in time that it is still there.", counted(c.N, "identity"))
	}
	var asked, unasked int64
	for _, r := range q.Policy.Roles {
		if r.Attest > 0 {
			asked += r.Active
		} else {
			unasked += r.Active
		}
	}
	switch {
	case asked == 0:
		return untested("No role that machines are in asks for it: attest_every is \"never\".")
	case unasked > 0:
		return pass("Of each of %s somebody has said in time that it is still there; %s of roles that do not ask.", counted(asked, "machine"), are(unasked, "machine"))
	}
	return pass("Of each of %s somebody has said in time that it is still there.", counted(asked, "machine"))
}

// refused are the actions by which attempts are put on record.
func refused(actions map[string]int64) (n int64) {
	for _, a := range []string{"certificate.refuse", "token.refuse", "token.reuse", "request.refuse", "admin.refuse", "acme.refuse", "birth.reuse", "journal.refuse", "enforcement.refuse"} {
		n += actions[a]
	}
	return n
}

func refusals(q question) verdict {
	if q.Log.Entries == 0 {
		return untested("Nothing is on record yet.")
	}
	n := refused(q.Log.Actions)
	if q.Log.Dropped > 0 {
		return failed(one("refusals.dropped", times(q.Log.Dropped)), "%s on record since %s; %s there were more than could be written down.", are(n, "refusal"), date(q.Since), times(q.Log.Dropped))
	}
	return pass("%s by the CA since %s, and each is on record.", counted(n, "refusal"), date(q.Since))
}

// weekly is how often the log is to be reviewed; the limit is when it fails.
const weekly = 7 * day

func looked(q question) verdict {
	r := q.Reviews
	age := q.At.Sub(r.Waits)
	switch {
	case q.Log.Entries == 0 || r.N == 0 && r.Waits.IsZero():
		return untested("Nothing is on record yet.")
	case r.N == 0:
		if word := attested(q); word.state == Attested { // of before reviews were on record
			return word
		}
		if age <= q.within {
			return untested("Nobody has reviewed the log yet; it is %s old, and there is time until %s.", length(age), date(r.Waits.Add(q.within)))
		}
		return failed(Count{}, "Nobody has ever reviewed the log, which is %s old.", length(age))
	case r.Lost:
		return untested("There are more reviews on record than are looked through.")
	case !r.Waits.IsZero() && age > q.within:
		return failed(r.Gaps, "Nobody has reviewed what came on %s, %s ago; the last review is of %s, by %s.",
			date(r.Waits), length(age), date(r.Done[0].At), r.Done[0].By)
	}
	v := pass("Reviewed %s, last on %s by %s.", times(r.N), date(r.Done[0].At), r.Done[0].By)
	if !r.Waits.IsZero() && age > weekly+day {
		v.found += text(" What came since %s waits: the next review is due.", date(r.Waits))
	}
	for _, d := range r.Done {
		v.Add(text("%s to %s, entries %s to %s", date(d.Since), date(d.Until), number(d.First), number(d.Last)), text("%s on %s: “%s”", d.By, date(d.At), d.Word))
	}
	v.N = r.N
	return v
}

func backedUp(q question) verdict {
	if v, none := unknownSystem(q); none {
		return v
	}
	b, within := q.System.Backup, q.System.BackupWithin
	if b.At.IsZero() {
		return failed(Count{}, "There never was a backup.")
	}
	if age := q.At.Sub(b.At); age > within {
		return failed(one(b.File, "of "+date(b.At)), "The newest backup is %s old; it may be %s.", length(age), length(within))
	}
	return pass("The newest backup is %s old.", length(q.At.Sub(b.At)))
}

func evaluated(q question) verdict {
	if q.Daily.IsZero() {
		return untested("The daemon has not made its daily run yet.")
	}
	if age := q.At.Sub(q.Daily); age > q.within {
		return failed(one("compliance.run", "of "+date(q.Daily)), "The last daily run is %s old.", length(age))
	}
	return pass("The last daily run was %s ago.", length(q.At.Sub(q.Daily)))
}
