//go:build !linux && !darwin

package registry

// diskFree isn't known here.
func diskFree(string) (free uint64, known bool) { return 0, false }
