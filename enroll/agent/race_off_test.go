//go:build !race

package agent

// fleet is how many machines come at once, in simulated time.
const fleet = 100_000

// Stride is how many moments of a power cut or a full disk are passed over for each that is
// tried: none.
const Stride = 1
