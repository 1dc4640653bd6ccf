// Package mail tells people of alerts by e-mail: one mail for what happened together, over
// SMTP with TLS, from the first byte or by STARTTLS (RFC 3207), and in clear to nobody. It
// reads no mail.
//
// The first alert leaves at once, and what happens within the minute after it goes into one
// mail at its end, unless it is critical. That an alert repeats makes no mail of its own.
//
// # Recipients
//
// Each recipient's answer is his own. One that the server refuses for good (5xx) is passed
// over, as long as another one takes the mail, and one that it refuses for now (4xx) gets
// what he missed later, for four hours; both are in the log. Where everybody is refused,
// nothing is passed over, and all of it waits.
//
// # Repeats
//
// A mail's Message-ID is made of the log's name, and the numbers and hashes of the first and the
// last entry that it tells of: a server or a reader can tell that it came before. That a mail was
// taken is known from the reply after its end (RFC 5321, Section 4.2.5); if that is lost, the
// mail goes again.
package mail
