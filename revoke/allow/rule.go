package allow

import (
	"errors"
	"fmt"
	"slices"
)

// A Rule says who may do what. It is plain text, as it stands in a file, and takes
// effect through [NewSet]. It is of one kind: exactly one of TCP, HTTP, FHIR, HL7 and
// DICOM is set.
//
// Everywhere below, a list that is nil names everything, and so does the item "*";
// a list without any item is an error.
type Rule struct {
	// Name is how records refer to the rule: 1 to 64 of A-Z, a-z, 0-9, ., _ and -. No
	// two rules of a set have the same.
	Name string

	// Peers are patterns as [ParsePeers] takes them; at least one.
	Peers []string

	// Listeners are the names of those at which the rule holds; nil is every one.
	Listeners []string

	TCP   bool
	HTTP  *HTTPRule
	FHIR  *FHIRRule
	HL7   *HL7Rule
	DICOM *DICOMRule
}

// Kind returns what the rule is a rule of, and 0 unless it is of exactly one kind.
func (r Rule) Kind() Kind {
	var kind Kind
	for k, is := range [kinds]bool{TCP: r.TCP, HTTP: r.HTTP != nil, FHIR: r.FHIR != nil, HL7: r.HL7 != nil, DICOM: r.DICOM != nil} {
		switch {
		case is && kind != 0:
			return 0
		case is:
			kind = Kind(k)
		}
	}
	return kind
}

// Clone returns a copy that shares nothing with r.
func (r Rule) Clone() Rule {
	r.Peers, r.Listeners = slices.Clone(r.Peers), slices.Clone(r.Listeners)
	if r.HTTP != nil {
		r.HTTP = &HTTPRule{slices.Clone(r.HTTP.Methods), slices.Clone(r.HTTP.Routes)}
	}
	if r.FHIR != nil {
		r.FHIR = &FHIRRule{slices.Clone(r.FHIR.Interactions), slices.Clone(r.FHIR.Types), slices.Clone(r.FHIR.Include), slices.Clone(r.FHIR.Compartments)}
	}
	if r.HL7 != nil {
		r.HL7 = &HL7Rule{slices.Clone(r.HL7.Messages)}
	}
	if r.DICOM != nil {
		r.DICOM = &DICOMRule{slices.Clone(r.DICOM.Called), slices.Clone(r.DICOM.Calling), slices.Clone(r.DICOM.SOPClasses), slices.Clone(r.DICOM.Commands)}
	}
	return r
}

// A RuleError says what is wrong with a rule, and where in it.
type RuleError struct {
	Index int    // of the rule
	Name  string // of the rule, as it stands there
	Key   string // as rule files call it: "peers", "fhir.types"; "" for the rule as a whole
	Item  int    // of the list at Key; -1 for the list as a whole
	Err   error
}

func (e *RuleError) Error() string { return fmt.Sprintf("rule %q: %v", clip(e.Name), e.Err) }
func (e *RuleError) Unwrap() error { return e.Err }

// A checker collects what is wrong with one rule.
type checker struct {
	rule  Rule
	index int
	errs  []error // each a *RuleError
}

func (c *checker) fail(key string, item int, err error) {
	c.errs = append(c.errs, &RuleError{c.index, c.rule.Name, key, item, err})
}

// list checks that each item of a list is "*" or passes check.
func (c *checker) list(key string, items []string, check func(string) error) {
	if items != nil && len(items) == 0 {
		c.fail(key, -1, errors.New("an empty list allows nothing; leave it out to allow everything"))
	}
	if len(items) > maxItems {
		c.fail(key, -1, fmt.Errorf("%d items, which is more than %d", len(items), maxItems))
		return
	}
	for i, item := range items {
		if item == everything {
			continue
		}
		err := check(item)
		if len(item) > maxText {
			err = fmt.Errorf("%q is longer than %d bytes", clip(item), maxText)
		}
		if err != nil {
			c.fail(key, i, err)
		}
	}
}
