// Package wire makes the connections that sinks send over: TLS with the authorities, the
// certificate and the secret that an operator's files hold. It knows no receiver and no
// format.
//
// The files are read anew for each connection, so that what rotates them restarts nothing.
// What sinks tell others goes to the receiver that is configured and nowhere else: no
// redirect is followed, and no proxy taken from the environment.
package wire
