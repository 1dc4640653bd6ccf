// Package plaintest has strangers' texts that no format may be broken by, for the tests of
// whatever writes what a stranger said. Whoever finds another one adds it here, and it is
// tried on all of them.
package plaintest

import (
	"fmt"
	"strings"
)

// Hostile returns texts that would do something in one format or another, were they let
// through, by what they try. Those that begin with "C0 " and "C1 " differ little.
func Hostile() map[string]string {
	all := map[string]string{
		"end of line":      "x\r\n<85>1 2026-11-21T00:00:00Z evil app 1 IHE+RFC-3881 - forged",
		"end of line 2":    "x\u2028forged\u2029forged\u0085forged\vforged\f",
		"ANSI":             "\x1b[2J\x1b]0;owned\a\u009b31m",
		"NUL":              "a\x00b",
		"bidi":             "invoice\u202egpj.exe\u202c \u2066a\u2069\u200e\u200f\u061c",
		"hidden":           "a\u200b\u200d\ufeff\u00ad\U000e0041b",
		"lone surrogate":   "a\xed\xa0\x80b",
		"not UTF-8":        "a\xff\xfe\xc3(\xf8\x88\x80\x80\x80",
		"overlong":         "\xc0\xaf\xe0\x80\xaf",
		"not a character":  "a\ufffe\uffff\U0010ffff\ufdd0",
		"XML":              `]]><!--x--><a b="c"/>&lt;&#0;&x;<?pi?><![CDATA[`,
		"XML, closing":     `"/></AuditMessage><AuditMessage>`,
		"JSON":             `","outcome":"ok","a":{"b":[`,
		"backslashes":      `\u0000\n\"\\`,
		"template":         "%s%n{{.}}${jndi:ldap://x}`id`",
		"frame":            "99999 <0>1 - - - - - -",
		"spaces":           " \t ",
		"long":             strings.Repeat("A", 100_000),
		"long and costly":  strings.Repeat("\u202e&\x00", 10_000),
		"replacement":      "\ufffd",
		"other characters": "Müller 漢字 𝄞 e\u0301",
	}
	for r := rune(0); r < 0x20; r++ {
		all[fmt.Sprintf("C0 %x", r)] = "a" + string(r) + "b"
		all[fmt.Sprintf("C1 %x", r)] = "a" + string(0x80+r) + "b"
	}
	return all
}
