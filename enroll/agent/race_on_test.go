//go:build race

package agent

// fleet is how many machines come at once, in simulated time: the race detector has
// seen all there is to see with a few thousand.
const fleet = 5_000
