// Web sites that name DIDs: Sphereon's client of DIF Well Known DID Configuration. It
// judges what is said; who signed, it leaves to others.
import {WellKnownDidIssuer, WellKnownDidVerifier} from '@sphereon/wellknown-dids-client';
import {sign, verify} from './proofs.mjs';
import {jwtSign, jwtVerify} from './tokens.mjs';

// linkDomain makes the file of a site, with a credential as a token and one with a proof.
export async function linkDomain({origin, did, key, suite, from, until}) {
  const seconds = date => Math.floor(new Date(date) / 1000);
  const issueCallback = async ({credential, proofFormat}) => {
    if(proofFormat === 'jsonld') {
      return (await sign({doc: credential, suite, key, created: from})).doc;
    }
    const payload = {iss: did, sub: did, nbf: seconds(from), exp: seconds(until), vc: credential};
    return (await jwtSign({key, header: {alg: 'EdDSA', kid: key}, payload})).jwt;
  };
  const issuances = ['jsonld', 'jwt'].map(proofFormat => ({did, origin, issuanceDate: from, expirationDate: until, options: {proofFormat}}));
  return {doc: await new WellKnownDidIssuer({issueCallback}).issueDidConfigurationResource({issuances})};
}

// linkedDomains judges the file of a site for a DID, whose key is jwk.
export async function linkedDomains({doc, did, jwk, now}) {
  const results = [];
  const verifySignatureCallback = async ({credential}) => {
    const r = typeof credential === 'string' ?
      await jwtVerify({jwt: credential, jwk, alg: 'EdDSA', now}).then(() => ({verified: true})) :
      await verify({doc: credential, now: new Date(now)});
    results.push({verified: r.verified, errors: r.results?.flatMap(one => one.errors)});
    return r;
  };
  try {
    const {status} = await new WellKnownDidVerifier({verifySignatureCallback}).verifyResource({configuration: doc, did});
    return {verified: status === 'valid', results};
  } catch(e) {
    return {verified: false, results, errors: [e.message ?? String(e)]};
  }
}
