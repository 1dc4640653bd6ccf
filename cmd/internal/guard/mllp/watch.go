package mllp

// A watch looks for a second header in a content that goes by: some receivers begin a
// new message wherever a segment is named MSH, BHS or FHS, and would take one that
// nobody judged. It is fed in pieces of any size.
type watch struct {
	name  [3]byte
	at    int  // how much of a segment's name is in name
	later bool // a line end went by, so that this is not the first segment
}

// header feeds p, and reports whether a header begins in it that is not the content's
// first segment.
func (w *watch) header(p []byte) bool {
	for len(p) > 0 {
		if w.at == len(w.name) { // nothing to see before the next line
			i := lineEnd(p)
			if i < 0 {
				return false
			}
			w.at, w.later = 0, true
			p = p[i+1:]
			continue
		}
		c := p[0]
		p = p[1:]
		if c == '\r' || c == '\n' {
			w.at, w.later = 0, true
			continue
		}
		w.name[w.at] = c
		if w.at++; w.at == len(w.name) && w.later && isHeader(w.name[:]) {
			return true
		}
	}
	return false
}

// isHeader says whether a message or a batch begins with a segment of this name.
func isHeader(name []byte) bool {
	return string(name) == "MSH" || string(name) == "BHS" || string(name) == "FHS"
}

func lineEnd(p []byte) int {
	for i, c := range p {
		if c == '\r' || c == '\n' {
			return i
		}
	}
	return -1
}
