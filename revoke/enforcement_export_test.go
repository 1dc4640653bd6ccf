package revoke

import "context"

// Sample, Keep and Forget are what Run does from time to time.
func (e *Enforcement) Sample() { e.sample(e.Now()) }
func (e *Enforcement) Keep()   { e.keep(context.Background(), new(bool)) }
func (e *Enforcement) Forget() { e.forget(context.Background()) }
