// Package enforcement knows what relying parties do about revocations, from what
// they say themselves: which CRL number each enforces, since when, and who lags. It
// revokes nothing, and takes nobody's word for more than was signed.
package enforcement
