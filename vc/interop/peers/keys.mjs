// The private keys of this process. They are made here and never leave.
import {generateKeyPairSync} from 'node:crypto';
import * as EcdsaMultikey from '@digitalbazaar/ecdsa-multikey';
import * as Ed25519Multikey from '@digitalbazaar/ed25519-multikey';

const keys = new Map();

const kinds = {
  Ed25519: {pair: () => generateKeyPairSync('ed25519'), multikey: Ed25519Multikey},
  'P-256': {pair: () => generateKeyPairSync('ec', {namedCurve: 'P-256'}), multikey: EcdsaMultikey},
  'P-384': {pair: () => generateKeyPairSync('ec', {namedCurve: 'P-384'}), multikey: EcdsaMultikey},
  RSA: {pair: () => generateKeyPairSync('rsa', {modulusLength: 2048})}
};

// newKey makes a key of a kind, as that of controller or, without one, of its own did:key
// (RSA: did:jwk). It answers what others may know of it.
export async function newKey({kind, controller}) {
  const {pair, multikey} = kinds[kind];
  const {publicKey, privateKey} = pair();
  const jwk = publicKey.export({format: 'jwk'}), secret = privateKey.export({format: 'jwk'});
  const key = {jwk, privateKey, publicKey};
  let multibase;
  if(multikey) {
    key.pair = await multikey.fromJwk({jwk: secret, secretKey: true});
    multibase = key.pair.publicKeyMultibase;
  }
  const did = controller ?? (multibase ? `did:key:${multibase}` : `did:jwk:${Buffer.from(JSON.stringify(jwk)).toString('base64url')}`);
  const method = `${did}#${multibase ?? 0}`;
  if(key.pair) {
    key.pair.id = method;
    key.pair.controller = did;
  }
  keys.set(method, key);
  return {did, method, multibase, jwk};
}

export function keyOf(method) {
  const key = keys.get(method);
  if(!key) {
    throw new Error(`${method} is no key of this process`);
  }
  return key;
}
