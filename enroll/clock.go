package enroll

import "time"

// wrongClock is by how much a machine's clock is off that the log says so: what is less may
// be the way of its request.
const wrongClock = time.Minute

// clock adds to what the log says of an applicant by how many seconds his clock is off, if
// it is: less than zero is behind. He said when he made the request, which accuses nobody
// but himself.
func (r *Registrar) clock(sent time.Time, about map[string]any) map[string]any {
	off := sent.Sub(r.now())
	if sent.IsZero() || off.Abs() < wrongClock {
		return about
	}
	if about == nil {
		about = map[string]any{}
	}
	about["clock"] = int64(off / time.Second)
	return about
}
