package lint

// ignored are the rules that do not bind a private authority, each with the
// reason. Most are of the CA/Browser Forum's Baseline Requirements (BR), which
// govern authorities that browsers trust and whose names are the Internet's.
var ignored = map[string]string{
	// Of RFC 5280, and deliberate.
	"e_ext_name_constraints_not_critical":    "mbedTLS 2.28 cannot parse critical ones; --critical-constraints marks them so",
	"w_sub_ca_name_constraints_not_critical": "the same, in the BR",

	// The subject: ours says role and name, not a legal person's address.
	"e_ca_country_name_missing":                  "BR: a public authority is a legal person in a country",
	"e_sub_cert_country_name_must_appear":        "BR: a subject with O is a legal person in a country",
	"e_sub_cert_locality_name_must_appear":       "the same, its town",
	"e_sub_cert_province_must_appear":            "the same, its province",
	"e_organizational_unit_name_prohibited":      "BR: OU cannot be validated; ours is the role, which policy decides",
	"w_subject_common_name_included":             "BR: CN is obsolete on the web; peers that read only the DN need it",
	"e_subject_common_name_not_exactly_from_san": "BR: CN repeats a DNS name; ours is the identity's name, which the URI SAN has",

	// Names: those of a private network.
	"e_ext_san_uniform_resource_identifier_present": "BR: DNS names and addresses only; the URI SAN is the identity",
	"e_ext_san_contains_reserved_ip":                "BR: public addresses only",
	"n_san_iana_pub_suffix_empty":                   "a notice: localhost is a name of one label",
	"e_dnsname_not_valid_tld":                       "BR: names under public top-level domains only",
	"w_sub_cert_aia_contains_internal_names":        "the same, for the host that answers OCSP",

	// Certificate policies tell relying parties which of the BR's validations was
	// made. Ours have one authority with one policy, and it is no OID.
	"e_sub_cert_certificate_policies_missing": "BR: a policy OID of the Forum's",
	"e_sub_cert_cert_policy_empty":            "the same",
	"e_sub_ca_certificate_policies_missing":   "the same, in an intermediate",
	"e_invalid_ca_certificate_policies":       "the same",

	// Lifetimes: the web's get ever shorter; a device may be in store for a year.
	"e_tls_server_cert_valid_time_longer_than_398_days": "Apple: for public roots; ours end before the 825 days that bind private ones",
	"w_tls_server_cert_valid_time_longer_than_397_days": "the same",
	"e_server_cert_valid_time_longer_than_200_days":     "BR: the same",
	"w_server_cert_valid_time_longer_than_199_days":     "BR: the same",

	// An intermediate made without a URL, by an operator who knows none yet.
	"e_sub_ca_crl_distribution_points_missing": "BR: peers then take the root's CRL from chain.crl.pem",
	"w_sub_ca_aia_missing":                     "the same",

	// Keys and usages.
	"e_algorithm_identifier_improper_encoding":                "BR: RSA and NIST curves only; we take Ed25519 (RFC 8410)",
	"w_ext_subject_key_identifier_not_recommended_subscriber": "BR: to save bytes; RFC 5280, Section 4.2.1.2 says SHOULD",
	"n_ca_digital_signature_not_set":                          "a notice: OCSP is answered by a delegate",
	"n_sub_ca_eku_missing":                                    "a notice: leaves carry the usages, by role",
	"n_mp_allowed_eku":                                        "the same, of Mozilla's store",
	"n_ct_sct_policy_count_unsatisfied":                       "Apple: public logs; our log is our own",
}
