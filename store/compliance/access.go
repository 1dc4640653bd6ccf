package compliance

// noRecords answers for what only guards see, where none has shipped anything.
func noRecords(q question) (verdict, bool) {
	if q.Access.Records > 0 {
		return verdict{}, false
	}
	if n := q.Access.Unreadable; n > 0 {
		return untested("None of %s since %s could be read.", counted(n, "record"), date(q.Since)), true
	}
	return untested("No guard has shipped a record of the period since %s.", date(q.Since)), true
}

// ofAll turns a pass into what it is worth where some records could not be read: nobody
// knows what is in them.
func ofAll(q question, v verdict) verdict {
	if n := q.Access.Unreadable; n > 0 && v.state == Pass {
		return untested("%s could not be read, and may say otherwise. Of the rest: %s", counted(n, "record"), v.found)
	}
	return v
}

func observed(q question) verdict {
	if v, none := noRecords(q); none {
		return v
	}
	if c := q.Access.Observed; c.N > 0 {
		return failed(c, "%s let through though no rule allowed it.", were(c.N, "access"))
	}
	return ofAll(q, pass("%s: %s refused, and nothing let through without a rule.", counted(q.Access.Records, "record"), number(q.Access.Outcomes["refused"])))
}

func wide(q question) verdict {
	if len(q.Policy.Rules) == 0 {
		return inapplicable("The policy has no rules for guards.")
	}
	var c Count
	for _, r := range q.Policy.Rules {
		for _, why := range r.Wide {
			c.Add(r.Name, why)
		}
	}
	if c.N > 0 {
		return failed(c, "More is let in than is likely to be needed, by %s of %s.", counted(c.N, "part"), counted(int64(len(q.Policy.Rules)), "rule"))
	}
	return pass("%s, each with its roles, routes and types.", counted(int64(len(q.Policy.Rules)), "rule"))
}

// useSpan is how long records must go back before a rule that none names is unused.
const useSpan = 28 * day

func unused(q question) verdict {
	if len(q.Policy.Rules) == 0 {
		return inapplicable("The policy has no rules for guards.")
	}
	if v, none := noRecords(q); none {
		return v
	}
	if seen := q.At.Sub(q.Access.First); seen < useSpan {
		return untested("Records go back %s, which is less than four weeks.", length(seen))
	}
	var c Count
	for _, r := range q.Policy.Rules {
		if r.Uses == 0 {
			peers := ""
			for i, p := range r.Peers {
				if i > 0 {
					peers += ", "
				}
				peers += p
			}
			c.Add(r.Name, "for "+peers)
		}
	}
	if c.N > 0 && q.Access.Unreadable > 0 {
		return untested("%s could not be read, and may name the %s that no other names.", counted(q.Access.Unreadable, "record"), counted(c.N, "rule"))
	}
	if c.N > 0 {
		return failed(c, "Of %s, nobody has used %s since %s.", counted(int64(len(q.Policy.Rules)), "rule"), number(c.N), date(q.Access.First))
	}
	return pass("Each of %s was used.", counted(int64(len(q.Policy.Rules)), "rule"))
}

// noCertificates answers for what is looked for in certificates.
func noCertificates(q question) (verdict, bool) {
	if q.Certificates.Live > 0 {
		return verdict{}, false
	}
	return untested("No certificate is in time."), true
}

func borrowed(q question) verdict {
	if v, none := noCertificates(q); none {
		return v
	}
	if c := q.Certificates.Borrowed; c.N > 0 {
		return failed(c, "The keys of %s are on record as somebody else's.", counted(c.N, "certificate"))
	}
	return pass("%s, and each key is on record as its holder's own: none is shared.", counted(q.Certificates.Live, "certificate"))
}

func crowded(q question) verdict {
	if v, none := noCertificates(q); none {
		return v
	}
	if c := q.Certificates.Crowded; c.N > 0 {
		return failed(c, "%s more than %d certificates that could be used at once.", have(c.N, "identity"), q.most)
	}
	return pass("No identity has more than %d certificates that could be used at once.", q.most)
}

func orphaned(q question) verdict {
	if v, none := noCertificates(q); none {
		return v
	}
	if c := q.Certificates.Orphaned; c.N > 0 {
		return failed(c, "%s of identities that have ended, or are not on record, could still be used.", counted(c.N, "certificate"))
	}
	ended := q.Identities.States["revoked"] + q.Identities.States["retired"]
	return pass("Each of %s that could be used is of an identity in service; %s ended.",
		counted(q.Certificates.Live-q.Certificates.Revoked, "certificate"), have(ended, "identity"))
}

func logoff(q question) verdict {
	if q.Access.Sessions == 0 {
		return untested("No guard has recorded the end of a connection since %s.", date(q.Since))
	}
	if c := q.Access.Long; c.N > 0 {
		return failed(c, "%s of %s lasted longer than %s.", counted(c.N, "connection"), number(q.Access.Sessions), length(q.within))
	}
	var cut int64
	for _, n := range q.Access.Logoffs {
		cut += n
	}
	return ofAll(q, pass("%s came to an end, %s of them by a guard; none lasted longer than %s.", counted(q.Access.Sessions, "connection"), number(cut), length(q.within)))
}

// unknownSystem answers for what only the daemon knows.
func unknownSystem(q question) (verdict, bool) {
	if q.System.Known {
		return verdict{}, false
	}
	return untested("The daemon was not there to tell."), true
}

func apart(q question) verdict {
	if v, none := unknownSystem(q); none {
		return v
	}
	switch p := q.System.Passphrase; {
	case p.Trouble != "":
		return untested("It could not be found out: %s.", p.Trouble)
	case p.File == "":
		return pass("The service manager hands the passphrase over: there is no file of it.")
	case p.Beside != "":
		return failed(one(p.File, p.Beside+" as the CA's folder"), "The passphrase lies %s as what it opens: whoever copies the device has the keys.", p.Beside)
	}
	return pass("The passphrase is on another device than the keys that it opens.")
}

func backupSealed(q question) verdict {
	if v, none := unknownSystem(q); none {
		return v
	}
	switch b := q.System.Backup; {
	case b.At.IsZero():
		return untested("There never was a backup.")
	case !b.Encrypted:
		return failed(one(b.File, "of "+date(b.At)), "The newest backup is not encrypted.")
	default:
		return pass("The newest backup, of %s, is encrypted to its recipients alone.", date(b.At))
	}
}

func rootAway(q question) verdict {
	if v, none := unknownSystem(q); none {
		return v
	}
	var c Count
	for _, file := range q.System.RootKey {
		c.Add(file, "")
	}
	if c.N > 0 {
		return failed(c, "The root's key is on this host: whoever gets in here owns the CA for good.")
	}
	return pass("The root's key is in none of the places where it was made.")
}

// wrappingLife is how old the key may be that wraps the others: a year, and what a daemon
// may be late that was not running then.
const wrappingLife = 400 * day

func keysReplaced(q question) verdict {
	l := q.Log
	switch age, wrapping := q.At.Sub(l.DataKey), q.At.Sub(l.Wrapping); {
	case l.DataKey.IsZero():
		return untested("Nobody has told how old the log's keys are.")
	case age > q.within:
		return failed(one("the data key of "+date(l.DataKey), length(age)+" old"), "Entries are sealed under one data key for longer than %s.", length(q.within))
	case wrapping > wrappingLife:
		return failed(one("the wrapping key of "+date(l.Wrapping), length(wrapping)+" old"), "Data keys are wrapped by one key for longer than a year.")
	}
	return pass("Entries are sealed under the data key of %s, the last of %s; the key that wraps them is of %s.", date(l.DataKey), number(l.DataKeys), date(l.Wrapping))
}

// tried takes a power that was used and looked at for a trial: what works in an emergency
// was tried.
func tried(q question) verdict {
	all := q.Emergency.Reviewed
	if len(all) == 0 {
		return attested(q)
	}
	v := pass("Emergency powers were taken within a year, and looked at afterwards: last on %s, by %s.", date(all[0].At), all[0].By)
	for _, r := range all {
		v.Add(r.Person, text("%s on %s: “%s”", r.By, date(r.At), r.Word))
	}
	return v
}

// reviewed is about powers that were taken in an emergency.
func reviewed(q question) verdict {
	e := q.Emergency
	switch {
	case e.Unreviewed.N > 0:
		return failed(e.Unreviewed, "Nobody has looked in time at %s of %s.", number(e.Unreviewed.N), counted(e.Taken, "use"))
	case e.Lost:
		return untested("More powers were granted within a year than are looked through.")
	case e.Taken == 0:
		return inapplicable("Nobody has taken emergency powers within a year.")
	case e.Waiting > 0:
		return pass("%s within a year; %s still to be looked at, and in time.", counted(e.Taken, "use"), are(e.Waiting, "use"))
	}
	return pass("%s within a year, and somebody else has looked at each.", counted(e.Taken, "use"))
}

// one is a Count of one.
func one(what, detail string) Count { return Count{1, []Row{{what, detail}}} }
