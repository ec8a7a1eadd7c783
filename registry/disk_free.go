//go:build linux || darwin

package registry

import "syscall"

// diskFree is how many bytes are free for us on dir's disk.
func diskFree(dir string) (free uint64, known bool) {
	var s syscall.Statfs_t
	err := syscall.Statfs(dir, &s)
	return s.Bavail * uint64(s.Bsize), err == nil
}
