// Package strict reads TOML files that nobody may misread: a key that is not known is
// an error, with its place and the key that was probably meant. It knows no file's
// meaning; whoever finds a value wrong says which, and [At] says where it stands.
package strict
