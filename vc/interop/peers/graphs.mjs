// From JSON-LD to statements, and their canonical form: jsonld and rdf-canonize.
import jsonld from 'jsonld';
import * as rdfCanonize from 'rdf-canonize';
import {documentLoader} from './web.mjs';

// A text keeps its direction, as the cryptosuites of these programs have it.
const options = {documentLoader, safe: true, rdfDirection: 'i18n-datatype', base: null};
const nquads = 'application/n-quads';

// Of a dataset alone the work is bounded more generously than usual, so that it does
// what other programs do.
export async function canonize({doc, nquads: text, hash = 'SHA-256'}) {
  const how = {algorithm: 'RDFC-1.0', messageDigestAlgorithm: hash, format: nquads};
  return {nquads: text === undefined ?
    await jsonld.canonize(doc, {...options, ...how}) :
    await rdfCanonize.canonize(text, {...how, inputFormat: nquads, maxWorkFactor: 3})};
}

export async function expand({doc}) {
  return {doc: await jsonld.expand(doc, options)};
}

export async function toRdf({doc}) {
  return {nquads: await jsonld.toRDF(doc, {...options, format: nquads})};
}
