package web

import (
	"errors"
	"io"
	"maps"
	"mime"
	"net/http"
	"slices"
	"strings"

	"github.com/betonica/betonica/cmd/internal/guard/fhir"
	"github.com/betonica/betonica/cmd/internal/guard/web/h1"
	"github.com/betonica/betonica/cmd/internal/record"
	"github.com/betonica/betonica/revoke/allow"
)

const maxForm = 64 << 10

var errForm = shape("form of a search is larger than 64 KiB")

// decide asks the rules, and puts into the record what was asked and what they said. A
// request below the base of a FHIR server is allowed by a rule of FHIR, or by one of
// HTTP.
func (a *access) decide(r *http.Request, path string) error {
	asked := allow.Request{Kind: allow.HTTP, Method: r.Method, Path: path}
	a.rec.Operation, a.rec.Resource = r.Method, allow.RouteOf(path)
	if a.gate.conf.FHIR != "" {
		if below, ok := fhir.Below(a.gate.conf.FHIR, path); ok {
			if done, err := a.decideFHIR(r, below); done || err != nil {
				return err
			}
			if rule, outcome := a.peer.link.Decide(&asked); outcome == record.Allowed || a.rec.Outcome == "" {
				a.rec.Rule, a.rec.Outcome = rule, outcome
			}
			return nil
		}
	}
	a.rec.Rule, a.rec.Outcome = a.peer.link.Decide(&asked)
	return nil
}

// decideFHIR reports whether a rule of FHIR settles it. What is no interaction of FHIR
// is not asked about.
func (a *access) decideFHIR(r *http.Request, below string) (settled bool, err error) {
	form := ""
	if fhir.IsSearch(r.Method, below) {
		if form, err = readForm(r); err != nil {
			return false, err
		}
	}
	if form != "" && !isForm(r.Header) {
		return false, nil
	}
	what, err := fhir.Parse(fhir.Request{
		Method: r.Method, Path: below, Query: r.URL.RawQuery, Form: form, IfNoneExist: len(spelt(r.Header, "if-none-exist")) > 0,
	})
	if errors.Is(err, fhir.ErrUnknown) {
		return false, nil
	}
	if what.ByParameter && lenient(r.Header) {
		what.Compartment, what.ByParameter = "", false
	}
	a.rec.Protocol, a.rec.Operation, a.rec.Resource = record.FHIR, what.Interaction, what.Type
	a.rec.Compartment, a.rec.Also = what.Compartment, alsoText(what.Also)
	asked := allow.Request{Kind: allow.FHIR, Interaction: what.Interaction, Type: what.Type, Compartment: what.Compartment, Also: what.Also}
	if what.ByParameter {
		asked.Compartment = ""
	}
	a.rec.Rule, a.rec.Outcome = a.peer.link.Decide(&asked)
	if what.ByParameter && a.rec.Outcome != record.Allowed {
		a.decideSearched(r, asked, what.Compartment)
	}
	return a.rec.Outcome == record.Allowed, nil
}

// decideSearched asks the rules once more about a search that a parameter keeps within a
// compartment, where that alone may allow it. The server is told then that it must not
// ignore what it does not know.
func (a *access) decideSearched(r *http.Request, asked allow.Request, compartment string) {
	asked.Compartment = compartment
	rule, outcome := a.peer.link.Decide(&asked)
	if outcome != record.Allowed {
		return
	}
	a.rec.Rule, a.rec.Outcome = rule, outcome
	if !slices.Contains(r.Header["Prefer"], strictly) {
		r.Header.Add("Prefer", strictly)
	}
}

// lenient reports whether the caller has a say in how the server takes parameters that it
// does not know: then it may ignore the one that names the compartment.
func lenient(h http.Header) bool {
	return slices.ContainsFunc(spelt(h, "prefer"), func(preference string) bool {
		return strings.Contains(strings.ToLower(preference), "handling") && preference != strictly
	})
}

// strictly has a server of FHIR refuse parameters that it does not know (R4, "Search",
// Section 3.1.1.3.3).
const strictly = "handling=strict"

// still reports whether the rules of this moment let through a request without a body.
func (a *access) still(r *http.Request, path string) bool {
	again := access{gate: a.gate, peer: a.peer}
	r = r.WithContext(r.Context())
	r.Header = maps.Clone(r.Header) // the other one is being sent
	return again.decide(r, path) == nil && again.rec.Outcome != record.Refused
}

// alsoText writes types as records have them: any of them is "*".
func alsoText(types []string) string {
	if slices.Contains(types, "") {
		return "*"
	}
	return strings.Join(types, ",")
}

// readForm reads the form of a search, which says what is searched, and puts it back.
func readForm(r *http.Request) (string, error) {
	if r.Body == nil || r.Body == http.NoBody {
		return "", nil
	}
	form, err := io.ReadAll(io.LimitReader(r.Body, maxForm+1))
	if err != nil {
		return "", badBody
	}
	if len(form) > maxForm {
		return "", errForm
	}
	r.Body = struct {
		io.Reader
		io.Closer
	}{strings.NewReader(string(form)), r.Body}
	return string(form), nil
}

// isForm reports whether a body is a form that can be read as it is. One that is packed,
// or of another character set, says something else to the server than to us.
func isForm(h http.Header) bool {
	kinds := spelt(h, "content-type")
	if len(kinds) != 1 || len(spelt(h, "content-encoding")) > 0 {
		return false
	}
	kind, params, err := mime.ParseMediaType(kinds[0])
	charset := strings.ToLower(params["charset"])
	return err == nil && kind == "application/x-www-form-urlencoded" && (charset == "" || charset == "utf-8" || charset == "us-ascii")
}

// spelt returns the values under a header's name, also of those that some servers read
// as that one.
func spelt(h http.Header, name string) (values []string) {
	for k, v := range h {
		if h1.Spelling(k) == name {
			values = append(values, v...)
		}
	}
	return values
}

const badBody = shape("body ended early")
