package guard

import _ "embed"

//go:embed example.toml
var example []byte

// Example returns a configuration file to begin with.
func Example() []byte { return example }
