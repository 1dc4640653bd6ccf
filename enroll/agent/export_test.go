package agent

// WithStep makes step see each change to a file before it is made.
func WithStep(c Config, step func(op, path string)) Config {
	c.step = step
	return c
}
