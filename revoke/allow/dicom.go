package allow

import (
	"fmt"
	"slices"
	"strings"
)

// A DICOMRule names what may be done over DICOM associations (PS3.7 and PS3.8).
type DICOMRule struct {
	// Called and Calling are application entity titles, as they stand in the request
	// for an association; a * is one or more characters. A caller writes both titles
	// as it likes: they tell what is meant, and the peers who it is.
	Called, Calling []string

	// SOPClasses are UIDs, whole or up to a dot with * after it:
	// "1.2.840.10008.5.1.4.1.1.*" is all of storage.
	SOPClasses []string

	// Commands are the requests of PS3.7, such as "C-ECHO", "C-STORE" and "N-CREATE". A
	// cancel belongs to what it cancels.
	Commands []string
}

var commands = [...]string{
	"C-ECHO", "C-STORE", "C-FIND", "C-GET", "C-MOVE",
	"N-EVENT-REPORT", "N-GET", "N-SET", "N-ACTION", "N-CREATE", "N-DELETE",
}

// Commands returns the requests of DICOM's message exchange, as rules name them.
func Commands() []string { return slices.Clone(commands[:]) }

func (d *DICOMRule) check(c *checker) {
	title := func(s string) error {
		if s == "" || len(s) > 16 || strings.Trim(s, " ") != s || strings.Contains(s, "**") || !titleBytes(s) {
			return fmt.Errorf(`%q is not an AE title: 1 to 16 characters of ASCII, no \, no space at the ends, no **`, clip(s))
		}
		return nil
	}
	c.list("dicom.called", d.Called, title)
	c.list("dicom.calling", d.Calling, title)
	c.list("dicom.sop_classes", d.SOPClasses, func(s string) error {
		if uid(strings.TrimSuffix(s, ".*")) {
			return nil
		}
		return fmt.Errorf("%q is not a UID such as 1.2.840.10008.1.1, nor the beginning of one with .* after it", clip(s))
	})
	c.list("dicom.commands", d.Commands, func(s string) error {
		if !slices.Contains(commands[:], s) {
			return fmt.Errorf("unknown command %q; there are %s", clip(s), strings.Join(commands[:], ", "))
		}
		return nil
	})
}

func (d *DICOMRule) covers(r *Request) bool {
	if !titled(d.Calling, r.Calling) || r.Step > Announce {
		return false
	}
	if r.Step == Announce {
		return true
	}
	if !titled(d.Called, r.Called) {
		return false
	}
	if r.Step == Associate {
		return true
	}
	if !uid(r.SOPClass) || !some(d.SOPClasses, func(s string) bool { return s == everything || match(s, r.SOPClass, "") }) {
		return false
	}
	return r.Step == Propose || slices.Contains(commands[:], r.Command) && listed(d.Commands, r.Command)
}

// titled reports whether title is one, and a list names it.
func titled(list []string, title string) bool {
	return title != "" && len(title) <= 16 && titleBytes(title) &&
		some(list, func(s string) bool { return s == everything || match(s, title, "") })
}

// titleBytes demands the default character repertoire without \ and control characters
// (PS3.5, Section 6.2, AE).
func titleBytes(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' || s[i] == '\\' {
			return false
		}
	}
	return true
}

// uid demands components of digits with dots between, of at most 64 characters (PS3.5,
// Section 9.1). That a component has no leading zero is not demanded: some devices' have.
func uid(s string) bool {
	if len(s) == 0 || len(s) > 64 {
		return false
	}
	dot := true // the last one seen, or the start
	for i := range len(s) {
		if s[i] == '.' && dot || s[i] != '.' && !digit(s[i]) {
			return false
		}
		dot = s[i] == '.'
	}
	return !dot
}
