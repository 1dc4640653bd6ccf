package compliance

// sentences says how each safeguard stands, in plain words and from the numbers.
func sentences(f *Facts, results []Result) []Sentence {
	var all []Sentence
	for _, s := range Safeguards() {
		one := Sentence{Safeguard: s, Cite: s.Cite(), Text: sentence(f, s), Counts: map[State]int{}}
		for _, r := range results {
			if r.Safeguard == s {
				one.Counts[r.State]++
			}
		}
		all = append(all, one)
	}
	return all
}

func sentence(f *Facts, s Safeguard) string {
	switch s {
	case Access:
		machines := f.Identities.States["active"]
		if machines == 0 {
			return "No identity is active yet."
		}
		if shared := f.Certificates.Borrowed.N; shared > 0 {
			return text("%s, and %s on record as somebody else's.", activeIdentities(machines), counted(shared, "key"))
		}
		return text("%s, each with keys of its own. None is shared.", activeIdentities(machines))
	case Audit:
		if f.Log.SignedAt.IsZero() {
			return text("%s on record, and nothing signed for yet.", counted(f.Log.Entries, "entry"))
		}
		return text("%s of the CA and %s of access in %s, signed for %s ago.", counted(f.Log.Entries, "entry"), counted(f.Access.Records, "record"),
			length(f.At.Sub(f.Since)), length(f.At.Sub(f.Log.SignedAt)))
	case Integrity:
		if f.Log.Sampled == 0 {
			return "Nothing is signed yet that could be looked up."
		}
		if n := f.Log.Unproved.N; n > 0 {
			return text("Not what was signed: %s of %s drawn at random.", number(n), counted(f.Log.Sampled, "entry"))
		}
		if f.Access.Matched+f.Access.Differing.N == 0 {
			return text("%s drawn at random, each proved to be in the signed log.", counted(f.Log.Sampled, "entry"))
		}
		return text("%s arrived as sent, %s did not; %s drawn at random are in the signed log.",
			counted(f.Access.Matched, "payload"), number(f.Access.Differing.N), counted(f.Log.Sampled, "entry"))
	case Authentication:
		in := f.Access.Outcomes["allowed"] + f.Access.Outcomes["observed"]
		if in == 0 {
			return text("%s in time, %s of them revoked. No guard has let anybody in yet.", counted(f.Certificates.Live, "certificate"), number(f.Certificates.Revoked))
		}
		return text("%s let in, %s of them without a certificate, %s with a revoked one.", counted(in, "access"), number(f.Access.Nameless.N), number(f.Access.Revoked.N))
	case Transmission:
		if !f.System.Known {
			return "The daemon was not there to tell of its listeners; " + enforcing(f) + "."
		}
		refusing := 0
		for _, l := range f.System.Listeners {
			if l.Refuses && l.Trouble == "" {
				refusing++
			}
		}
		return text("TLS 1.1 is refused by %d of %s; %s.", refusing, counted(int64(len(f.System.Listeners)), "listener"), enforcing(f))
	case Administration:
		return text("%s without an owner, %s under suspicion, %s by the CA on record.",
			counted(f.Identities.Ownerless.N, "identity"), number(f.Identities.Suspect.N), counted(refused(f.Log.Actions), "refusal"))
	}
	if !f.System.Known {
		return text("%s of the policy on record.", counted(f.Policy.Kept, "version"))
	}
	return text("%s of the policy on record; the log stays for %s.", counted(f.Policy.Kept, "version"), length(f.System.KeepsLog))
}

func activeIdentities(n int64) string {
	if n == 1 {
		return "1 active identity"
	}
	return number(n) + " active identities"
}

func enforcing(f *Facts) string {
	if f.Enforcement.Parties == 0 {
		return "no relying party has reported what it enforces"
	}
	return text("the newest revocation is enforced by %s of %s", number(f.Enforcement.Parties-f.Enforcement.Behind.N), counted(f.Enforcement.Parties, "relying party"))
}
