// JSON Web Tokens: jose.
import {SignJWT, importJWK, jwtVerify as verify} from 'jose';
import {keyOf} from './keys.mjs';

export async function jwtSign({key, header, payload}) {
  return {jwt: await new SignJWT(payload).setProtectedHeader(header).sign(keyOf(key).privateKey)};
}

export async function jwtVerify({jwt, jwk, alg, now}) {
  const {payload, protectedHeader} = await verify(jwt, await importJWK(jwk, alg), {algorithms: [alg], ...(now && {currentDate: new Date(now)})});
  return {payload, header: protectedHeader};
}
