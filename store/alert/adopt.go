package alert

// Adopt puts alerts in the place of those that the engine has open, as they are on record:
// for an engine that was restored and has gone through entries again, whose alerts are on
// record already. Numbers go on above lastID. What is of a rule that there is not any more
// is left out.
func (e *Engine) Adopt(lastID int64, open []Alert) {
	e.book = newBook()
	e.lastID = max(e.lastID, lastID)
	for i := range open {
		a := open[i].copy()
		if e.byID[a.Rule] == nil || a.State == Resolved || e.book.byKey[keyOf(a.Rule, a.Key)] != nil {
			continue
		}
		e.lastID = max(e.lastID, a.ID)
		e.book.add(&a)
	}
}
