// Package comply has the daemon look after its safeguards: it collects what package survey
// cannot know, has the facts judged, puts each run on record, and does so once a day by
// itself. It takes people's word for what no query shows, and puts that on record, too; and
// it gathers parts of the log for those who review it. It decides nothing: the checks are
// package compliance's.
package comply
