// Package server is the daemon's front: its configuration, its listeners, every
// URL that it answers (routes.go), and what a stranger learns of an error
// (problem.go). It authenticates nobody and decides nothing; the handlers that
// it routes to do, and the funnel behind them.
//
// There are up to five listeners, each with limits of its own:
//
//	https   machines and people: enrol, renew, the admin API; TLS 1.3
//	est     EST clients, if they are served; TLS 1.2 and 1.3
//	http    relying parties: signed objects, which need no TLS; SCEP clients, if they are served
//	ops     health and metrics, for the host itself
//	socket  the admin API for root and the daemon's own user; health and metrics, too
//
// # Metrics
//
// /metrics has those of Go and of the process, and what follows. What a scan would
// have to count is counted in the background, and in a large store some minutes old.
// No label has a value that a stranger chooses; of relying parties, the 1000 that are
// worst off have gauges of their own. An issuer is its key identifier in hex. Times
// ending in _timestamp_seconds are Unix times.
//
// The daemon:
//
//	betonica_build_info                                1, with the version that runs
//	betonica_listener_info                             1, with the address of each listener
//	betonica_ready                                     1 if certificates can be issued and revocations heard of, else 0
//	betonica_trouble                                   1 for each trouble that /readyz names, else 0
//	betonica_clock_drift_seconds                       wall clock against monotonic clock since the start; nothing is signed beyond 300
//	betonica_clock_synchronized                        1 if the kernel says so of its clock
//	betonica_tls_handshakes_waiting                    new connections that wait until a processor has time for them
//	betonica_http_requests_total                       requests answered, by listener, route and status; OCSP is apart
//	betonica_http_request_seconds                      how long they took
//
// Issuing:
//
//	betonica_certificates_issued_total                 by what proved the identity
//	betonica_refusals_total                            by reason: one of enroll.Reason
//	betonica_alarms_total                              by action: what looks like a thief with a copy
//	betonica_identities                                on record, by state
//	betonica_identities_suspect                        about which something was alarmed
//	betonica_identities_doubtful                       by why: unattested, ownerless where the role wants an owner, dormant; suspended for it or not
//	betonica_certificates_live                         in time and not revoked
//	betonica_certificates_revoked                      in time and revoked
//	betonica_tokens_open                               that can still be spent
//	betonica_requests_waiting                          by role: machines that wait for a person's approval
//	betonica_renewals_in_progress                      by state: running, waiting for their turn
//	betonica_renewals_deferred_total                   that were told to come back later
//	betonica_policy_version                            that is in force
//
// The certificates of the CA (root, intermediate, ocsp, root-ocsp, daemon):
//
//	betonica_certificate_not_before_timestamp_seconds  when it begins
//	betonica_certificate_not_after_timestamp_seconds   when it ends
//	betonica_issuer_certificates_live                  of each intermediate, with its state
//	betonica_issuer_last_not_after_timestamp_seconds   when the last of its certificates ends
//	betonica_rotation_state                            of the change to the next intermediate, if there was one
//	betonica_rotation_certificates                     live ones, of which
//	betonica_rotation_certificates_done                so many are of the next intermediate
//
// The store:
//
//	betonica_store_waiting                             writes that wait for the writer
//	betonica_store_writes_total                        writes
//	betonica_store_transactions_total                  transactions, in which they were made
//	betonica_store_busy_seconds_total                  time in transactions
//	betonica_store_commit_seconds                      how long those took that are on disk
//	betonica_store_commit_writes                       how many writes they held
//	betonica_store_file_bytes                          SQLite: database, wal, ballast
//	betonica_disk_free_bytes                           on the disk of store, evidence, archive, published
//	betonica_disk_size_bytes                           of that disk
//	betonica_archive_bytes                             what guards shipped of their journals
//	betonica_archive_max_bytes                         how much of it is kept, as configured; 0: any
//	betonica_archive_records                           entries of guards' journals that are kept
//	betonica_archive_oldest_timestamp_seconds          when the oldest of them came; 0 while there is none
//	betonica_backup_timestamp_seconds                  of the last backup; 0 if there never was one
//	betonica_backup_max_age_seconds                    how old it may be, as configured
//	betonica_audit_entries                             of the log
//	betonica_audit_unsigned_entries                    that no signed checkpoint covers yet
//	betonica_audit_checkpoint_age_seconds              of the newest signed checkpoint
//	betonica_audit_data_key_timestamp_seconds          when the key was made that entries are sealed under
//	betonica_audit_wrapping_key_timestamp_seconds      when the key was made that wraps such keys
//
// Delivery of the audit log, by sink, of the daemon that delivers:
//
//	betonica_deliver_behind_seconds                    how long the oldest entry waits that it has not taken
//	betonica_deliver_waiting                           entries that it has not been through
//	betonica_deliver_failing                           1 if it takes nothing at present, else 0
//	betonica_deliver_sent_total                        entries that it took
//	betonica_deliver_refused_total                     entries that were passed over because it refuses them
//	betonica_deliver_failures_total                    times that it did not take what it was given
//
// Revocation:
//
//	betonica_revocation_publish_seconds                from a revocation's commit to the signed delta that has it
//	betonica_crl_number                                of the newest list, by issuer and kind: full, delta, root
//	betonica_crl_age_seconds                           of that list
//	betonica_crl_next_update_timestamp_seconds         when it ends
//	betonica_crl_size_bytes                            of that list
//	betonica_crl_lifetime_seconds                      of lists, as configured
//	betonica_crl_heartbeat_seconds                     how often a delta is signed at least, as configured
//	betonica_crl_subscribers                           peers on the stream of deltas, or in a poll
//	betonica_crl_subscribers_refused_total             peers that were turned away
//	betonica_ocsp_answers_total                        by how they came about: hit, miss, live, refused, lapsed
//	betonica_ocsp_kept                                 answers in memory
//
// Daemons on one store:
//
//	betonica_replicas                                  live, or gone without a word in the last hour
//	betonica_replica_live                              1 or 0, by name and version
//	betonica_replica_lag                               CRL numbers that one has not applied yet, by name
//	betonica_feed_lapsed                               1 if this one may not know of revocations by others
//	betonica_feed_eldest                               1 for the one that does what one of them should do
//
// The watch over the log:
//
//	betonica_alerts_open                               alerts that are not resolved, by severity
//	betonica_alert_watching                            1 for the daemon that has the watch, else 0
//	betonica_alert_behind_seconds                      age of the next entry that it is to read
//	betonica_alert_facts_total                         facts that the rules took in
//	betonica_alert_suppressed_total                    findings that were no alert, for a reason
//	betonica_alert_evicted_total                       machines that were forgotten for want of room
//	betonica_alert_untracked_total                     facts about machines that there was no room for
//	betonica_alert_machines                            whose habits are known
//	betonica_alert_held                                findings that wait for a reason to drop them
//
// Relying parties:
//
//	betonica_relying_parties                           that have reported: connected, or silent
//	betonica_relying_parties_lagging                   whose list is older than three heartbeats, or went back
//	betonica_relying_parties_rest                      without gauges of their own
//	betonica_relying_party_lag                         CRL numbers behind the newest, by identity
//	betonica_relying_party_report_age_seconds          since it has reported, by identity
//	betonica_enforcement_refused_total                 reports of numbers that no list has
package server
