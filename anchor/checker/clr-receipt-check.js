// clr-receipt-check.js checks an anchor receipt of a Comprehensive Learner Record, a proof that
// a record belonged to an identifier (ownership), or the copies that stand for an issuer. It
// needs nothing but this file: no library, and no network unless you name a chain's node.
//
//   node clr-receipt-check.js FILE [record.json] [--block-hash 0x... | --rpc URL] [--json]
//
// With --block-hash the receipt's own state proof is read (EIP-1186): the hash of its block is
// all that you have to know, from two explorers or a node of the chain that you trust; of copies
// in several blocks, give one after another with commas between them. With --rpc a node of the
// chain is asked. With --log copies have to be in the log that you name. The exit code is 0 for
// sound, 1 for not, 2 for could not check. In a browser, clrReceipt.check does the same.
//
// The formats are in JSON Schemas. SPDX-License-Identifier: Apache-2.0
(function (root, make) {
  if (typeof module === 'object' && module.exports) {
    module.exports = make()
    if (require.main === module) module.exports.main(process.argv.slice(2))
  } else {
    root.clrReceipt = make()
  }
})(typeof self === 'undefined' ? this : self, function () {
  'use strict'

  // The contract that counts, at the same address on every chain, and the chain that nodes
  // bring with them to be tried out.
  const REGISTRY = '0xe67c6a076714903d2fc08e43335f88673e55ebc5'
  const LOCAL_CHAIN = 271828n

  // ---- bytes

  const utf8 = new TextEncoder()
  const hex = b => '0x' + Array.from(b, x => x.toString(16).padStart(2, '0')).join('')
  const bytes = s => Uint8Array.from(s.slice(2).match(/../g) || [], x => parseInt(x, 16))
  const equal = (a, b) => a.length === b.length && a.every((x, i) => x === b[i])
  function concat(...parts) {
    const all = new Uint8Array(parts.reduce((n, p) => n + p.length, 0))
    let at = 0
    for (const p of parts) { all.set(p, at); at += p.length }
    return all
  }
  const number = b => b.reduce((n, x) => n << 8n | BigInt(x), 0n)
  const word = n => bytes('0x' + BigInt(n).toString(16).padStart(64, '0'))

  // ---- SHA-256 (FIPS 180-4) and HMAC (RFC 2104)

  const K = []
  const IV = []
  for (let n = 2; K.length < 64; n++) {
    let prime = true
    for (let d = 2; d * d <= n; d++) if (n % d === 0) prime = false
    if (!prime) continue
    const fraction = x => Math.floor((x - Math.floor(x)) * 4294967296) | 0
    if (IV.length < 8) IV.push(fraction(Math.sqrt(n)))
    K.push(fraction(Math.cbrt(n)))
  }

  function sha256(data) {
    const length = data.length
    const padded = new Uint8Array((length + 72) & ~63)
    padded.set(data)
    padded[length] = 0x80
    const view = new DataView(padded.buffer)
    view.setUint32(padded.length - 8, Math.floor(length / 0x20000000))
    view.setUint32(padded.length - 4, length << 3)
    const h = Int32Array.from(IV)
    const w = new Int32Array(64)
    const turn = (x, n) => x >>> n | x << 32 - n
    for (let at = 0; at < padded.length; at += 64) {
      for (let i = 0; i < 64; i++) {
        if (i < 16) { w[i] = view.getInt32(at + 4 * i); continue }
        const a = w[i - 15], b = w[i - 2]
        w[i] = w[i - 16] + (turn(a, 7) ^ turn(a, 18) ^ a >>> 3) + w[i - 7] + (turn(b, 17) ^ turn(b, 19) ^ b >>> 10) | 0
      }
      let [a, b, c, d, e, f, g, k] = h
      for (let i = 0; i < 64; i++) {
        const t = k + (turn(e, 6) ^ turn(e, 11) ^ turn(e, 25)) + (e & f ^ ~e & g) + K[i] + w[i] | 0
        const u = (turn(a, 2) ^ turn(a, 13) ^ turn(a, 22)) + (a & b ^ a & c ^ b & c) | 0
        k = g; g = f; f = e; e = d + t | 0; d = c; c = b; b = a; a = t + u | 0
      }
      for (const [i, x] of [a, b, c, d, e, f, g, k].entries()) h[i] = h[i] + x | 0
    }
    const out = new DataView(new ArrayBuffer(32))
    h.forEach((x, i) => out.setInt32(4 * i, x))
    return new Uint8Array(out.buffer)
  }

  function hmac(key, data) { // keys of 32 bytes, as all here
    const pad = x => Uint8Array.from({ length: 64 }, (_, i) => (key[i] || 0) ^ x)
    return sha256(concat(pad(0x5c), sha256(concat(pad(0x36), data))))
  }

  // ---- Keccak-256 (as Ethereum has it: padding 0x01)

  const ROUNDS = []
  const ROTATE = new Array(25)
  {
    const mask = (1n << 64n) - 1n
    let r = 1
    for (let round = 0; round < 24; round++) {
      let c = 0n
      for (let j = 0; j < 7; j++) {
        if (r & 1) c |= 1n << (1n << BigInt(j)) - 1n
        r = r << 1 ^ (r & 0x80 ? 0x171 : 0)
      }
      ROUNDS.push(c & mask)
    }
    ROTATE[0] = 0n
    let x = 1, y = 0
    for (let t = 0; t < 24; t++) {
      ROTATE[x + 5 * y] = BigInt((t + 1) * (t + 2) / 2 % 64);
      [x, y] = [y, (2 * x + 3 * y) % 5]
    }
  }

  function keccak256(data) {
    const mask = (1n << 64n) - 1n
    const turn = (v, n) => (v << n | v >> 64n - n) & mask
    const rate = 136
    const padded = new Uint8Array((Math.floor(data.length / rate) + 1) * rate)
    padded.set(data)
    padded[data.length] ^= 0x01
    padded[padded.length - 1] ^= 0x80
    const view = new DataView(padded.buffer)
    let a = new Array(25).fill(0n)
    for (let at = 0; at < padded.length; at += rate) {
      for (let i = 0; i < rate / 8; i++) a[i] ^= view.getBigUint64(at + 8 * i, true)
      for (const constant of ROUNDS) {
        const c = [0, 1, 2, 3, 4].map(x => a[x] ^ a[x + 5] ^ a[x + 10] ^ a[x + 15] ^ a[x + 20])
        a = a.map((v, i) => v ^ c[(i + 4) % 5] ^ turn(c[(i + 1) % 5], 1n))
        const b = new Array(25)
        for (let x = 0; x < 5; x++) for (let y = 0; y < 5; y++) b[y + 5 * ((2 * x + 3 * y) % 5)] = turn(a[x + 5 * y], ROTATE[x + 5 * y])
        a = b.map((v, i) => v ^ ~b[i - i % 5 + (i + 1) % 5] & mask & b[i - i % 5 + (i + 2) % 5])
        a[0] ^= constant
      }
    }
    const out = new DataView(new ArrayBuffer(32))
    for (let i = 0; i < 4; i++) out.setBigUint64(8 * i, a[i], true)
    return new Uint8Array(out.buffer)
  }

  // ---- JSON, read strictly, and its canonical form (RFC 8785)

  class Num { constructor(text) { this.text = text } }

  // few fails for a text that has more values than one of its length needs: some readers take
  // dozens of bytes for each, and refuse it.
  function few(s) {
    const most = 16384 + Math.floor(utf8.encode(s).length / 12)
    let n = 0
    for (const c of s) if (c === ',' || c === '[' || c === '{') n++
    if (n > most) throw new Error('it has more values than a text of its length may have, one for 12 bytes')
  }

  // parseJSON gives Maps, arrays, strings, booleans, null, and numbers as they were spelled. It
  // refuses what two programs could read in two ways.
  function parseJSON(s) {
    let i = 0
    const plainText = /[^"\\\u0000-\u001f]*/y, escape = /\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})/y
    const digits = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y
    const fail = why => { throw new Error(`${why} (character ${i})`) }
    const space = () => { while (' \t\n\r'.includes(s[i]) && i < s.length) i++ }
    const string = () => {
      // Piece by piece: one expression for a whole string runs out of room in an image of some megabytes.
      const from = i
      if (s[i++] !== '"') fail('a string is not sound')
      for (;;) {
        plainText.lastIndex = i
        i += plainText.exec(s)[0].length
        if (s[i] === '"') break
        escape.lastIndex = i
        const found = escape.exec(s)
        if (!found) fail('a string is not sound')
        i += found[0].length
      }
      const text = JSON.parse(s.slice(from, ++i))
      if (/[\ud800-\udbff](?![\udc00-\udfff])|(?:[^\ud800-\udbff]|^)[\udc00-\udfff]/.test(text)) fail('half a character stands alone')
      return text
    }
    const value = depth => {
      space()
      const c = s[i]
      if ((c === '{' || c === '[') && depth >= 128) fail('it is nested too deep')
      if (c === '"') return string()
      if (c === '{') {
        const members = new Map()
        members.from = i++
        space()
        if (s[i] === '}') { members.to = ++i; return members }
        for (;;) {
          space()
          const name = string()
          if (members.has(name)) fail(`the member ${name} occurs twice`)
          space()
          if (s[i++] !== ':') fail('a colon should stand here')
          members.set(name, value(depth + 1))
          space()
          if (s[i] === '}') { members.to = ++i; return members }
          if (s[i++] !== ',') fail('a comma should stand here')
        }
      }
      if (c === '[') {
        const list = []
        i++
        space()
        if (s[i] === ']') { i++; return list }
        for (;;) {
          list.push(value(depth + 1))
          space()
          if (s[i] === ']') { i++; return list }
          if (s[i++] !== ',') fail('a comma should stand here')
        }
      }
      const plain = /^(?:true|false|null)/.exec(s.slice(i, i + 5))
      if (plain) { i += plain[0].length; return JSON.parse(plain[0]) }
      digits.lastIndex = i
      const n = digits.exec(s)
      if (!n || !Number.isFinite(Number(n[0]))) fail('no value begins like this')
      i += n[0].length
      return new Num(n[0])
    }
    few(s)
    const v = value(0)
    space()
    if (i < s.length) fail('there is more after the end')
    return v
  }

  // JavaScript writes numbers and strings, and orders names, as RFC 8785 wants it.
  function canonical(v) {
    if (v instanceof Num) return JSON.stringify(Number(v.text) + 0)
    if (Array.isArray(v)) return '[' + v.map(canonical).join(',') + ']'
    if (v instanceof Map) return '{' + [...v.keys()].sort().map(k => JSON.stringify(k) + ':' + canonical(v.get(k))).join(',') + '}'
    return JSON.stringify(v)
  }

  // ---- the receipt, the ownership and the copies

  const ZERO = '0x' + '00'.repeat(32)

  const members = (v, required, optional = []) => {
    if (!(v instanceof Map)) throw new Error('an object is missing')
    for (const name of required) if (!v.has(name)) throw new Error(`the member ${name} is missing`)
    for (const name of v.keys()) if (!required.includes(name) && !optional.includes(name)) throw new Error(`the member ${name} is not known`)
    return v
  }
  const str = v => { if (typeof v !== 'string') throw new Error('a text is missing'); return v }
  const match = (v, pattern, what) => { if (!pattern.test(str(v))) throw new Error(`${what} is not written as it should be`); return v }
  const hash = v => match(v, /^0x[0-9a-f]{64}$/, 'a hash')
  const address = v => {
    match(v, /^0x[0-9a-fA-F]{40}$/, 'an address')
    if (v !== v.toLowerCase() && v !== checksummed(v.toLowerCase())) throw new Error('the checksum of an address is wrong')
    return v.toLowerCase()
  }
  const int = (v, most = (1n << 64n) - 1n) => {
    if (!(v instanceof Num) || !/^(?:0|[1-9][0-9]*)$/.test(v.text) || BigInt(v.text) > most) throw new Error('a number is not whole, or too large')
    return BigInt(v.text)
  }
  const seconds = (v, what) => {
    const time = match(v, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/, what), ms = Date.parse(time)
    if (Number.isNaN(ms) || new Date(ms).toISOString().slice(0, 19) + 'Z' !== time) throw new Error('there is no such time')
    return BigInt(ms) / 1000n
  }
  const YEAR1 = -62135596800n // the first second of the year 1, which stands for no time
  const LAST = 1n << 37n // the last second, of some 4,300 years from now, that is taken for a time
  const short = (text, most) => { if (utf8.encode(text).length > most) throw new Error('it is too long') }
  const firstVersion = v => { if (int(v) !== 1n) throw new Error(`version ${v.text} is not known here: a newer program may read it`) }

  // readReceipt reads a receipt, given as its text and as what parseJSON made of that: every
  // member as documented, none twice, none unknown.
  function readReceipt(m, text) {
    const nodes = v => {
      if (!Array.isArray(v) || v.length < 1 || v.length > 64) throw new Error('a path of the state proof is too short or too long')
      return v.map(n => bytes(match(n, /^0x(?:[0-9a-f]{2}){1,600}$/, 'a node of the state proof')))
    }
    short(text, 256 << 10)
    few(text)
    if (!(m instanceof Map) || m.get('type') !== 'CLRAnchorReceipt') throw new Error('its type should be CLRAnchorReceipt')
    members(m, ['type', 'version', 'canonicalization', 'digest', 'leafType', 'salt', 'index', 'count', 'path', 'root', 'chain', 'log', 'seq', 'firstLeaf', 'phase'], ['tx', 'block', 'stateProof'])
    const c = members(m.get('chain'), ['id', 'genesis', 'registry', 'finality', 'local'])
    if (typeof c.get('local') !== 'boolean' || !Array.isArray(m.get('path'))) throw new Error('chain.local or path is not what it should be')
    const r = {
      version: int(m.get('version')), canonicalization: str(m.get('canonicalization')), digest: hash(m.get('digest')), leafType: Number(int(m.get('leafType'), 255n)),
      salt: hash(m.get('salt')), index: int(m.get('index')), count: int(m.get('count')), path: m.get('path').map(hash), root: hash(m.get('root')),
      chain: { id: int(c.get('id')), genesis: hash(c.get('genesis')), registry: address(c.get('registry')), finality: str(c.get('finality')), local: c.get('local') },
      log: address(m.get('log')), seq: int(m.get('seq')), firstLeaf: int(m.get('firstLeaf')), phase: str(m.get('phase')),
    }
    if (m.has('tx')) r.tx = hash(m.get('tx'))
    if (m.has('block')) {
      const b = members(m.get('block'), ['number', 'hash', 'time'])
      r.block = { number: int(b.get('number')), hash: hash(b.get('hash')), time: seconds(b.get('time'), 'the block’s time') }
    }
    if (m.has('stateProof')) {
      const p = members(m.get('stateProof'), ['header', 'account', 'storage'])
      r.stateProof = { header: bytes(match(p.get('header'), /^0x(?:[0-9a-f]{2}){1,4096}$/, 'the header')), account: nodes(p.get('account')), storage: nodes(p.get('storage')) }
    }
    consistent(r)
    return r
  }

  // within is the text of an object that stands in a text.
  const within = (v, text) => v instanceof Map ? text.slice(v.from, v.to) : ''

  function readOwnership(m, text) {
    short(text, 256 << 10)
    members(m, ['type', 'version', 'statement', 'receipt'])
    firstVersion(m.get('version'))
    const s = members(m.get('statement'), ['type', 'did', 'record', 'method', 'proof', 'proven'])
    const statement = { did: str(s.get('did')), record: hash(s.get('record')), method: str(s.get('method')), proof: hash(s.get('proof')), proven: seconds(s.get('proven'), 'the statement’s time') }
    if (s.get('type') !== 'CLROwnershipStatement') throw new Error('the type of its statement should be CLROwnershipStatement')
    short(statement.did, 2048)
    short(statement.method, 64)
    if (!statement.did.startsWith('did:') || !statement.method || statement.record === ZERO || statement.proof === ZERO || statement.proven === YEAR1) throw new Error('something in the statement is empty that may not be')
    return { statement, content: s, receipt: readReceipt(m.get('receipt'), within(m.get('receipt'), text)) }
  }

  function readCopies(m, text) {
    const full = v => {
      if (v === null) throw new Error('something in a copy is null')
      if (Array.isArray(v)) v.forEach(full)
      else if (v instanceof Map) v.forEach(full)
    }
    const copies = (name, leafType, title) => {
      if (!Array.isArray(m.get(name))) throw new Error(`the member ${name} is no list`)
      return m.get(name).map(one => {
        const content = members(one, ['content', 'receipt']).get('content')
        if (!(content instanceof Map)) throw new Error('a content is no object')
        full(content)
        few(within(content, text))
        return { leafType, title, content, receipt: readReceipt(one.get('receipt'), within(one.get('receipt'), text)) }
      })
    }
    short(text, 8 << 20)
    members(m, ['type', 'version', 'documents', 'statusLists'])
    firstVersion(m.get('version'))
    return { copies: [...copies('documents', 4, 'DID document'), ...copies('statusLists', 2, 'Status list')] }
  }

  function checksummed(address) { // EIP-55
    const digest = hex(keccak256(utf8.encode(address.slice(2)))).slice(2)
    return '0x' + [...address.slice(2)].map((c, i) => parseInt(digest[i], 16) > 7 ? c.toUpperCase() : c).join('')
  }

  function consistent(r) {
    const wrong = (is, why) => { if (is) throw new Error(why) }
    wrong(r.version !== 1n && r.version !== 2n, `version ${r.version} is not known here: a newer program may read it`)
    wrong(r.stateProof && (r.version === 1n || !r.block), 'a stateProof needs version 2 and a block')
    wrong(!['jcs', 'bytes'].includes(r.canonicalization), 'its canonicalization is not known')
    wrong(r.leafType < 1 || r.leafType > 6, 'its leafType is not known')
    wrong([r.digest, r.salt, r.chain.genesis].includes(ZERO) || r.chain.id === 0n || BigInt(r.chain.registry) === 0n || BigInt(r.log) === 0n, 'something is zero that may not be')
    const mined = ['mined', 'confirmed', 'final'].includes(r.phase)
    wrong(!mined && !['pending', 'submitted'].includes(r.phase), 'its phase is not known')
    wrong(mined !== !!r.block || mined && !r.tx, 'its phase and its block do not go together')
    wrong(mined && (r.block.hash === ZERO || r.tx === ZERO || r.block.time === YEAR1), 'its block or transaction is zero')
    if (r.count === 0n) {
      wrong(r.phase !== 'pending' || r.index !== 0n || r.path.length > 0 || r.root !== ZERO, 'without a batch there is no root, path or index')
      return
    }
    wrong(r.root === ZERO || r.index >= r.count || r.path.length > (r.count - 1n).toString(2).length && r.count > 1n || r.count === 1n && r.path.length > 0, 'root, index, count and path do not go together')
  }

  const saltedOf = r => hmac(bytes(r.salt), bytes(r.digest))
  const leafOf = r => sha256(concat(Uint8Array.of(0), utf8.encode('clr-anchor/1'), Uint8Array.of(r.leafType), saltedOf(r)))

  // steps follows the path to the root (RFC 9162, section 2.1.3.2), and puts into all what is
  // hashed with what.
  function steps(leaf, index, size, path, all) {
    let fn = index, sn = size - 1n, hash = leaf
    for (const next of path.map(bytes)) {
      if (sn === 0n) throw new Error('the path is too long for a tree of this size')
      const right = (fn & 1n) === 1n || fn === sn
      hash = right ? sha256(concat(Uint8Array.of(1), next, hash)) : sha256(concat(Uint8Array.of(1), hash, next))
      if (right) while ((fn & 1n) === 0n && fn !== 0n) { fn >>= 1n; sn >>= 1n }
      all.push({ neighbour: hex(next), left: right, hash: hex(hash) })
      fn >>= 1n
      sn >>= 1n
    }
    if (sn !== 0n) throw new Error('the path is too short for a tree of this size')
  }

  // ---- the state proof (EIP-1186)

  function decodeRLP(b) {
    const item = at => {
      const first = b[at]
      if (at >= b.length) throw new Error('RLP ends too early')
      const long = (base, from) => {
        const n = Number(number(b.slice(at + 1, at + 1 + first - base)))
        if (b[at + 1] === 0 || n < 56 || first - base > 4) throw new Error('a length in RLP is not in its shortest form')
        return [at + 1 + first - base, n]
      }
      let start, length
      if (first < 0x80) return [b.slice(at, at + 1), at + 1]
      if (first < 0xb8) [start, length] = [at + 1, first - 0x80]
      else if (first < 0xc0) [start, length] = long(0xb7)
      else if (first < 0xf8) [start, length] = [at + 1, first - 0xc0]
      else [start, length] = long(0xf7)
      const end = start + length
      if (end > b.length) throw new Error('RLP ends too early')
      if (first < 0xc0) {
        if (length === 1 && first === 0x81 && b[start] < 0x80) throw new Error('a byte in RLP is not in its shortest form')
        return [b.slice(start, end), end]
      }
      const list = []
      for (let i = start; i < end;) {
        const [v, next] = item(i)
        if (next > end) throw new Error('RLP runs over its list')
        list.push(v)
        i = next
      }
      list.raw = b.slice(at, end)
      return [list, end]
    }
    const [v, end] = item(0)
    if (end !== b.length) throw new Error('more follows after RLP')
    return v
  }

  // walk goes from the root of a Merkle Patricia tree to the value of a key.
  function walk(root, key, path) {
    const nibbles = hex(key).slice(2)
    let at = 0, used = 0
    const next = hash => {
      if (used === path.length || !equal(keccak256(path[used]), hash)) throw new Error('a node is missing')
      return decodeRLP(path[used++])
    }
    let node = next(root)
    for (;;) {
      let child
      if (Array.isArray(node) && node.length === 17) {
        if (at === nibbles.length) throw new Error('the key ends too early')
        child = node[parseInt(nibbles[at++], 16)]
      } else if (Array.isArray(node) && node.length === 2 && node[0] instanceof Uint8Array && node[0].length > 0) {
        const part = hex(node[0]).slice(2), kind = parseInt(part[0], 16)
        if (kind > 3 || kind % 2 === 0 && part[1] !== '0') throw new Error('a node is not sound')
        const rest = part.slice(kind & 1 ? 1 : 2)
        if (nibbles.slice(at, at + rest.length) !== rest) throw new Error('there is none')
        at += rest.length
        if (kind >= 2) {
          if (at !== nibbles.length) throw new Error('there is none')
          if (used !== path.length) throw new Error('nodes are left over')
          return node[1]
        }
        child = node[1]
      } else {
        throw new Error('a node is not sound')
      }
      if (Array.isArray(child)) node = child
      else if (child.length === 32) node = next(child)
      else throw new Error('there is none')
    }
  }

  // shown is what the receipt's state proof shows of its root, given the hash of the block. As
  // far as it comes, it puts the hashes on the way into way.
  function shown(r, blockHash, registry, way) {
    const p = r.stateProof
    if (hex(keccak256(p.header)) !== blockHash) throw new Error('the header is not that of the block')
    const h = decodeRLP(p.header)
    if (!Array.isArray(h) || h.length < 15 || h[3].length !== 32 || h[8].length > 8 || h[11].length > 8 || number(h[11]) > LAST) throw new Error('the header is not sound')
    way.stateRoot = hex(h[3])
    const account = decodeRLP(walk(h[3], keccak256(bytes(registry)), p.account))
    if (!Array.isArray(account) || account.length !== 4) throw new Error('the account is not sound')
    way.storageRoot = hex(account[2])
    const slot = keccak256(concat(bytes(r.root), keccak256(concat(word(r.log), word(2)))))
    const value = decodeRLP(walk(account[2], keccak256(slot), p.storage))
    if (Array.isArray(value) || value.length > 32) throw new Error('the entry is no word')
    const n = number(value), part = i => n >> BigInt(64 * i) & (1n << 64n) - 1n
    return { entry: { block: part(0), seq: part(1), firstLeaf: part(2), count: part(3), revoked: 0n }, block: { number: number(h[8]), hash: blockHash, time: number(h[11]), final: true } }
  }

  // ---- the chain

  async function ask(url, method, params) {
    const stop = new AbortController()
    const timer = setTimeout(() => stop.abort(), 20000)
    try {
      const request = { method: 'POST', headers: { 'Content-Type': 'application/json' }, redirect: 'error', signal: stop.signal, body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params }) }
      const resp = await fetch(url, request).catch(() => { // whose message may have the whole URL, and in it a secret
        throw new Error(/^https?:\/\/[^/?#]*@/.test(url) ? 'a URL with a name and a password in it can’t be used here' : 'it can’t be reached, or took too long')
      })
      const answer = await resp.json()
      if (answer.error) throw Object.assign(new Error(answer.error.message), { code: answer.error.code })
      if (answer.result === undefined) throw new Error('it gave no result')
      return answer.result
    } finally {
      clearTimeout(timer)
    }
  }

  const quantity = s => { if (!/^0x[0-9a-f]+$/i.test(s)) throw new Error('a number is not one'); return BigInt(s) }

  const RULE = /^(?:tag:finalized|depth:\d{1,9})$/

  // lastFinal is the number of the newest block that stays, by a rule; below 0 if there is none.
  async function lastFinal(url, rule, local) {
    let last
    if (rule === 'tag:finalized') {
      try {
        last = quantity((await ask(url, 'eth_getBlockByNumber', ['finalized', false])).number)
      } catch (e) { // a chain may be so young that it has none
        if (e.code === undefined || !e.message.includes('finalized block not found')) throw e
        return -1n
      }
    } else {
      last = quantity(await ask(url, 'eth_blockNumber', [])) - BigInt(rule.slice('depth:'.length))
    }
    if (!local) return last
    try { // a node's own chain could lose what is not on its disk yet
      const kept = quantity(await ask(url, 'clrnode_durable', []))
      return kept < last ? kept : last
    } catch (e) { // somebody else's local chain doesn't tell
      if (e.code !== -32601) throw e
      return last
    }
  }

  async function onChain(r, o) {
    const id = quantity(await ask(o.rpc, 'eth_chainId', []))
    const genesis = (await ask(o.rpc, 'eth_getBlockByNumber', ['0x0', false])).hash
    if (id !== r.chain.id || genesis !== r.chain.genesis) return { other: true }
    if (r.chain.registry !== o.registry) return { otherRegistry: true }
    const find = hex(keccak256(utf8.encode('find(address,bytes32,bytes32)'))).slice(0, 10)
    const call = find + hex(word(r.log)).slice(2) + r.root.slice(2) + hex(leafOf(r)).slice(2)
    const answer = await ask(o.rpc, 'eth_call', [{ to: o.registry, data: call }, 'latest'])
    if (!/^0x[0-9a-f]{320}$/.test(answer)) throw new Error('there is no registry at its address')
    const [block, seq, firstLeaf, count, revoked] = answer.slice(2).match(/.{64}/g).map(w => BigInt('0x' + w))
    if (count === 0n) return {}
    if (revoked > LAST) throw new Error('a time is out of range')
    const b = await ask(o.rpc, 'eth_getBlockByNumber', ['0x' + block.toString(16), false])
    if (quantity(b.timestamp) > LAST) throw new Error('a time is out of range')
    const rule = o.finality || (id === LOCAL_CHAIN ? 'depth:0' : 'tag:finalized')
    const last = await lastFinal(o.rpc, rule, id === LOCAL_CHAIN)
    return { entry: { block, seq, firstLeaf, count, revoked }, block: { number: quantity(b.number), hash: b.hash, time: quantity(b.timestamp), final: last >= block }, local: id === LOCAL_CHAIN, rule }
  }

  // ---- the check

  // seen is a text that may be a stranger's, fit for a line on a terminal: what moves the
  // cursor, ends the line, changes the direction of writing or can't be seen becomes U+FFFD,
  // and what is longer than 2000 characters is cut off.
  const seen = s => (s.length > 2000 ? s.slice(0, 2000) + '…' : s).replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, c => GOOD.test(c) ? c : '\ufffd')
  const GOOD = /[\u200c\u200d\u0600-\u0605\u06dd\u070f\u0890\u0891\u08e2]/

  const answer = (outcome, code, sentence, more) => ({ outcome, code, sentence: seen(sentence), ...more })
  const when = seconds => new Date(Number(seconds) * 1000).toISOString().slice(0, 19).replace('T', ' ') + ' UTC'

  // recordOf reads a record's text. Its digest is that of the token, if it is a JSON Web Token
  // or one in an envelope, and else of the canonical form.
  function recordOf(text) {
    const of = token => {
      if (!/^[\w-]+\.[\w-]+\.[\w-]+$/.test(token)) throw new Error('it is no token')
      return { digest: hex(sha256(utf8.encode(token))), says: claimsOf(token.split('.')[1]) }
    }
    // White space is all that Unicode has, and a byte-order mark is none.
    // (An expression that looks for it at the end begins anew at each space, and never ends.)
    const white = c => c !== '\ufeff' && /[\s\u0085]/.test(c)
    let from = 0, to = text.length
    while (from < to && white(text[from])) from++
    while (to > from && white(text[to - 1])) to--
    const bare = text.slice(from, to)
    if (bare.startsWith('ey')) return of(bare)
    const v = parseJSON(text)
    if (!(v instanceof Map)) throw new Error('it is no object')
    const types = [v.get('type')].flat()
    if (!types.includes('EnvelopedVerifiableCredential')) return { digest: hex(sha256(utf8.encode(canonical(v)))), says: v }
    const prefix = 'data:application/vc+jwt,', id = v.get('id')
    const contexts = [v.get('@context')].flat()
    if (types.length !== 1 || contexts[0] !== 'https://www.w3.org/ns/credentials/v2' || typeof id !== 'string' || !id.startsWith(prefix)) throw new Error('its envelope is not sound')
    for (const name of v.keys()) if (!['@context', 'type', 'id'].includes(name)) throw new Error('its envelope has a member that nobody signed')
    return of(id.slice(prefix.length))
  }

  // written is the text that bytes are, in UTF-8 without a byte-order mark.
  function written(file) {
    if (typeof file === 'string') return file
    try {
      return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(file)
    } catch (e) {
      throw new Error('it is not UTF-8')
    }
  }

  // claimsOf is the credential in the payload of a token. What can't be read says nothing.
  function claimsOf(payload) {
    try {
      const binary = atob(payload.replace(/-/g, '+').replace(/_/g, '/'))
      const claims = parseJSON(written(Uint8Array.from(binary, c => c.charCodeAt(0))))
      const inner = claims.get('vc')
      if (!(inner instanceof Map)) return claims
      const subject = inner.get('credentialSubject')
      if (subject instanceof Map && !subject.has('id') && claims.has('sub')) subject.set('id', claims.get('sub'))
      return inner
    } catch (e) {
      return new Map()
    }
  }

  const textOf = (v, name) => v instanceof Map && typeof v.get(name) === 'string' ? v.get(name) : ''

  // subjectOf is the identifier of whom a record says that it is about.
  const subjectOf = says => textOf(says.get('credentialSubject'), 'id')

  // logsOf are the logs that a record names for its anchors, logOf the receipt's if that is one of
  // them, and else the first.
  const logsOf = says => [says.get('termsOfUse')].flat().filter(t => t instanceof Map && [t.get('type')].flat().includes('urn:clrnode:verification:blockchain')).map(t => textOf(t, 'id'))
  const logOf = (says, r) => logsOf(says).find(l => l === logName(r)) ?? logsOf(says)[0] ?? ''

  const logName = r => `eip155:${r.chain.id}:${checksummed(r.log)}`

  // addressIn is the address in the name of a log (CAIP-10), or '' if it is none.
  function addressIn(name) {
    const parts = /^eip155:([1-9][0-9]*):(0x.*)$/.exec(name)
    try {
      return parts && BigInt(parts[1]) < 1n << 64n && BigInt(address(parts[2])) !== 0n ? address(parts[2]) : ''
    } catch (e) {
      return ''
    }
  }

  // plain is a read receipt without what only this file can use: numbers are texts.
  const plain = r => JSON.parse(JSON.stringify({ ...r, stateProof: undefined }, (_, v) => typeof v === 'bigint' ? v.toString() : v))

  // What an ownership doesn't prove, which is said wherever one is found sound.
  const NO_PROOF = "It doesn't prove who that is, that they control the DID today, or that who shows it is the one: " +
    "ask for a fresh signature by the DID. That control was proven is the publisher's word, and that the record is the publisher's " +
    "only its signature shows, which has to be checked, too."

  const KINDS = { // by the type of the file: how it is called, read and checked
    CLRAnchorReceipt: ['receipt', (m, text) => ({ receipt: readReceipt(m, text) }), checkReceipt],
    CLROwnership: ['proof of ownership', readOwnership, checkOwnership],
    CLRIssuerCopies: ['file of an issuer’s copies', readCopies, checkCopies],
  }

  // check says whether a receipt, an ownership or an issuer's copies are sound, and of this record
  // if there is one; copies need none. Options: rpc (a URL) or blockHash (one or more), and whose
  // word that hash is, if not yours; log for copies; registry and finality, if not the usual ones.
  // The outcome is "ok", "failed", "warning" or "could not check", and the code is that of the
  // Go package anchor. Beside them stands each step of the way that was found; for copies in
  // parts, of which each is such an answer.
  // Files are given as texts, or as the bytes that are in them.
  async function check(file, recordFile, options = {}) {
    const o = { ...options, registry: (options.registry || REGISTRY).toLowerCase() }
    let [name, read, judge] = KINDS.CLRAnchorReceipt, it
    try {
      const text = written(file)
      short(text, 8 << 20)
      const m = parseJSON(text)
      if (m instanceof Map && Object.hasOwn(KINDS, m.get('type'))) [name, read, judge] = KINDS[m.get('type')]
      it = read(m, text)
    } catch (e) {
      return answer('failed', 'not_a_receipt', `This is no sound ${name}: ${e.message}.`)
    }
    let record = null
    if (recordFile !== undefined && recordFile !== null) {
      try { record = recordOf(written(recordFile)) } catch (e) { record = { digest: '', says: new Map() } } // what can't be read is another document
    }
    return JSON.parse(JSON.stringify(await judge(it, record, o), (_, v) => typeof v === 'string' ? seen(v) : v))
  }

  const begun = r => ({ receipt: plain(r), salted: hex(saltedOf(r)), leaf: hex(leafOf(r)), path: [] })

  async function checkReceipt({ receipt: r }, record, o) {
    const f = begun(r)
    if (!record) {
      const a = await judged(r, o, f)
      return { ...a, sentence: a.sentence + ' No record was compared with the receipt.' }
    }
    f.recordDigest = record.digest
    if (f.recordDigest !== r.digest) return answer('failed', 'receipt_of_other', 'The receipt belongs to another document, or the document was changed.', f)
    if (logsOf(record.says).length === 0) return judged(r, o, f)
    f.log = logOf(record.says, r)
    if (r.leafType !== 1) return answer('failed', 'receipt_of_other', 'The receipt is of something else than a credential.', f)
    return otherLog(r, f) || judged(r, o, f)
  }

  // otherLog is the answer where a receipt isn't for the log that counts.
  function otherLog(r, f) {
    if (!addressIn(f.log)) return answer('failed', 'other_log', 'No log is named that could be looked up.', f)
    if (addressIn(f.log) !== r.log) return answer('failed', 'other_log', `The receipt is for the log ${checksummed(r.log)}, and should be for ${f.log}.`, f)
  }

  // content is the check of what a receipt is of, where that stands beside it, as a leaf of a
  // type and in a log (CAIP-10).
  async function content(v, r, leafType, log, o, f) {
    f.contentDigest = hex(sha256(utf8.encode(canonical(v))))
    f.log = log
    if (r.leafType !== leafType || r.canonicalization !== 'jcs') return answer('failed', 'receipt_of_other', 'The receipt is of something else.', f)
    const other = otherLog(r, f)
    if (other) return other
    if (f.contentDigest !== r.digest) return answer('failed', 'receipt_of_other', 'The receipt belongs to another document, or the document was changed.', f)
    return judged(r, o, f)
  }

  async function checkOwnership({ statement: s, content: stated, receipt: r }, record, o) {
    const f = { kind: 'ownership', statement: plain(s), ...begun(r) }
    f.statement.proven = when(s.proven)
    let log = logName(r)
    if (record) {
      f.recordDigest = record.digest
      f.subject = subjectOf(record.says)
      if (f.recordDigest !== s.record) return answer('failed', 'receipt_of_other', 'The ownership is of another record, or the record was changed.', f)
      if (f.subject !== s.did) return answer('failed', 'receipt_of_other', `The record names ${f.subject || 'no DID'} as whom it is about, and not ${s.did}.`, f)
      log = logOf(record.says, r)
    }
    const a = await content(stated, r, 6, log, o, f)
    if (a.outcome === 'failed' || !a.time) return a
    if (s.proven > BigInt(a.seconds) + 300n) return { ...a, outcome: 'failed', code: 'receipt_contradicted', late: true, sentence: `The ownership says that control was proven on ${when(s.proven)}, after it was anchored.` }
    if (!record) {
      return { ...a, outcome: 'could not check', code: 'no_record', sentence: `The log ${log} has the statement, since ${a.time} at the latest. ` +
        'Whether that log is the publisher’s, and whom the record is about, only the record tells: give it, too.' }
    }
    let sentence = `When this was anchored, no later than ${a.time} (block ${a.block} of chain ${r.chain.id}), whoever held ${s.did} had proven control of it, on ${when(s.proven).slice(0, 10)}, and the record was about them. ${NO_PROOF}`
    if (a.local) sentence += ' The chain is local, which proves nothing to others: who runs the node could rewrite it.'
    if (a.outcome === 'warning') sentence += ' The block is young and may still be replaced, or the receipt names another one: fetch it again.'
    return { ...a, sentence: sentence + (a.trust || '') }
  }

  async function checkCopies({ copies }, _, o) {
    const parts = []
    for (const c of copies) {
      const f = { kind: 'copy', title: c.title, id: textOf(c.content, 'id'), logGiven: !!o.log, ...begun(c.receipt) }
      parts.push(await content(c.content, c.receipt, c.leafType, o.log || logName(c.receipt), o, f))
    }
    const rank = f => f.code === 'anchor_moved' ? 3 : ['failed', 'could not check', 'warning', 'x', 'ok'].indexOf(f.outcome)
    const [worst] = [...parts].sort((a, b) => rank(a) - rank(b))
    if (!worst) return answer('could not check', 'no_copies', 'There is no copy in this file.', { parts })
    let sentence = `${worst.title}: ${worst.sentence}`
    if (rank(worst) >= 3) {
      sentence = parts.map(f => `The ${f.title.replace('Status', 'status')} is as of ${f.time} (block ${f.block} of chain ${f.receipt.chain.id})`).join('. ') + '. What the issuer changed since, a copy can’t tell. '
      sentence += o.log ? 'They stand in the log that you named.' : `They count if the issuer itself told you that its log is ${[...new Set(parts.map(f => f.log))].join(' and ')}: anybody may write into a log of their own.`
      if (parts.some(f => f.local)) sentence += ' The chain is local, which proves nothing to others.'
      sentence += parts[0].trust || ''
    }
    return answer(worst.outcome, worst.code, sentence, { parts })
  }

  // judged is the check of a receipt that was read; it adds to f what it finds.
  async function judged(r, o, f) {
    if (r.count === 0n) return answer('warning', 'anchor_pending', 'Not anchored yet: the receipt says that it waits for the next batch.', f)
    try {
      steps(leafOf(r), r.index, r.count, r.path, f.path)
      if ((f.path.length ? f.path[f.path.length - 1].hash : f.leaf) !== r.root) throw new Error('the path leads to another root')
    } catch (e) {
      f.why = e.message
      return answer('failed', 'not_under_root', `The receipt doesn't prove that the document is under its root: ${e.message}.`, f)
    }
    const known = (o.blockHash || '').toLowerCase().split(/[\s,]+/).filter(Boolean)
    if (!o.rpc && !known.length) return answer('could not check', 'no_chain', 'The receipt is sound in itself, but it was held against no chain: name a node of the chain, or the hash of its block.', f)
    let on = {}
    if (known.length) {
      if (!r.stateProof || !r.block || !known.includes(r.block.hash)) return answer('could not check', 'no_chain', r.stateProof ? 'The receipt is for another block than the one whose hash was given.' : 'The receipt has no state proof, so it takes a node of the chain to check it.', f)
      if (r.chain.registry !== o.registry) return answer('failed', 'other_registry', 'The receipt is for another registry than the one that counts here.', f)
      f.proof = { nodes: [r.stateProof.storage.length, r.stateProof.account.length] }
      try { on = shown(r, r.block.hash, o.registry, f.proof) } catch (e) { f.why = e.message }
    } else {
      try { on = await onChain(r, o) } catch (e) { return answer('could not check', 'chain_no_answer', `The chain gave no answer (${e.message}). Try again later.`, f) }
      if (on.other) return answer('could not check', 'other_chain', 'The receipt is for another chain than the one at hand: ask the right one.', f)
      if (on.otherRegistry) return answer('failed', 'other_registry', 'The receipt is for another registry than the one that counts here.', f)
    }
    const { entry: e, block: b } = on
    if (!e) {
      if (!r.block) return answer('warning', 'anchor_pending', 'Not anchored yet: its batch is on the way to the chain.', f)
      return answer('failed', 'not_in_log', `The log has no such root${f.why ? ': ' + f.why : ''}.`, f)
    }
    f.entry = { block: e.block.toString(), seq: e.seq.toString(), firstLeaf: e.firstLeaf.toString(), count: e.count.toString() }
    if (e.count !== r.count || r.block && (e.seq !== r.seq || e.firstLeaf !== r.firstLeaf)) return answer('failed', 'receipt_contradicted', 'The log has this root in another place, or for another number of leaves.', f)
    if (e.revoked !== 0n) {
      f.why = when(e.revoked)
      return answer('failed', 'anchor_taken_back', `The publisher took this anchor back on ${f.why}.`, f)
    }
    if (b.number !== e.block) return answer('could not check', 'chain_no_answer', 'The state proof is of another block than the one of the anchor.', f)
    Object.assign(f, { time: when(b.time), seconds: Number(b.time), block: Number(b.number), blockHash: b.hash, rule: on.rule, local: !!on.local || known.length > 0 && r.chain.id === LOCAL_CHAIN })
    let sentence = `It existed no later than ${f.time}: block ${b.number} of chain ${r.chain.id}.`
    if (f.local) sentence += ' That is the local chain of a node, which proves nothing to others.'
    if (!b.final) return answer('warning', 'anchor_not_final', sentence + ' The block is young and may still be replaced.', f)
    if (r.block && r.block.hash !== b.hash) return answer('warning', 'anchor_moved', sentence + ' The receipt names another block; the chain was reorganized since.', f)
    if (r.block && (r.block.number !== b.number || r.block.time !== b.time)) return answer('failed', 'receipt_contradicted', 'The receipt has a wrong number or time for the block of the anchor.', f)
    f.trust = known.length ? ` ${o.word ? 'That' : 'Nobody was asked: that'} the block is part of the chain is by ${o.word || 'your'} word, and whether the anchor was taken back later isn’t known.` : ''
    return answer('ok', 'anchored', sentence + f.trust, f)
  }

  const exitCode = f => f.outcome === 'failed' ? 1 : f.outcome === 'ok' || f.code === 'anchor_moved' ? 0 : 2

  async function main(args) {
    const fs = require('fs')
    const o = {}, files = []
    for (let i = 0; i < args.length; i++) {
      const named = { __proto__: null, '--rpc': 'rpc', '--log': 'log', '--block-hash': 'blockHash', '--registry': 'registry', '--finality': 'finality' }[args[i]]
      if (named && i + 1 < args.length) o[named] = args[++i]
      else if (args[i] === '--json') o.json = true
      else if (args[i].startsWith('--')) files.length = 9
      else files.push(args[i])
    }
    if (files.length < 1 || files.length > 2 || o.rpc && o.blockHash || o.finality !== undefined && !RULE.test(o.finality)) {
      console.error('usage: node clr-receipt-check.js FILE [record.json] [--block-hash 0x... | --rpc URL] [--log eip155:1:0x...] [--registry 0x...] [--finality depth:N|tag:finalized] [--json]')
      process.exit(2)
    }
    let f
    try {
      const read = files.map(f => fs.readFileSync(f))
      f = await check(read[0], read[1], o)
    } catch (e) { // a file that can't be read says nothing about the receipt
      f = answer('could not check', 'unreadable', `A file can’t be read: ${e.message}.`)
    }
    const line = f => `${['Sound', 'NOT SOUND', 'Could not check'][exitCode(f)]}: ${f.sentence}`
    console.log(o.json ? JSON.stringify(f, null, 2) : [line(f), ...(f.parts || []).map(p => `  ${p.title} ${p.id}: ${line(p)}`)].join('\n'))
    process.exit(exitCode(f))
  }

  return { check, main, sha256, keccak256, REGISTRY }
})
