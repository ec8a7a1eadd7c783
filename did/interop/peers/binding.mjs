// Says whether a log is that of a DID, in both directions, with ethers: it shares no code with
// clrnode, and was written from the words of its README.
//
//   node binding.mjs RPC-URL REGISTRY LOG DID-DOCUMENT.json
//
// It ends with 1 and a sentence where it isn't.
import { readFileSync } from 'node:fs'
import { JsonRpcProvider, getAddress, verifyTypedData } from 'ethers'

const types = { AnchorLog: [{ name: 'log', type: 'address' }, { name: 'did', type: 'string' }] }

async function binding([url, registry, log, file]) {
  const doc = JSON.parse(readFileSync(file, 'utf8'))
  const { chainId } = await new JsonRpcProvider(url, undefined, { staticNetwork: true, batchMaxCount: 1 }).getNetwork()
  const name = `eip155:${chainId}:${getAddress(log)}`
  const service = doc.service.find(s => s.type === 'CLRAnchorLog' && s.serviceEndpoint.log?.toLowerCase() === name.toLowerCase() &&
    s.serviceEndpoint.registry.toLowerCase() === registry.toLowerCase())
  if (!service) throw new Error(`the document names no log ${name}`)
  const { did, signature } = service.serviceEndpoint.statement
  const domain = { name: 'clrnode anchor log', chainId, verifyingContract: registry }
  const signer = verifyTypedData(domain, types, { log, did }, signature)
  if (signer !== getAddress(log) || did !== doc.id) throw new Error(`${signer} said that the log is that of ${did}`)
  return { service: service.id.slice(doc.id.length), log: name, did }
}

binding(process.argv.slice(2)).then(
  found => { console.log(JSON.stringify(found)); process.exit(0) },
  error => { console.error(error.message); process.exit(1) },
)
