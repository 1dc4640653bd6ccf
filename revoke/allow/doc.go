// Package allow says who may reach a service: rules on SPIFFE IDs, on roles, and on
// methods and routes. What no rule names is denied. It decides only; it reads no file,
// verifies no certificate and looks at no revocation, and whom it is asked about must
// have been authenticated before.
//
// [Peers] are enough for whoever lets a peer do everything or nothing, and [Rules] add
// what it may do. Both are parsed once and then match without allocating; both are
// safe for concurrent use.
package allow
