package revoke

import "net/http"

// ServeStream pushes each delta as a server-sent event; see [stream.Hub.ServeSSE].
func (p *Publisher) ServeStream(w http.ResponseWriter, r *http.Request) { p.stream.ServeSSE(w, r) }

// ServePoll answers a long poll with the newest delta; see [stream.Hub.ServePoll].
func (p *Publisher) ServePoll(w http.ResponseWriter, r *http.Request) { p.stream.ServePoll(w, r) }

// EndStreams ends all streams and polls: when the daemon stops they would keep it
// waiting.
func (p *Publisher) EndStreams() { p.stream.Close() }

// Subscribers returns how many peers are on the stream or in a poll.
func (p *Publisher) Subscribers() int { return p.stream.Len() }

// Unsubscribed returns how many were turned away since the start, for there were
// too many, in all or from one address.
func (p *Publisher) Unsubscribed() int64 { return p.stream.Refused() }
