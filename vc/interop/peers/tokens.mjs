// JSON Web Tokens: jose.
import {SignJWT, importJWK, jwtVerify as verify} from 'jose';
import {keyOf} from './keys.mjs';

export async function jwtSign({key, header, payload}) {
  return {jwt: await new SignJWT(payload).setProtectedHeader(header).sign(keyOf(key).privateKey)};
}

// A verifier reads a key once, and then many tokens.
const read = new Map();

async function keyFrom(jwk, alg) {
  const name = `${alg} ${JSON.stringify(jwk)}`;
  if(!read.has(name)) {
    read.set(name, await importJWK(jwk, alg));
  }
  return read.get(name);
}

export async function jwtVerify({jwt, jwk, alg, now}) {
  const {payload, protectedHeader} = await verify(jwt, await keyFrom(jwk, alg), {algorithms: [alg], ...(now && {currentDate: new Date(now)})});
  return {payload, header: protectedHeader};
}
