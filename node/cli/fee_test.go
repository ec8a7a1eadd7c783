package cli

import (
	"math/big"
	"testing"
)

func TestMaxFee(t *testing.T) {
	for gwei, wei := range map[float64]int64{0: 500e9, 30: 30e9, 1e-9: 1, 1.5: 15e8} {
		if got, err := maxFee(gwei); err != nil || got.Cmp(big.NewInt(wei)) != 0 {
			t.Errorf("maxFee(%v) = %v, %v; want %d wei", gwei, got, err, wei)
		}
	}
	for _, gwei := range []float64{-1, 1e-10, 2e9} {
		if got, err := maxFee(gwei); err == nil {
			t.Errorf("maxFee(%v) = %v, and no error", gwei, got)
		}
	}
}
