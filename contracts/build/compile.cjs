// Compiles the contracts above and writes their interfaces and their creation code into the
// folder named by the first argument (default: the one above). Without metadata in the code,
// so that a changed comment doesn't change the contract's address.
const fs = require('fs'), path = require('path'), solc = require('solc')
const here = path.join(__dirname, '..'), out = process.argv[2] || here
const names = ['AnchorRegistry', 'EthereumDIDRegistry', 'testdata/ContractWallet']
const input = {
  language: 'Solidity',
  sources: Object.fromEntries(names.map(n => [n + '.sol', { content: fs.readFileSync(path.join(here, n + '.sol'), 'utf8') }])),
  settings: {
    evmVersion: 'paris', // no PUSH0: runs on every chain
    optimizer: { enabled: true, runs: 10000 },
    metadata: { bytecodeHash: 'none', appendCBOR: false },
    outputSelection: { '*': { '*': ['abi', 'evm.bytecode.object'] } },
  },
}
const result = JSON.parse(solc.compile(JSON.stringify(input)))
for (const e of result.errors || []) console.error(e.formattedMessage)
if ((result.errors || []).length > 0) process.exit(1)
for (const name of names) {
  const c = result.contracts[name + '.sol'][path.basename(name)]
  fs.mkdirSync(path.dirname(path.join(out, name)), { recursive: true })
  fs.writeFileSync(path.join(out, name + '.abi.json'), JSON.stringify(c.abi, null, 1) + '\n')
  fs.writeFileSync(path.join(out, name + '.bin'), c.evm.bytecode.object + '\n')
}
