// What a peer can see of the world: the pages that were served to it, and did:key,
// which needs no page. There is no network behind it.
const pages = new Map();

export function serve(url, document) {
  pages.set(url, document);
}

const MULTIKEY = 'https://w3id.org/security/multikey/v1';

// The document of a did:key has one key, for every purpose (did:key 0.9, section 3.1).
function keyDocument(did) {
  const multibase = did.slice('did:key:'.length);
  const id = `${did}#${multibase}`;
  return {
    '@context': ['https://www.w3.org/ns/did/v1', MULTIKEY], id: did,
    verificationMethod: [{id, type: 'Multikey', controller: did, publicKeyMultibase: multibase}],
    authentication: [id], assertionMethod: [id]
  };
}

// Where the document of a did:web lies (did:web, "Read").
function webAddress(did) {
  const [host, ...path] = did.slice('did:web:'.length).split(':').map(decodeURIComponent);
  return `https://${host}/${path.length ? path.join('/') : '.well-known'}/did.json`;
}

function page(url) {
  if(url.startsWith('did:key:')) {
    return keyDocument(url);
  }
  const at = url.startsWith('did:web:') ? webAddress(url) : url;
  if(!pages.has(at)) {
    throw new Error(`nobody served ${at}`);
  }
  return pages.get(at);
}

// The document loader of jsonld and of all that is built on it. A key is taken out of
// the document of its DID.
export async function documentLoader(url) {
  const [base, fragment] = url.split('#');
  let document = page(base);
  if(fragment !== undefined && base.startsWith('did:')) {
    const method = document.verificationMethod?.find(m => m.id === url);
    if(!method) {
      throw new Error(`${base} has no key ${url}`);
    }
    document = {'@context': MULTIKEY, ...method};
  }
  return {contextUrl: null, documentUrl: url, document};
}

// Peers that bring a loader of their own (verifier-core) end up here.
globalThis.fetch = async request => {
  const url = typeof request === 'string' ? request : String(request.url ?? request);
  return pages.has(url) ?
    new Response(JSON.stringify(pages.get(url)), {headers: {'content-type': 'application/json'}}) :
    new Response('{}', {status: 404, statusText: `nobody served ${url}`});
};
