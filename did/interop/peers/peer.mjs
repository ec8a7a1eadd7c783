// Asks independent programs about DIDs. Each line of standard input is a request, {"op":
// ...}; each line of standard output its answer. What a library throws is the answer
// {"error": ...}.
import {createInterface} from 'node:readline';
import {globalAgent} from 'node:https';
import {createPrivateKey, createPublicKey, sign, verify} from 'node:crypto';
import {Resolver} from 'did-resolver';
import * as keyResolver from 'key-did-resolver';
import * as DidKey from '@digitalbazaar/did-method-key';
import * as EcdsaMultikey from '@digitalbazaar/ecdsa-multikey';
import * as Ed25519Multikey from '@digitalbazaar/ed25519-multikey';
import {createJWT, decodeJWT, verifyJWT, ES256KSigner, hexToBytes} from 'did-jwt';
import * as webvh from 'didwebvh-ts';
import * as ethr from 'ethr-did-resolver';
import * as web from 'web-did-resolver';
import {SiweMessage} from 'siwe';
import {JsonRpcProvider, NonceManager, SigningKey, Wallet} from 'ethers';

// Standard output is for the answer alone; libraries that talk do so elsewhere.
console.log = console.info = console.error;

// driver is Digital Bazaar's did:key method with the types of keys that it knows.
function driver() {
  const d = DidKey.driver();
  d.use({multibaseMultikeyHeader: 'z6Mk', fromMultibase: Ed25519Multikey.from});
  for(const header of ['zDna', 'z82L']) {
    d.use({multibaseMultikeyHeader: header, fromMultibase: EcdsaMultikey.from});
  }
  return d;
}

const networks = ({name, chainId, rpc, registry}) => ({networks: [{name, chainId, rpcUrl: rpc, registry}]});
const resolver = chain => new Resolver({...keyResolver.getResolver(), ...(chain ? ethr.getResolver(networks(chain)) : {})});

// wallet pays with a private key, and knows which number its next transaction has.
function wallet(privateKey, {rpc, chainId}) {
  return new NonceManager(new Wallet(privateKey, new JsonRpcProvider(rpc, chainId, {cacheTimeout: -1})));
}

const controller = (id, signer, {registry, name}) =>
  new ethr.EthrDidController(id, undefined, signer, name, signer.provider, undefined, registry);

// ed25519 is what didwebvh-ts leaves to whoever uses it: to sign and to verify.
const ed25519 = {
  verify: async (signature, message, key) => verify(null, message,
    createPublicKey({key: {kty: 'OKP', crv: 'Ed25519', x: Buffer.from(key).toString('base64url')}, format: 'jwk'}), signature),
  // signer is that of a seed in hex, whose public key is multikey.
  signer: ({seed, multikey}) => ({
    getVerificationMethodId: () => `did:key:${multikey}#${multikey}`,
    async sign({document, proof}) {
      const data = await webvh.prepareDataForSigning(document, proof);
      const der = Buffer.concat([Buffer.from('302e020100300506032b657004220420', 'hex'), Buffer.from(seed, 'hex')]);
      const value = sign(null, data, createPrivateKey({key: der, format: 'der', type: 'pkcs8'}));
      return {proofValue: webvh.multibaseEncode(value, webvh.MultibaseEncoding.BASE58_BTC)};
    }
  })
};

const deeds = {
  // webvhResolve fetches the log of a did:webvh and resolves it with didwebvh-ts, in its
  // newest version or the one with a number, and makes the did:web beside it.
  async webvhResolve({url, version}) {
    const log = (await (await fetch(url)).text()).trim().split('\n').map(line => JSON.parse(line));
    const {did, doc, meta} = await webvh.resolveDIDFromLog(log, {verifier: ed25519, versionNumber: version});
    return {id: did, didDocument: doc, didDocumentMetadata: meta, web: webvh.generateParallelDidWeb(did, doc)};
  },
  // webvhMake makes a did:webvh with pre-rotation, and changes it once.
  async webvhMake({first, second, third}) {
    const hash = k => webvh.deriveNextKeyHash(k.multikey);
    const made = await webvh.createDID({domain: 'example.edu', paths: ['p', '7'], signer: ed25519.signer(first), verifier: ed25519,
      updateKeys: [first.multikey], nextKeyHashes: [await hash(second)], portable: true,
      verificationMethods: [{type: 'Multikey', publicKeyMultibase: first.multikey, purpose: 'assertionMethod'}], created: '2026-01-01T00:00:00Z'});
    const {did, log} = await webvh.updateDID({log: made.log, signer: ed25519.signer(second), verifier: ed25519,
      updateKeys: [second.multikey], nextKeyHashes: [await hash(third)],
      verificationMethods: [{type: 'Multikey', publicKeyMultibase: second.multikey, purpose: 'assertionMethod'}], updated: '2026-01-02T00:00:00Z'});
    return {id: did, log: log.map(entry => JSON.stringify(entry)).join('\n') + '\n'};
  },
  // resolve asks did-resolver with key-did-resolver and ethr-did-resolver.
  async resolve({did, chain}) {
    return resolver(chain).resolve(did);
  },
  // webResolve asks web-did-resolver, to which each host is this machine, with a
  // certificate of ca.
  async webResolve({did, ca}) {
    Object.assign(globalAgent.options, {ca, lookup: (host, o, done) => o.all ? done(null, [{address: '127.0.0.1', family: 4}]) : done(null, '127.0.0.1', 4)});
    return new Resolver(web.getResolver()).resolve(did);
  },
  // keyDocument asks Digital Bazaar's did:key.
  async keyDocument({did}) {
    return {didDocument: await driver().get({did})};
  },
  // keyMake makes a did:key.
  async keyMake({curve}) {
    const pair = curve ? await EcdsaMultikey.generate({curve}) : await Ed25519Multikey.generate();
    const {didDocument} = await driver().fromKeyPair({verificationKeyPair: pair});
    return {didDocument};
  },
  // ethrMake makes a history of an identity: key pays for and owns it, second owns it then.
  async ethrMake({chain, key, second, delegate, ed25519}) {
    const first = wallet(key, chain), id = await first.getAddress();
    const c = controller(id, first, chain);
    await c.addDelegate('veriKey', delegate, 86400);
    await c.setAttribute('did/pub/Ed25519/veriKey/base58', ed25519, 86400);
    await c.setAttribute('did/svc/LinkedDomains', 'https://a.edu', 86400);
    await c.revokeDelegate('veriKey', delegate);
    await c.addDelegate('sigAuth', delegate, 86400);
    // Signed by the owner, paid by somebody else: the meta transactions of ERC-1056.
    const owner = new SigningKey(key);
    const sign = hash => { const s = owner.sign(hash); return {sigV: s.v, sigR: s.r, sigS: s.s}; };
    const other = await new Wallet(second).getAddress();
    await c.changeOwnerSigned(other, sign(await c.createChangeOwnerHash(other)));
    return {id};
  },
  // address is what ethers makes of a private key.
  async address({key}) {
    return {address: new Wallet(key).address, publicKey: new SigningKey(key).compressedPublicKey};
  },
  // personalSign is what a wallet of ethers signs of a text.
  async personalSign({key, text}) {
    return {signature: await new Wallet(key).signMessage(text)};
  },
  // siwe reads a text of EIP-4361 and writes it again, or writes one of its fields, and
  // says whether a signature is good for it.
  async siwe({text, fields, signature, domain, nonce, time}) {
    const message = new SiweMessage(text ?? fields);
    const {success = false} = signature ? await message.verify({signature, domain, nonce, time}).catch(e => e) : {};
    return {text: message.toMessage(), fields: {...message}, verified: success};
  },
  // presentation is one without credentials that did-jwt signs for a did:ethr.
  async presentation({did, key, nonce, audience, recoverable}) {
    const alg = recoverable ? 'ES256K-R' : 'ES256K';
    const vp = {'@context': ['https://www.w3.org/2018/credentials/v1'], type: ['VerifiablePresentation'], holder: did};
    return {jwt: await createJWT({vp, nonce, aud: audience}, {issuer: did, signer: ES256KSigner(hexToBytes(key), recoverable), alg}, {alg, kid: did + '#controller'})};
  },
  // token is a JWT that did-jwt signs for a did:ethr.
  async token({did, key, recoverable}) {
    const alg = recoverable ? 'ES256K-R' : 'ES256K';
    return {jwt: await createJWT({sub: 'ada', aud: did}, {issuer: did, signer: ES256KSigner(hexToBytes(key), recoverable), alg}, {alg})};
  },
  // verify is what did-jwt says of a JWT.
  async verify({jwt, chain, audience}) {
    const {verified, signer} = await verifyJWT(jwt, {resolver: resolver(chain), audience});
    return {verified, signer: signer.id, alg: decodeJWT(jwt).header.alg};
  }
};

for await (const line of createInterface({input: process.stdin, crlfDelay: Infinity})) {
  const {op, ...request} = JSON.parse(line);
  let answer;
  try {
    answer = await deeds[op](request);
  } catch(e) {
    answer = {error: `${e.name}: ${e.message}`};
  }
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
process.exit(0); // providers keep asking their chains
