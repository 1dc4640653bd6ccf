package compliance

func signed(q question) verdict {
	if q.Log.SignedAt.IsZero() {
		return failed(Count{}, "No checkpoint of the log was ever signed.")
	}
	age, tail := q.At.Sub(q.Log.SignedAt), q.Log.Entries-q.Log.Signed
	if age > q.within {
		return failed(one("checkpoint of "+counted(q.Log.Signed, "entry"), "signed "+length(age)+" ago"),
			"The newest checkpoint is %s old, and %s came since.", length(age), counted(tail, "entry"))
	}
	return pass("%s; signed for %s ago, but for the last %s.", counted(q.Log.Entries, "entry"), length(age), number(tail))
}

func verified(q question) verdict {
	v := q.Log.Verified
	switch {
	case v == nil:
		return untested("It has not been read as a whole yet; the daemon does so once a day.")
	case v.Findings.N > 0:
		return failed(v.Findings, "Read on %s: %s, and %s.", date(v.At), counted(v.Entries, "entry"), counted(v.Findings.N, "finding"))
	case q.At.Sub(v.At) > q.within:
		return untested("It was read last %s ago.", length(q.At.Sub(v.At)))
	}
	return pass("Read on %s: %s, and every one is as it was written.", date(v.At), counted(v.Entries, "entry"))
}

func evidenceApart(q question) verdict {
	if v, none := unknownSystem(q); none {
		return v
	}
	switch p := q.System.Evidence; {
	case p.Trouble != "":
		return untested("It could not be found out: %s.", p.Trouble)
	case p.File == "":
		return failed(Count{}, "No evidence file is kept: a database that was set back would not show.")
	case p.Beside != "":
		return failed(one(p.File, p.Beside+" as the CA's folder"), "The evidence lies %s as the log: whoever sets the device back sets back what would show it.", p.Beside)
	}
	return pass("Every checkpoint that was ever signed is on another device, too.")
}

func heard(q question) verdict {
	if q.Access.Journals == 0 {
		return untested("No guard ships its records to this CA.")
	}
	if c := q.Access.Silent; c.N > 0 {
		return failed(c, "Not heard of for %s: %s of %s in service.", length(q.within), number(c.N), counted(q.Access.Journals, "journal"))
	}
	return pass("%s in service, and every one was heard of within %s.", counted(q.Access.Journals, "journal"), length(q.within))
}

func gaps(q question) verdict {
	if q.Access.Journals == 0 {
		return untested("No guard ships its records to this CA.")
	}
	if c := q.Access.Gaps; c.N > 0 {
		return failed(c, "Guards could not write for a while, %s.", times(c.N))
	}
	return ofAll(q, pass("No guard has reported a gap since %s.", date(q.Since)))
}

func times(n int64) string {
	if n == 1 {
		return "once"
	}
	return number(n) + " times"
}

func forked(q question) verdict {
	if q.Access.Journals == 0 && q.Access.Forked.N == 0 {
		return untested("No guard ships its records to this CA.")
	}
	if c := q.Access.Forked; c.N > 0 {
		return failed(c, "%s told another history than it had signed before.", have(c.N, "journal"))
	}
	return pass("Each journal goes on from what it had signed before.")
}

func delivered(q question) verdict {
	if v, none := unknownSystem(q); none {
		return v
	}
	if len(q.System.Sinks) == 0 {
		return untested("The log is delivered nowhere: whoever holds this CA's disks holds every copy.")
	}
	var late Count
	for _, s := range q.System.Sinks {
		if s.Lag > q.within {
			why := "behind by " + length(s.Lag)
			if s.Why != "" {
				why += ": " + s.Why
			}
			late.Add(s.Name, why)
		}
	}
	if late.N > 0 {
		return failed(late, "Behind by more than %s: %s of %s.", length(q.within), number(late.N), counted(int64(len(q.System.Sinks)), "receiver"))
	}
	return pass("%s, and none is behind by more than %s.", counted(int64(len(q.System.Sinks)), "receiver"), length(q.within))
}
