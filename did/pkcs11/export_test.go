//go:build cgo

package pkcs11

// NoRest has tokens that could not be opened tried again at once.
func NoRest() { restBetween = 0 }
