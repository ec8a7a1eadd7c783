package evm

import (
	"encoding/json"
	"errors"
	"math/big"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
)

// The types of JSON-RPC as they stand on the wire.
type (
	quantity    = hexutil.Uint64
	data        = hexutil.Bytes
	bigQuantity hexutil.Big
)

func (b *bigQuantity) UnmarshalJSON(raw []byte) error { return (*hexutil.Big)(b).UnmarshalJSON(raw) }

// Int is the value; nil when there was none.
func (b *bigQuantity) Int() *big.Int { return (*big.Int)(b) }

// header is what we need of a block. The hash is the one that the chain's node
// gives, not one computed from the fields: chains differ in their fields.
type header struct {
	Number  quantity     `json:"number"`
	Hash    common.Hash  `json:"hash"`
	Time    quantity     `json:"timestamp"`
	BaseFee *bigQuantity `json:"baseFeePerGas"` // nil before EIP-1559
}

// lastSecond is the last one, of some 4,300 years from now, that is taken for a time: others
// have no form in a receipt.
const lastSecond = 1 << 37

// lastBlock is more than any chain has blocks, so that numbers behind it can be counted with.
const lastBlock = 1 << 53

func (h *header) UnmarshalJSON(raw []byte) error {
	type fields header
	if err := json.Unmarshal(raw, (*fields)(h)); err != nil {
		return err
	}
	if h.Time > lastSecond || h.Number > lastBlock {
		return errors.New("its time or its number is out of range")
	}
	return nil
}

func (h *header) time() time.Time { return time.Unix(int64(h.Time), 0).UTC() }

// mined is what we need of a transaction's receipt.
type mined struct {
	Status      quantity    `json:"status"` // 1: it did what it should
	BlockNumber quantity    `json:"blockNumber"`
	BlockHash   common.Hash `json:"blockHash"`
}

// event is what we need of a log entry, to find the transaction behind it.
type event struct {
	TxHash common.Hash `json:"transactionHash"`
}

// known is what we need of a transaction, to know that it is there.
type known struct {
	Hash common.Hash `json:"hash"`
}

func hexNumber(n uint64) string { return hexutil.EncodeUint64(n) }

// bigHex writes a number as JSON-RPC does.
type bigHex big.Int

func (b *bigHex) MarshalText() ([]byte, error) { return (*hexutil.Big)(b).MarshalText() }
