// Package grants compares what was done with what may be done: of the records that
// guards kept it makes the least rules that these need, and it finds the rules that
// nobody has used. It changes no rule.
package grants
