// Audits the log of a publisher on its chain, and one receipt, with ethers: it shares no code
// with clrnode, and was written from the receipt's schema and the contract's interface.
//
//   node audit.mjs RPC-URL REGISTRY LOG RECEIPT.json
//
// One line of JSON says what was looked at. It ends with 1 and a sentence where something is
// not as it should be.
import { createHash, createHmac } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { AbiCoder, Contract, JsonRpcProvider, concat, decodeRlp, encodeRlp, getBytes, keccak256, toBeHex, toQuantity } from 'ethers'

const abi = [
  'event Anchored(address indexed log, uint64 indexed seq, bytes32 indexed root, uint64 firstLeaf, uint64 count, bytes32 head, uint64 prevBlock)',
  'function logs(address) view returns (uint64 seq, uint64 leaves, uint64 lastBlock, uint64 frozenAt)',
  'function head(address) view returns (bytes32)',
  'function entries(address, bytes32) view returns (uint64 blockNumber, uint64 seq, uint64 firstLeaf, uint64 count)',
  'function verify(address log, bytes32 root, bytes32 leaf, uint64 index, bytes32[] path) view returns (bool ok, uint64 blockNumber, uint64 revoked)',
]

const sha256 = (...parts) => createHash('sha256').update(Buffer.concat(parts.map(p => Buffer.from(getBytes(p))))).digest()
const hex = bytes => '0x' + Buffer.from(bytes).toString('hex')
const u64 = n => getBytes(toBeHex(n, 8))

function must(so, sentence) {
  if (!so) throw new Error(sentence)
}

// leafOf is SHA-256(0x00 || "clr-anchor/1" || type || HMAC-SHA-256(salt, digest)).
function leafOf(r) {
  const blinded = createHmac('sha256', getBytes(r.salt)).update(getBytes(r.digest)).digest()
  return sha256(Buffer.from([0]), Buffer.from('clr-anchor/1'), Buffer.from([r.leafType]), blinded)
}

// rootOf follows the path of RFC 9162, section 2.1.3.2.
function rootOf(leaf, index, size, path) {
  must(index < size, 'the index is beyond the tree')
  let fn = BigInt(index), sn = BigInt(size) - 1n, hash = leaf
  for (const next of path) {
    must(sn > 0n, 'the path is too long')
    if (fn & 1n || fn === sn) {
      hash = sha256('0x01', next, hash)
      while (!(fn & 1n) && fn > 0n) fn >>= 1n, sn >>= 1n
    } else {
      hash = sha256('0x01', hash, next)
    }
    fn >>= 1n
    sn >>= 1n
  }
  must(sn === 0n, 'the path is too short')
  return hex(hash)
}

// headerOf puts a block's header together again, as every client of Ethereum hashes it.
function headerOf(b) {
  const number = v => v === '0x0' ? '0x' : toBeHex(BigInt(v))
  const fields = [b.parentHash, b.sha3Uncles, b.miner, b.stateRoot, b.transactionsRoot, b.receiptsRoot, b.logsBloom, number(b.difficulty),
    number(b.number), number(b.gasLimit), number(b.gasUsed), number(b.timestamp), b.extraData, b.mixHash, b.nonce]
  for (const [name, read] of [['baseFeePerGas', number], ['withdrawalsRoot', v => v], ['blobGasUsed', number], ['excessBlobGas', number],
    ['parentBeaconBlockRoot', v => v], ['requestsHash', v => v]]) {
    if (b[name] !== undefined && b[name] !== null) fields.push(read(b[name]))
  }
  return encodeRlp(fields)
}

// valueAt walks a Merkle Patricia tree (EIP-1186) from its root to the value of a key.
function valueAt(root, key, nodes) {
  const nibbles = keccak256(key).slice(2)
  let at = 0, want = root
  for (const [i, raw] of nodes.entries()) {
    must(keccak256(raw) === want, 'a node of a state proof has another hash than it should')
    const node = decodeRlp(raw)
    if (node.length === 17) {
      want = node[parseInt(nibbles[at++], 16)]
      continue
    }
    const path = node[0].slice(2), kind = parseInt(path[0], 16)
    const rest = kind & 1 ? path.slice(1) : path.slice(2)
    must(nibbles.slice(at, at + rest.length) === rest, 'a state proof leads to another key')
    at += rest.length
    if (kind >= 2) {
      must(at === nibbles.length && i === nodes.length - 1, 'a state proof ends in the wrong place')
      return node[1]
    }
    want = node[1]
  }
  throw new Error('a state proof does not end')
}

// entryIn is what a state proof says of root in log, given the hash of its block.
function entryIn(header, blockHash, registry, log, root, account, storage) {
  must(keccak256(header) === blockHash, 'the header is not that of the block')
  const fields = decodeRlp(header)
  const found = decodeRlp(valueAt(fields[3], registry, account))
  const inner = keccak256(AbiCoder.defaultAbiCoder().encode(['address', 'uint256'], [log, 2]))
  const word = BigInt(decodeRlp(valueAt(found[2], keccak256(concat([root, inner])), storage)))
  const part = i => word >> BigInt(64 * i) & (1n << 64n) - 1n
  return { blockNumber: part(0), seq: part(1), firstLeaf: part(2), count: part(3), time: BigInt(fields[11]) }
}

async function replay(registry, log, at) {
  const events = await registry.queryFilter(registry.filters.Anchored(log), 0, at)
  let head = '0x' + '00'.repeat(32), leaves = 0n, block = 0n
  for (const [i, e] of events.entries()) {
    const a = e.args
    must(a.seq === BigInt(i), `root ${a.seq} comes where root ${i} should`)
    must(a.firstLeaf === leaves, `root ${i} counts the leaves before it wrongly`)
    must(a.prevBlock === block, `root ${i} names another block before it`)
    head = hex(sha256('0x02', head, a.root, u64(a.seq), u64(a.firstLeaf), u64(a.count)))
    must(a.head === head, `root ${i} breaks the hash chain`)
    leaves += a.count
    block = BigInt(e.blockNumber)
  }
  const state = await registry.logs(log, { blockTag: at })
  must(state.seq === BigInt(events.length) && state.leaves === leaves, `the contract has ${state.seq} roots over ${state.leaves} leaves, the events tell of ${events.length} over ${leaves}`)
  must(await registry.head(log, { blockTag: at }) === head, 'the hash chain over all events is not the head that the contract has')
  return { roots: events.length, leaves: Number(leaves), head }
}

async function audit([url, address, log, file]) {
  const r = JSON.parse(readFileSync(file, 'utf8'))
  must(r.type === 'CLRAnchorReceipt' && r.version === 2, 'this is no receipt of version 2')
  must(r.block && r.stateProof, 'the receipt waits for its anchor, or brings no state proof')
  must(/^(tag:finalized|depth:\d+)$/.test(r.chain.finality), 'the receipt has a rule of finality that is none')
  const chain = new JsonRpcProvider(url, undefined, { staticNetwork: true, batchMaxCount: 1 })
  const registry = new Contract(address, abi, chain)
  must(BigInt(r.chain.id) === (await chain.getNetwork()).chainId && r.chain.genesis === (await chain.getBlock(0)).hash, 'the receipt is of another chain')
  must(r.chain.registry.toLowerCase() === address.toLowerCase() && r.log.toLowerCase() === log.toLowerCase(), 'the receipt is of another log')
  const newest = await chain.getBlockNumber()
  const told = await replay(registry, log, newest)

  const leaf = leafOf(r)
  must(rootOf(leaf, r.index, r.count, r.path) === r.root, 'the receipt does not lead to its root')
  const [ok, block, revoked] = await registry.verify(log, r.root, hex(leaf), r.index, r.path)
  must(ok && revoked === 0n && block === BigInt(r.block.number), 'the contract does not confirm the receipt')
  const entry = await registry.entries(log, r.root)
  must(entry.count === BigInt(r.count) && entry.seq === BigInt(r.seq) && entry.firstLeaf === BigInt(r.firstLeaf), 'the contract has another entry for the root')

  const last = r.chain.finality === 'tag:finalized' ? (await chain.getBlock('finalized')).number : newest - Number(r.chain.finality.replace('depth:', ''))
  must(last >= r.block.number, 'the block is not final')
  const own = await chain.send('eth_getBlockByNumber', [toQuantity(r.block.number), false])
  must(own.hash === r.block.hash, 'the chain has another block in the place of the receipt’s')
  must(BigInt(own.timestamp) * 1000n === BigInt(Date.parse(r.block.time)), 'the block has another time')

  // By the chain's node, and by what the receipt brings.
  const inner = keccak256(AbiCoder.defaultAbiCoder().encode(['address', 'uint256'], [log, 2]))
  const proof = await chain.send('eth_getProof', [address, [keccak256(concat([r.root, inner]))], own.number])
  for (const [header, account, storage] of [
    [headerOf(own), proof.accountProof, proof.storageProof[0].proof],
    [r.stateProof.header, r.stateProof.account, r.stateProof.storage],
  ]) {
    const e = entryIn(header, r.block.hash, address, log, r.root, account, storage)
    must(e.blockNumber === BigInt(r.block.number) && e.seq === entry.seq && e.firstLeaf === entry.firstLeaf && e.count === entry.count, 'the state proof shows another entry')
    must(e.time === BigInt(own.timestamp), 'the state proof is of another time')
  }
  return { ...told, block: r.block.number, final: last, proven: 2 }
}

audit(process.argv.slice(2)).then(
  found => { console.log(JSON.stringify(found)); process.exit(0) },
  error => { console.error(error.message); process.exit(1) },
)
