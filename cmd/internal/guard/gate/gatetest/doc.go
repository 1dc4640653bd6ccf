// Package gatetest holds what the tests of every gate need: records in memory that can
// be made to fail, the way to a target, and the two ends of a caller's connection.
package gatetest
