package enroll

import "time"

var DeviceSerial = deviceSerial

// Absences are absences.
type Absences = absences

// Served is served.
func (a absences) Served(from, to time.Time) time.Duration { return a.served(from, to) }
