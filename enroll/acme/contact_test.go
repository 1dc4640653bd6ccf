package acme_test

import (
	"net/http"
	"strings"
	"testing"
)

// Contacts are mailto URLs of one address (Section 7.3).
func TestContacts(t *testing.T) {
	w := newWorld(t, open)
	for contact, kind := range map[string]string{
		"mailto:ops@hospital.example":                       "",
		"MAILTO:o'p+s@hospital.example":                     "",
		"tel:+12125551212":                                  "unsupportedContact",
		"https://hospital.example":                          "unsupportedContact",
		"ops@hospital.example":                              "invalidContact",
		"mailto:":                                           "invalidContact",
		"mailto:ops":                                        "invalidContact",
		"mailto:a@b.example,c@d.example":                    "invalidContact",
		"mailto:a@b.example?subject=x":                      "invalidContact",
		"mailto:a%40b.example":                              "invalidContact",
		"mailto:Ops <ops@hospital.example>":                 "invalidContact",
		"mailto:a@b.example\r\nBcc:x@d.example":             "invalidContact",
		"mailto:" + strings.Repeat("a", 250) + "@b.example": "invalidContact",
	} {
		a := w.newUser().post("/acme/new-account", map[string]any{"contact": []string{contact}})
		if kind == "" {
			a.ok()
			continue
		}
		a.refused(http.StatusBadRequest, kind)
	}
	a := w.newUser().post("/acme/new-account", map[string]any{"contact": make([]string, 11)})
	a.refused(http.StatusBadRequest, "invalidContact")
}
