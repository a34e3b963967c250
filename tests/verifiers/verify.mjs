// Verifies an access token by the published keys, as a service of somebody else would with jose.
// Arguments: the address of the keys, the token.
import { createRemoteJWKSet, jwtVerify } from 'jose';

const [address, token] = process.argv.slice(2);
const { payload } = await jwtVerify(token, createRemoteJWKSet(new URL(address)), {
  algorithms: ['EdDSA'],
  audience: 'classifieds',
  issuer: 'classifieds-users',
  requiredClaims: ['exp', 'iat', 'jti', 'sid', 'sub'],
  typ: 'at+jwt',
});
console.log(payload.sub);
