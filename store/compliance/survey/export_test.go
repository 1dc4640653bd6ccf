package survey

// KeyKind is keyKind.
func KeyKind(der []byte) (string, bool) { return keyKind(der) }
