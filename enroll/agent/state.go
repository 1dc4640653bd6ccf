package agent

// A State says where a directory's certificate stands. It is shown, and kept beside
// the certificate; what the directory holds goes before it.
type State string

const (
	Unenrolled State = "unenrolled"    // no certificate, and nothing asked for
	Trusting   State = "trust"         // first contact: is it the CA that was named?
	Keygen     State = "keygen"        // making a key and a request
	Enrolling  State = "enrolling"     // a first request is on its way
	Pending    State = "pending"       // a person has to approve it
	Staged     State = "staged"        // a new certificate is in place; does the program like it?
	Active     State = "active"        // it does
	Renewing   State = "renewing"      // a request for the next one is on its way
	Rollback   State = "rollback"      // it does not: the old one is back in place, the new one is tried again
	Grace      State = "expired-grace" // the certificate ran out; the role may admit a late renewal
	Denied     State = "denied"        // the CA said no, and a person has to look; it is asked once in a while
)

// A signal is what moves a directory from one [State] to the next.
type signal int

const (
	begun    signal = iota // somebody wants a first certificate, and has what it takes
	trusted                // the CA is known
	prepared               // key and request are on disk, for a first certificate
	waits                  // the CA wants a person to approve
	issued                 // a certificate is whole, on disk and in place
	liked                  // Exec and Health succeeded, or there are none
	disliked               // they failed, and there is a good certificate of before
	due                    // key and request for the next certificate are on disk
	missed                 // no answer, or none that counts: try again later
	refused                // the CA said no
	ended                  // the certificate in place ran out
	signals
)

// transitions is the whole machine: the state that follows each state on each
// signal. "" is what cannot be: it is reported, and moves nothing.
//
// After a refusal a person may have mended it, so that any state but the first
// may follow a try. Another process may do its steps between two of ours: so a
// state admits what another one's would have led to.
var transitions = map[State][signals]State{
	//           begun     trusted prepared   waits    issued  liked   disliked  due       missed      refused  ended
	Unenrolled: {Trusting, "", "", "", Staged, "", "", "", Unenrolled, Denied, ""},
	Trusting:   {Trusting, Keygen, "", "", Staged, "", "", "", Trusting, Denied, ""},
	Keygen:     {Trusting, Keygen, Enrolling, "", Staged, "", "", "", Keygen, Denied, ""},
	Enrolling:  {Trusting, Keygen, Enrolling, Pending, Staged, "", "", "", Enrolling, Denied, ""},
	Pending:    {Trusting, Keygen, Enrolling, Pending, Staged, "", "", "", Pending, Denied, ""},
	Staged:     {Trusting, "", "", "", Staged, Active, Rollback, Renewing, Staged, Denied, Grace},
	Active:     {Trusting, "", "", "", Staged, Active, Rollback, Renewing, Active, Denied, Grace},
	Renewing:   {Trusting, "", "", "", Staged, Renewing, Rollback, Renewing, Renewing, Denied, Grace},
	Rollback:   {Trusting, "", "", "", Staged, Rollback, Rollback, Renewing, Rollback, Denied, Grace},
	Grace:      {Trusting, "", "", "", Staged, Grace, Rollback, Grace, Grace, Denied, Grace},
	Denied:     {Trusting, Keygen, Enrolling, Pending, Staged, Denied, Rollback, Renewing, Denied, Denied, Denied},
}

// next returns the state that follows; ok is false if the signal cannot come then.
func (s State) next(on signal) (State, bool) {
	to := transitions[s][on]
	if to == "" {
		return s, false
	}
	return to, true
}
