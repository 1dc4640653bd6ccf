// Package adminapi is the admin API as Go types: what its requests and answers
// look like in JSON, and a [Client] that speaks it, over the daemon's Unix
// socket or over mutual TLS. It decides nothing: who may do what is package
// admin's.
//
// Every path lies under [Prefix], and is the same on both ways in:
//
//	POST   tokens                          TokenRequest  -> NewToken (201)
//	GET    tokens?role=&name=&open=                      -> Page[Token]
//	DELETE tokens/{id}                                   -> 204
//	GET    requests?code=&role=&open=                    -> Page[Request]
//	POST   requests/{id}/approve           ApproveRequest -> Request
//	POST   requests/{id}/deny              DenyRequest   -> Request
//	GET    proposals?open=                               -> Page[Proposal]
//	GET    proposals/{id}                                -> Proposal, with what it is
//	POST   proposals/{id}/approve          AgreeRequest  -> Proposal
//	POST   proposals/{id}/deny                           -> Proposal
//	GET    powers?live=                                  -> Page[Power]
//	POST   powers                          PowerRequest  -> Power (201)
//	POST   powers/break-glass              PowerRequest  -> Power (201)
//	POST   powers/{id}/end                               -> Power
//	POST   powers/{id}/review              ReviewRequest -> Power
//	POST   identities                      IdentityRequest -> Identity (201)
//	POST   identities/import               ImportRequest -> results: []ImportResult
//	GET    identities?role=&state=&owner=&search=        -> Page[Identity]
//	GET    identities?doubt=&role=                       -> Page[Identity]
//	POST   identities/{role}/{name}/attest AttestRequest -> Identity
//	GET    identities/{role}/{name}                      -> Identity
//	POST   identities/{role}/{name}/{suspend|resume|retire} -> Identity
//	POST   revocations                     RevokeRequest -> Fallen
//	POST   revocations/batch               RevokeManyRequest -> results: []RevocationResult
//	GET    certificates?identity=&live=                  -> Page[Certificate]
//	GET    certificates/{serial}                         -> Certificate, with its PEM
//	GET    audit?actor=&subject=&action=&since=&until=   -> Page[Entry]
//	GET    audit/export?from=&to=                        -> JSON lines, as package audit defines them
//	GET    audit/review?first=&last=&since=&until=       -> one ReviewEvent a line, until it has the Review
//	POST   audit/review                    LogReviewRequest -> Reviewed
//	GET    audit/reviews                                 -> Reviews
//	GET    enforcement?number=                           -> Enforcement
//	GET    enforcement?from=&number=&wait=               -> one Enforcement a line, until all enforce it
//	GET    status                                        -> Status
//	GET    policy                                        -> Policy
//	PUT    policy                          PolicyRequest -> Policy
//
// A list takes limit (1 to 1000, default 100) and page_token, and is ordered by
// a key that does not change, so that a caller who follows next_page_token
// meets every record that was there from beginning to end exactly once. Whoever lists
// the audit log is on record with each page, and is not shown that entry by the page
// itself, but by any that he asks for later. Errors
// are problem documents ([Problem]). Times are RFC 3339.
package adminapi

// Prefix is where the admin API begins.
const Prefix = "/v1/admin/"

// MaxBody is the most that a request's body may measure, in bytes; a policy is
// the largest of them.
const MaxBody = 1 << 20
