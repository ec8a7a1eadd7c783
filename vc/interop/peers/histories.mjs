// Histories of did:webvh, by the library of the specification's authors.
import {createPrivateKey, createPublicKey, sign, verify} from 'node:crypto';
import {createDID, deactivateDID, deriveNextKeyHash, multibaseEncode, MultibaseEncoding, prepareDataForSigning, resolveDIDFromLog, updateDID} from 'didwebvh-ts';

const pkcs8 = Buffer.from('302e020100300506032b657004220420', 'hex');
const spki = Buffer.from('302a300506032b6570032100', 'hex');

const verifier = {
  verify: async (signature, message, key) =>
    verify(null, message, createPublicKey({key: Buffer.concat([spki, key]), format: 'der', type: 'spki'}), signature)
};

// keyOf is the nth of a few keys that don't change.
function keyOf(n) {
  const key = createPrivateKey({key: Buffer.concat([pkcs8, Buffer.alloc(32, n)]), format: 'der', type: 'pkcs8'});
  const raw = createPublicKey(key).export({format: 'der', type: 'spki'}).subarray(12);
  const multikey = multibaseEncode(Buffer.concat([Buffer.from([0xed, 1]), raw]), MultibaseEncoding.BASE58_BTC);
  return {
    multikey,
    method: {type: 'Multikey', publicKeyMultibase: multikey, purpose: 'assertionMethod'},
    signer: {
      getVerificationMethodId: () => `did:key:${multikey}#${multikey}`,
      sign: async ({document, proof}) => {
        const data = await prepareDataForSigning(document, proof);
        return {proofValue: multibaseEncode(sign(null, data, key), MultibaseEncoding.BASE58_BTC)};
      }
    }
  };
}

// resolveLog resolves a DID from the text of its log.
export async function resolveLog({did, log, versionNumber}) {
  const entries = log.trim().split('\n').map(line => JSON.parse(line));
  const {doc, meta} = await resolveDIDFromLog(entries, {verifier, requestedDid: did, versionNumber});
  return {doc, meta};
}

// makeLog makes a DID with pre-rotation, rotates its key twice and gives it up.
export async function makeLog({domain}) {
  const [a, b, c] = [1, 2, 3].map(keyOf);
  const texts = [];
  const note = ({did, log}) => {
    texts.push(log.map(entry => JSON.stringify(entry)).join('\n'));
    return {did, log};
  };
  let {did, log} = note(await createDID({
    domain, signer: a.signer, updateKeys: [a.multikey], verificationMethods: [a.method], verifier,
    nextKeyHashes: [await deriveNextKeyHash(b.multikey)], created: '2026-01-01T00:00:00Z'
  }));
  ({log} = note(await updateDID({
    log, signer: b.signer, updateKeys: [b.multikey], verificationMethods: [b.method], verifier,
    nextKeyHashes: [await deriveNextKeyHash(c.multikey)], updated: '2026-01-02T00:00:00Z'
  })));
  ({log} = note(await updateDID({
    log, signer: c.signer, updateKeys: [c.multikey], verificationMethods: [c.method], verifier, nextKeyHashes: [], updated: '2026-01-03T00:00:00Z'
  })));
  note(await deactivateDID({log, signer: c.signer, verifier}));
  return {did, logs: texts};
}
