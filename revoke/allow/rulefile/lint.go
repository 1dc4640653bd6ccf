package rulefile

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/betonica/betonica/ca/strict"
	"github.com/betonica/betonica/revoke/allow"
)

// manyTypes is of how many data types one rule may be without a warning.
const manyTypes = 12

// Lint warns of rules that let in more than somebody is likely to need: the whole of a
// CA, every route, every type of data. Such a rule works; it is no least privilege. The
// file is what was parsed of text; the warnings are in the order of their places.
func Lint(name string, text []byte, file *File) []*strict.Error {
	var warnings []*strict.Error
	if file.Observe {
		warnings = append(warnings, strict.At(name, text, errors.New("observe lets through what no rule allows"), "observe"))
	}
	for i, r := range file.Rules.Rules() {
		l := linter{rule: r}
		l.lint()
		for _, w := range l.found {
			warnings = append(warnings, strict.At(name, text, fmt.Errorf("rule %q: %s", r.Name, w.text), append([]any{Key, i}, w.path...)...))
		}
	}
	strict.Sort(warnings)
	return warnings
}

type linter struct {
	rule  allow.Rule
	found []warning
}

type warning struct {
	path []any
	text string
}

func (l *linter) warn(text string, path ...any) { l.found = append(l.found, warning{path, text}) }

func (l *linter) lint() {
	for i, p := range l.rule.Peers {
		if role, _, _ := strings.Cut(strings.SplitN(p, "/", 4)[3], "/"); role == "*" {
			l.warn("whomever the CA certified is let in; name the roles", "peers", i)
		}
	}
	switch r := l.rule; r.Kind() {
	case allow.HTTP:
		l.wide("http", "methods", r.HTTP.Methods, "every method is allowed")
		l.wide("http", "routes", r.HTTP.Routes, "every route is allowed")
		if i := slices.Index(r.HTTP.Routes, "/"); i >= 0 {
			l.warn("every route is allowed", "http", "routes", i)
		}
	case allow.FHIR:
		l.wide("fhir", "interactions", r.FHIR.Interactions, "every interaction is allowed, batches and deletions too")
		l.wide("fhir", "types", r.FHIR.Types, "every resource type is allowed")
		l.many("fhir", "types", r.FHIR.Types)
	case allow.HL7:
		l.wide("hl7", "messages", r.HL7.Messages, "every message is allowed")
		l.many("hl7", "messages", r.HL7.Messages)
	case allow.DICOM:
		l.wide("dicom", "sop_classes", r.DICOM.SOPClasses, "every SOP class is allowed")
		l.many("dicom", "sop_classes", r.DICOM.SOPClasses)
		l.wide("dicom", "commands", r.DICOM.Commands, "every command is allowed")
	}
}

// wide warns of a list that is absent or names everything.
func (l *linter) wide(kind, key string, items []string, text string) {
	if items == nil {
		l.warn(text, kind)
	} else if i := slices.Index(items, "*"); i >= 0 {
		l.warn(text, kind, key, i)
	}
}

func (l *linter) many(kind, key string, items []string) {
	if len(items) > manyTypes {
		l.warn(fmt.Sprintf("%d kinds of data; more than %d are seldom what one peer needs", len(items), manyTypes), kind, key)
	}
}
