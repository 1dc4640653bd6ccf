package crl

import "github.com/betonica/betonica/revoke/x690"

// readFreshest reads what freshestCRL holds, CRLDistributionPoints (RFC 5280, Sections
// 5.2.6 and 4.2.1.13), and returns the URLs in it. A point that is named in another way,
// or that has some reasons only, is passed over: the extension is not critical, so
// nobody has to find a delta by it.
func readFreshest(r *x690.Reader) (urls []string) {
	points := r.Nested(x690.Sequence, "freshestCRL")
	if points.Err == nil && len(points.B) == 0 {
		points.Fail("freshestCRL is empty")
	}
	for len(points.B) > 0 {
		in := points.Nested(x690.Sequence, "a point of freshestCRL")
		var found []string
		if in.Next(x690.Context0) {
			point := in.Nested(x690.Context0, "distributionPoint")
			if point.Next(x690.Context0) { // or a name relative to the issuer's
				names := point.Nested(x690.Context0, "fullName")
				for len(names.B) > 0 {
					tag := names.B[0]
					if name := names.Read(tag, "fullName"); tag == uniformResourceIdentifier {
						found = append(found, string(name))
					}
				}
				point.Join(&names)
				point.End("distributionPoint")
			}
			in.Join(&point)
		}
		if in.Err == nil && len(in.B) == 0 { // neither reasons nor another issuer
			urls = append(urls, found...)
		}
		points.Join(&in)
	}
	r.Join(&points)
	return urls
}

// pointName returns the distributionPoint of a DistributionPoint, or of an
// IssuingDistributionPoint, with one URL.
func pointName(url string) []byte {
	return element(x690.Context0, element(x690.Context0, element(uniformResourceIdentifier, []byte(url))))
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
