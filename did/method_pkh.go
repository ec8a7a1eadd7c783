package did

import "fmt"

// resolvePKH makes the document of a did:pkh out of the identifier itself, which is an
// account (CAIP-10). Nobody knows the account's key, only what it signed; so the one
// method is an account, for all uses that signatures have. Its id differs from one
// implementation to another: [Document.HasAccount] compares accounts.
func resolvePKH(d DID) (*Document, error) {
	account, err := ParseAccount(d.specific())
	if err == nil && account.Address.IsZero() {
		err = fmt.Errorf("%w account: nobody has the zero address", ErrInvalid)
	}
	if err != nil {
		return nil, fmt.Errorf("resolve %s: %w", d, err)
	}
	method := VerificationMethod{ID: d.s + "#blockchainAccountId", Type: "EcdsaSecp256k1RecoveryMethod2020", Controller: d.s, BlockchainAccountID: d.specific()}
	return documentOf(d, method, keyAccount, ""), nil
}
