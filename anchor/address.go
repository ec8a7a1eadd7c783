package anchor

import (
	"errors"

	"clrnode/did"
)

// Address is an account or a contract on an Ethereum-compatible chain. A log
// is named by one. The zero Address means that there is none.
type Address = did.Address

// ParseAddress is [did.ParseAddress].
func ParseAddress(s string) (Address, error) { return did.ParseAddress(s) }

// CAIP10 names a log across chains: "eip155:" with the chain's id and the
// log's address (CAIP-10). This is the name that signed credentials carry.
func CAIP10(chainID uint64, log Address) string {
	return did.Account{Chain: chainID, Address: log}.String()
}

// ParseCAIP10 reads what [CAIP10] writes; the address may be in lower case.
func ParseCAIP10(s string) (chainID uint64, log Address, err error) {
	a, err := did.ParseAccount(s)
	if err == nil && a.Address.IsZero() {
		err = errors.New("the zero address is nobody's log")
	}
	if err != nil {
		return 0, Address{}, err
	}
	return a.Chain, a.Address, nil
}
