package guard

import "crypto/tls"

// versions are those of TLS that a route can be told to begin with.
var versions = map[string]uint16{"": tls.VersionTLS13, "1.3": tls.VersionTLS13, "1.2": tls.VersionTLS12}

// suites of TLS 1.2 have forward secrecy and authenticated encryption, by AES in any case
// (BCP 195: RFC 9325, Section 4.2), which modules that are validated have, too. DHE, which
// IHE's profiles name beside ECDHE, is not among what Go has. TLS 1.3 chooses by itself.
var suites = []uint16{
	tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
	tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
}
