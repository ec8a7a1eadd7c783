package registry

import (
	"flag"
	"math/rand/v2"
	"testing"
)

// OpenPostgresTables opens a store that has more tables than the registry's.
var OpenPostgresTables = openPostgres

// CheckPostgresAddress reads the address of a database.
func CheckPostgresAddress(url string) error {
	_, err := postgresConfig(url)
	return err
}

var crashSeed = flag.Uint64("crash.seed", 0, "the seed of the random moments at which a test kills; 0 takes a new one")

// CrashRand is what a test that kills takes its moments from. It says the seed.
func CrashRand(t *testing.T) *rand.Rand {
	t.Helper()
	seed := *crashSeed
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("seed %d: -crash.seed %d takes the same moments", seed, seed)
	return rand.New(rand.NewPCG(seed, seed))
}
