// Package admin is the daemon's side of the admin API (package adminapi): it
// knows who calls, what his role lets him ask for, and turns JSON into calls of
// the registrar and the store, and back.
//
// There are two ways in. On the Unix socket the kernel says who calls, and root
// and the daemon's own user may do everything but what takes a person: the keys
// are theirs anyway, but they agree to nothing, and review nothing. Over mutual
// TLS the certificate says who calls, and his role what he may do, beside what he
// is lent for a time: see rights.go, which is all of it. What policy, the
// identities' states and other people say comes on top, in package enroll. Every
// change and every refusal goes into the audit log, and so does whoever reads that, at
// each call, or reads anything else, once an hour for each thing.
package admin
