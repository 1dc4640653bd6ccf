// Package lint holds what we sign against zlint, the linter of public
// authorities. It is a module of its own since zlint needs a replace directive,
// with which nobody could "go install" Betonica.
package lint
