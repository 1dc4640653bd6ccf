package lint

// ignored are the rules that do not bind a private authority, each with the reason. They
// are of the CA/Browser Forum's Baseline Requirements (BR).
var ignored = map[string]string{
	"e_crl_extensions_validity": "BR: freshestCRL is not recommended on the web; RFC 5280, Section 5.2.6 has it for just this",
	"e_crl_next_update_invalid": "BR: ten days at most; an island may be cut off for longer, and the root's key is fetched once a year",
}
