package compliance

// sixYears of the rule, in days; as the store counts them.
const sixYears = 6 * 365 * day

func logKept(q question) verdict {
	if v, none := unknownSystem(q); none {
		return v
	}
	if q.System.KeepsLog < sixYears {
		return failed(one("[retention] audit", length(q.System.KeepsLog)), "Entries of the log stay for %s only.", length(q.System.KeepsLog))
	}
	return pass("Entries of the log stay for %s in the database, and then in the archive.", length(q.System.KeepsLog))
}

func recordsKept(q question) verdict {
	if v, none := unknownSystem(q); none {
		return v
	}
	if q.System.KeepsRecords < sixYears {
		return failed(one("[retention] records", length(q.System.KeepsRecords)), "What guards ship stays for %s only.", length(q.System.KeepsRecords))
	}
	return pass("What guards ship stays for %s.", length(q.System.KeepsRecords))
}

func archived(q question) verdict {
	if q.Log.Segments == 0 {
		return inapplicable("Nothing of the log is old enough to be in the archive.")
	}
	if c := q.Log.Missing; c.N > 0 {
		return failed(c, "Not there: %s of %s of the archive.", number(c.N), counted(q.Log.Segments, "file"))
	}
	return pass("%s of the archive, and each is there.", counted(q.Log.Segments, "file"))
}

func versions(q question) verdict {
	p := q.Policy
	if p.Newest == 0 {
		return untested("No policy was ever in force.")
	}
	if p.Kept != p.Newest {
		return failed(one(counted(p.Newest-p.Kept, "version"), "not on record"), "On record: %s of %s of the policy.", number(p.Kept), counted(p.Newest, "version"))
	}
	return pass("%s of the policy, each on record with its time and author.", counted(p.Newest, "version"))
}
