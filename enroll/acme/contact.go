package acme

import (
	"net/http"
	"net/mail"
	"strings"
)

const maxContacts = 10

// checkContacts takes mailto URLs of one address each and no header fields (RFC
// 8555, Section 7.3). The error is a [*problem].
func checkContacts(contacts []string) error {
	if len(contacts) > maxContacts {
		return newProblem(http.StatusBadRequest, invalidContact, "more than 10 contacts")
	}
	for _, contact := range contacts {
		scheme, address, ok := strings.Cut(contact, ":")
		if !ok {
			return newProblem(http.StatusBadRequest, invalidContact, "a contact is a URL, such as mailto:ops@hospital.example")
		}
		if !strings.EqualFold(scheme, "mailto") {
			return newProblem(http.StatusBadRequest, unsupportedContact, "contacts are mailto URLs")
		}
		if !plainAddress(address) {
			return newProblem(http.StatusBadRequest, invalidContact, "a mailto contact is one address, and has nothing else")
		}
	}
	return nil
}

// plainAddress reports whether a text is one addr-spec of RFC 5322 as people write
// it: no name, no comment, no header fields, no percent.
func plainAddress(text string) bool {
	if len(text) > 254 || strings.ContainsAny(text, "?%,<>\"() \t\r\n") {
		return false
	}
	parsed, err := mail.ParseAddress(text)
	return err == nil && parsed.Address == text
}
