package keys

import (
	"crypto/rand"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// pinCredential is the name of the PIN among systemd's credentials
// (LoadCredential=betonica.pin:...).
const pinCredential = "betonica.pin"

// sessions is how many signatures at a time are asked of a token that a reference
// does not set a bound for. One more session keeps the login.
const sessions = 16

// A reference is the name of a key in a PKCS #11 token, as RFC 7512 writes it:
//
//	pkcs11:module-path=/usr/lib/softhsm/libsofthsm2.so;token=ca;object=issuing?pin-source=file:/etc/betonica.pin
//
// token, serial or slot-id says which token, id or object which key in it;
// max-sessions bounds what is asked of it at a time. Where there is no pin-source
// the PIN is the systemd credential betonica.pin.
type reference struct {
	path   map[string]string // attributes, decoded
	source string            // file of the PIN
}

// pathAttributes are those that are understood, in the order they are written in.
var pathAttributes = []string{"module-path", "token", "serial", "slot-id", "id", "object", "max-sessions"}

// parseReference parses what follows "pkcs11:". Its errors name attributes and quote
// no value: somebody may have written a PIN there.
func parseReference(text string) (*reference, error) {
	path, query, _ := strings.Cut(text, "?")
	r := &reference{path: map[string]string{"max-sessions": fmt.Sprint(sessions + 1)}}
	seen := map[string]bool{}
	for _, part := range append(split(path, ";"), split(query, "&")...) {
		name, encoded, ok := strings.Cut(part, "=")
		value, err := url.PathUnescape(encoded)
		switch {
		case !ok || err != nil || value == "":
			return nil, errors.New("key reference pkcs11: it is not a list of attribute=value (RFC 7512)")
		case name == "pin-value":
			return nil, errors.New("key reference pkcs11: pin-value would lie where everybody reads it; write the PIN into a file, and pin-source=file:PATH")
		case seen[name]:
			return nil, fmt.Errorf("key reference pkcs11: %s stands there twice", name)
		case name == "pin-source":
			r.source = strings.TrimPrefix(strings.TrimPrefix(value, "file:"), "//")
		case !slices.Contains(pathAttributes, name):
			return nil, fmt.Errorf("key reference pkcs11: an attribute is none of pin-source, %s", strings.Join(pathAttributes, ", "))
		default:
			r.path[name] = value
		}
		seen[name] = true
	}
	if r.path["id"] == "" && r.path["object"] == "" {
		return nil, errors.New("key reference pkcs11: id or object must say which key")
	}
	return r, nil
}

func split(text, separator string) []string {
	if text == "" {
		return nil
	}
	return strings.Split(text, separator)
}

// uri writes the attributes as the library reads them: without where the PIN is, and
// with an id that it cannot take for text.
func (r *reference) uri() string {
	return r.write(func(name, value string) string {
		if name == "id" {
			return fmt.Sprintf("0x%x", value)
		}
		return encode(value)
	})
}

func (r *reference) write(value func(name, value string) string) string {
	var parts []string
	for _, name := range pathAttributes {
		if v, ok := r.path[name]; ok {
			parts = append(parts, name+"="+value(name, v))
		}
	}
	return "pkcs11:" + strings.Join(parts, ";")
}

// encode writes every byte that could be taken for something else in hex.
func encode(value string) string {
	var b strings.Builder
	for _, c := range []byte(value) {
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("-._~/:", c) >= 0 {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}

// String returns the reference as a configuration has it.
func (r *reference) String() string {
	text := r.write(func(_, value string) string { return encode(value) })
	if r.source == "" {
		return text
	}
	return text + "?pin-source=" + encode("file:"+r.source)
}

// named returns the reference with whatever a new key needs for a name.
func (r *reference) named() *reference {
	if r.path["id"] == "" {
		id := make([]byte, 8)
		rand.Read(id)
		r.path["id"] = string(id)
	}
	if r.path["object"] == "" {
		r.path["object"] = "betonica"
	}
	return r
}

// pin reads the PIN, which may be another one each time.
func (r *reference) pin() (string, error) {
	file := r.source
	if file == "" {
		dir := os.Getenv("CREDENTIALS_DIRECTORY")
		if dir == "" {
			return "", errors.New("reading the PIN: there is no pin-source, and there are no systemd credentials")
		}
		file = filepath.Join(dir, pinCredential)
	}
	text, err := ReadPassphrase(file)
	if err != nil {
		return "", fmt.Errorf("reading the PIN: %w", err)
	}
	return string(text), nil
}
