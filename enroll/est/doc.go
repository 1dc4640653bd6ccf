// Package est is the EST server: RFC 7030, with what RFC 8951 and RFC 9908 correct.
// It speaks HTTP and its encodings and nothing else: who gets what is package
// enroll's to say.
//
// A request becomes an answer in four moves:
//
//	split       the path, exactly: a label is a role, and nothing is redirected
//	readCSR     bounded base64, white space of every kind, DER
//	applicant   a join token (HTTP Basic), or a certificate (TLS), or nothing
//	reply       certs-only PKCS #7 in base64, or a sentence of plain text
//
// # Who asks
//
// The password of HTTP Basic is a join token, whatever the user is called. A
// client certificate is either one of ours, and says who follows on itself; or a
// manufacturer's, and is judged by the roots of the role. The TLS server only asks
// for it: whether it is good is looked up at each request.
//
// # What a request is bound to
//
// A client may put into its request what only this TLS connection has (RFC 7030,
// Section 3.5): tls-unique on TLS 1.2 (RFC 5929), tls-exporter on TLS 1.3 (RFC
// 9266), as the challengePassword or as the attribute of RFC 7894. It is verified
// wherever it is there, and the role says whether it must be.
//
// # Old clients
//
// Two clients in wide use read base64 in different ways: strongSwan 5.9 none with
// line ends within, libest 3.2 none in one long line. Both take only answers that
// say their length, strongSwan only those that come in one TLS record, and libest
// compares the names of headers byte by byte. See encode, [TLS] and setHeader.
package est
