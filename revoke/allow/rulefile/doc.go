// Package rulefile reads and writes rules as text: TOML tables [[allow]], in a file of
// a guard's or in the CA's policy. What they mean package allow says.
package rulefile
