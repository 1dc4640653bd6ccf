// Package review gathers a part of the CA's log for a person who is to say what he makes of
// it: what is unusual, in groups, the most unusual first, and the rest as counts. [Read]
// gathers, and [Past] tells which parts somebody has reviewed already, and which nobody has.
// It judges nothing and writes nothing: who may review, and the word that he says, are
// package enroll's.
//
// # What is unusual
//
// Some actions always are: alerts, emergency powers, two machines with one credential. Of
// the others, what there was never before, more than three times as often as before, or not
// any more: each action is compared with the four spans of the same length before. And people
// are, who act and never did before.
//
// # What it costs
//
// Every entry of the part is read and opened once, in the order of the log, and checked
// against its row; nothing but counts is kept: of each group at most [maxKeys] different
// lines. Where there are more, those that are frequent are found all the same (Misra and
// Gries, 1982), and their counts say that they are lower bounds. The store's writer does not
// wait for it.
package review
