package alert

import (
	"strings"
	"time"

	"github.com/betonica/betonica/store/audit"
)

// Of returns what an opened entry means to the rules: of the CA's own log, if origin is "",
// otherwise of the guard's journal with that name. The Kind is zero if it means nothing to
// them. The site is not in an entry: the caller fills it in, where he knows it. Texts are
// printable and cut, as the rules take them: guards wrote some of them.
func Of(origin string, e audit.Entry) Fact { return meaning(origin, e).bounded() }

func meaning(origin string, e audit.Entry) Fact {
	f := Fact{Origin: origin, Seq: e.Seq, At: e.At, Why: e.Outcome}
	d := detail(e.Detail)
	if origin != "" {
		access(&f, e, d)
		return f
	}
	f.Identity, f.Address = e.Subject, address(e.Address)
	switch e.Action {
	case "certificate.issue":
		f.Kind, f.Serial, f.Ends, f.Renewal = Issued, d.text("serial"), d.time("ends"), renewal(d.text("proof"))
		f.Age = time.Duration(min(max(d.number("clock"), -maxClock), maxClock)) * time.Second
	case "certificate.refuse":
		refused(&f, d)
	case "certificate.fork":
		f.Kind, f.Serial, f.Code = Forked, d.text("child"), forkCode(e.Outcome)
	case "certificate.late":
		f.Kind, f.Ends = Late, d.time("expired")
	case "acme.account":
		if d.text("proof") != "" { // it is bound to an identity, that enrols so
			f.Kind = Joined
		}
	case "token.reuse", "birth.reuse":
		f.Kind, f.Code, f.Other = Misused, CodeReused, d.text("proof")
	case "identity.suspect":
		f.Kind, f.Code, f.Other = Misused, CodeMixed, d.text("proof")
		if d.text("reason") == "key" {
			f.Kind, f.Code, f.Other = KeyTaken, "", d.text("other")
		}
	case "token.refuse":
		f.Kind, f.Identity, f.Other = Stranger, "", e.Subject
		if strings.HasPrefix(e.Outcome, "outside its network") {
			f.Kind, f.Code = Misused, CodeNetwork
		}
	case "request.refuse":
		if !strings.HasSuffix(d.text("reason"), "_queue") { // who waits behind others is no stranger for it
			f.Kind, f.Identity, f.Other = Stranger, "", e.Subject
		}
	case "admin.refuse":
		f.Kind = Stranger
	case "acme.refuse":
		if f.Kind = Stranger; strings.Contains(e.Subject, "/") && !strings.Contains(e.Subject, ":") {
			f.Kind = Refused
		}
	case "refusals.dropped":
		f.Kind, f.Identity, f.Count = Dropped, "", d.number("count")
	case "identity.revoke", "certificate.revoke":
		f.Kind, f.Serials = Revoked, d.texts("serials")
	case "identity.suspend", "identity.retire":
		f.Kind, f.Serials = Suspended, d.texts("serials")
	case "identity.resume":
		f.Kind = Resumed
	case "journal.fork":
		f.Kind, f.Code = Evidence, "a journal of another history than before"
	case "journal.refuse":
		f.Kind, f.Code = Evidence, "no room for a journal"
	case "enforcement.refuse":
		f.Kind, f.Code = Evidence, "an acknowledgement of a list that there is not"
	case "compliance.run": // daily, it has read the whole log
		if d.text("verified") != "" {
			f.Kind, f.Identity, f.Why = Verified, "", ""
			if n := d.number("findings"); n > 0 {
				f.Why = say("%d findings", n)
			}
		}
	case "alert.quiet":
		f.Kind, f.Identity, f.Site, f.Ends, f.Other = Window, "", d.text("site"), d.time("until"), d.text("reason")
	case "power.begin", "power.break-glass":
		if e.Action != "power.begin" || d["break_glass"] == true {
			f.Kind, f.Identity, f.Why = Emergency, person(e), d.text("reason")
		}
	case "power.end":
		if d["break_glass"] == true {
			f.Kind, f.Identity = Calm, person(e)
		}
	}
	return f
}

// person returns whose power it is: the daemon ends what has lapsed.
func person(e audit.Entry) string {
	if strings.Contains(e.Subject, "/") {
		return e.Subject
	}
	return e.Actor
}

// refused tells those who hold a certificate from those who proved nothing.
func refused(f *Fact, d detail) {
	serial, holds := strings.CutPrefix(d.text("proof"), "certificate:")
	switch void := d.text("void"); {
	case void == "early":
	case void == "unissued":
		f.Kind, f.Serial, f.Identity = Unissued, serial, d.text("claims")
	case void != "":
		f.Kind, f.Code, f.Serial = Void, void, serial
	case holds:
		f.Kind, f.Serial = Refused, serial
	default:
		f.Kind, f.Identity, f.Other = Stranger, "", d.text("proof")
	}
}

// maxClock bounds how far a clock may be said to be off, in seconds: a century.
const maxClock = 100 * 366 * 86400

// forkCode says in a word how a fork showed.
func forkCode(outcome string) string {
	switch {
	case strings.Contains(outcome, "another key"):
		return CodeOtherKey
	case strings.Contains(outcome, "left behind"):
		return CodeBehind
	}
	return CodeInUse
}

// renewal reports whether who was issued a certificate had one before, or an account: ACME
// clients renew by another order. The CA issues to itself.
func renewal(proof string) bool {
	return proof == "self" || strings.HasPrefix(proof, "certificate:") || strings.HasPrefix(proof, "order:")
}

// A detail is that of an entry: whoever wrote it, a word of the wrong type is none.
type detail map[string]any

func (d detail) text(name string) string {
	s, _ := d[name].(string)
	return s
}

func (d detail) texts(name string) (all []string) {
	list, _ := d[name].([]any)
	for _, v := range list[:min(len(list), maxSerials)] {
		if s, ok := v.(string); ok {
			all = append(all, s)
		}
	}
	return all
}

func (d detail) number(name string) int64 {
	v, _ := d[name].(interface{ Int64() (int64, error) }) // json.Number
	if v == nil {
		return 0
	}
	n, _ := v.Int64()
	return n
}

func (d detail) time(name string) time.Time {
	t, _ := time.Parse(time.RFC3339Nano, d.text(name))
	return t
}
