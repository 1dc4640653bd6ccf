//go:build !race

package agent

// fleet is how many machines come at once, in simulated time.
const fleet = 100_000
