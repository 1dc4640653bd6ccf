package crl

// freshest reads what freshestCRL holds, CRLDistributionPoints (RFC 5280, Sections
// 5.2.6 and 4.2.1.13), and returns the URLs in it. A point that is named in another way,
// or that has some reasons only, is passed over: the extension is not critical, so
// nobody has to find a delta by it.
func (r *reader) freshest() (urls []string) {
	points := r.nested(tagSequence, "freshestCRL")
	if points.err == nil && len(points.b) == 0 {
		points.fail("freshestCRL is empty")
	}
	for len(points.b) > 0 {
		in := points.nested(tagSequence, "a point of freshestCRL")
		var found []string
		if in.next(context0) {
			point := in.nested(context0, "distributionPoint")
			if point.next(context0) { // or a name relative to the issuer's
				names := point.nested(context0, "fullName")
				for len(names.b) > 0 {
					tag := names.b[0]
					if name := names.read(tag, "fullName"); tag == uniformResourceIdentifier {
						found = append(found, string(name))
					}
				}
				point.join(&names)
				point.end("distributionPoint")
			}
			in.join(&point)
		}
		if in.err == nil && len(in.b) == 0 { // neither reasons nor another issuer
			urls = append(urls, found...)
		}
		points.join(&in)
	}
	r.join(&points)
	return urls
}

// pointName returns the distributionPoint of a DistributionPoint, or of an
// IssuingDistributionPoint, with one URL.
func pointName(url string) []byte {
	return element(context0, element(context0, element(uniformResourceIdentifier, []byte(url))))
}

// isIA5 reports whether text is one that an IA5String can hold, without what no URL has.
func isIA5(text string) bool {
	for _, c := range []byte(text) {
		if c <= ' ' || c >= 0x7f {
			return false
		}
	}
	return true
}
