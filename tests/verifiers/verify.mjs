// Verifies an access token by the published keys with jose, as any other service would, and prints the user id.
// Arguments: the URL of the keys, the token.
import { createRemoteJWKSet, jwtVerify } from 'jose';

const [keysUrl, token] = process.argv.slice(2);
const { payload } = await jwtVerify(token, createRemoteJWKSet(new URL(keysUrl)), {
  algorithms: ['EdDSA'],
  audience: 'classifieds',
  issuer: 'classifieds-users',
  requiredClaims: ['exp', 'iat', 'jti', 'sid', 'sub'],
  typ: 'at+jwt',
});
console.log(payload.sub);
