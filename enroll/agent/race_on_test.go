//go:build race

package agent

// fleet is how many machines come at once, in simulated time: the race detector has
// seen all there is to see with a few thousand.
const fleet = 5_000

// Stride is how many moments of a power cut or a full disk are passed over for each that is
// tried: the detector sees little more in all of them.
const Stride = 6
