// Proofs inside the JSON: Data Integrity and Ed25519Signature2020, as @digitalbazaar/vc,
// and Digital Credentials' verifier-core make and check them.
import jsigs from 'jsonld-signatures';
import * as vc from '@digitalbazaar/vc';
import {DataIntegrityProof} from '@digitalbazaar/data-integrity';
import {Ed25519Signature2020} from '@digitalbazaar/ed25519-signature-2020';
import {cryptosuite as eddsaRdfc} from '@digitalbazaar/eddsa-rdfc-2022-cryptosuite';
import {cryptosuite as ecdsaRdfc} from '@digitalbazaar/ecdsa-rdfc-2019-cryptosuite';
import * as eddsaJcs from '@digitalbazaar/eddsa-jcs-2022-cryptosuite';
import * as ecdsaJcs from '@digitalbazaar/ecdsa-jcs-2019-cryptosuite';
import {checkStatus, createCredential, createList} from '@digitalbazaar/vc-bitstring-status-list';
import {verifyCredential as coreVerify} from '@digitalcredentials/verifier-core';
import {documentLoader} from './web.mjs';
import {keyOf} from './keys.mjs';

const signers = {
  'eddsa-rdfc-2022': () => eddsaRdfc,
  'ecdsa-rdfc-2019': () => ecdsaRdfc,
  'eddsa-jcs-2022': eddsaJcs.createSignCryptosuite,
  'ecdsa-jcs-2019': ecdsaJcs.createSignCryptosuite
};
const verifiers = [eddsaRdfc, ecdsaRdfc, eddsaJcs.createVerifyCryptosuite(), ecdsaJcs.createVerifyCryptosuite()];

const anySuite = () => [...verifiers.map(cryptosuite => new DataIntegrityProof({cryptosuite})), new Ed25519Signature2020()];

function signingSuite({suite, key, created: date}) {
  const {pair} = keyOf(key);
  if(suite === 'Ed25519Signature2020') {
    const s = new Ed25519Signature2020({signer: pair.signer(), date});
    s.verificationMethod = key;
    return s;
  }
  return new DataIntegrityProof({signer: pair.signer(), date, cryptosuite: signers[suite]()});
}

// An error of these libraries has what went wrong in its errors, their causes and so on.
function reasons(error) {
  if(!error) {
    return [];
  }
  const below = [...(error.errors ?? []), error.cause].filter(Boolean).flatMap(reasons);
  return [`${error.name}: ${error.message}`, ...below];
}

export async function sign({doc, ...how}) {
  return {doc: await vc.issue({credential: doc, suite: signingSuite(how), documentLoader})};
}

// verifyOne checks one credential and its status. Without a status list in reach, or
// with status: "ignore", only the proof is judged.
async function verifyOne(credential, {now, status}) {
  const suite = anySuite();
  const r = await vc.verifyCredential({
    credential, suite, documentLoader, now,
    checkStatus: status === 'ignore' ? async () => ({verified: true}) :
      options => checkStatus({...options, suite, verifyMatchingIssuers: true})
  });
  const bits = r.statusResult?.results?.map(s => s.status);
  return {verified: r.verified, proofs: r.results?.filter(p => p.verified && p.proof).length ?? 0, bits, errors: [...reasons(r.error), ...reasons(r.statusResult?.error)]};
}

// verify checks a credential and, with embedded, every credential in a learner record.
export async function verify({doc, embedded, ...how}) {
  const inside = embedded ? [doc.credentialSubject.verifiableCredential].flat() : [];
  const results = [];
  for(const credential of [doc, ...inside]) {
    results.push(await verifyOne(credential, how));
  }
  return {verified: results.every(r => r.verified), results};
}

export async function present({credentials, holder, id, challenge, domain, now, ...how}) {
  const presentation = vc.createPresentation({verifiableCredential: credentials, holder, id, now});
  return {doc: await vc.signPresentation({presentation, suite: signingSuite(how), challenge, domain, documentLoader})};
}

// verifyPresentation checks a presentation and the credentials in it or, with
// own: true, the presentation's own proof alone.
export async function verifyPresentation({doc, challenge, domain, now, own}) {
  const options = {suite: anySuite(), documentLoader};
  if(own) {
    const purpose = new jsigs.purposes.AuthenticationProofPurpose({challenge, domain});
    const r = await jsigs.verify(doc, {...options, purpose});
    return {verified: r.verified, errors: reasons(r.error)};
  }
  const r = await vc.verify({...options, presentation: doc, challenge, domain, now, checkStatus: async () => ({verified: true})});
  return {verified: r.verified, errors: [...reasons(r.error), ...(r.credentialResults ?? []).flatMap(c => reasons(c.error))]};
}

// statusList makes a list for revocation in which these entries are set, not signed.
export async function statusList({url, issuer, set}) {
  const list = await createList({length: 131072});
  set.forEach(i => list.setStatus(i, true));
  return {doc: {...await createCredential({id: url, list, statusPurpose: 'revocation'}), issuer}};
}

// verifierCore answers with its steps (valid or not) and its errors.
export async function verifierCore({doc}) {
  const r = await coreVerify({credential: doc, knownDIDRegistries: []});
  return {
    steps: Object.fromEntries((r.log ?? []).map(s => [s.id, s.valid ?? false])),
    errors: [...(r.errors ?? []), ...(r.log ?? []).map(s => s.error).filter(Boolean)].map(e => `${e.name}: ${e.message}`),
    schemas: r.additionalInformation
  };
}
