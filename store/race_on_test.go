//go:build race

package store

// underRace says that the race detector makes all of this slow.
const underRace = true
