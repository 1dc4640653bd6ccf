// Package server is the daemon's front: its configuration, its listeners, every
// URL that it answers (routes.go), and what a stranger learns of an error
// (problem.go). It authenticates nobody and decides nothing; the handlers that
// it routes to do, and the funnel behind them.
//
// There are four listeners, each with limits of its own:
//
//	https   machines and people: enrol, renew, the admin API; TLS 1.3
//	http    relying parties: signed objects, which need no TLS
//	ops     health and metrics, for the host itself
//	socket  the admin API for root and the daemon's own user
package server
