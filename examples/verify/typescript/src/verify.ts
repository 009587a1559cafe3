/**
 * Verifies a True Markets access token, which it reads from standard input.
 *
 * 1. Load the public keys of the issuer (TM_JWKS, a URL or a file; by default the issuer's URL).
 * 2. jose picks the key that the token's `kid` names. The key determines the algorithm.
 * 3. Verify the signature, then type, issuer, audience and expiry.
 *
 * A service creates the key set once and keeps it: it caches the keys, and fetches them again, at
 * most every 30 seconds, if a token names an unknown key.
 */
import { readFileSync } from "node:fs";
import { text } from "node:stream/consumers";
import { createLocalJWKSet, createRemoteJWKSet, errors, jwtVerify } from "jose";
import type { JWTPayload, JWTVerifyGetKey } from "jose";

const issuer = setting("TM_ISSUER");
const audience = setting("TM_AUDIENCE");
const jwks = process.env.TM_JWKS ?? `${issuer}/.well-known/jwks.json`;

try {
  const claims = await verify((await text(process.stdin)).trim(), keySet(jwks));
  console.log(JSON.stringify(claims));
} catch (error) {
  if (!(error instanceof errors.JOSEError)) throw error;
  console.error(`refused: ${error.message}`);
  process.exitCode = 1;
}

async function verify(token: string, keys: JWTVerifyGetKey): Promise<JWTPayload> {
  const { payload } = await jwtVerify(token, keys, {
    issuer,
    audience,
    // RFC 9068 section 4: do not accept a refresh token or an ID token.
    typ: "at+jwt",
    algorithms: ["RS256", "ES256", "EdDSA"],
    requiredClaims: ["sub", "exp", "iat", "jti", "client_id"],
    clockTolerance: 10,
  });
  return payload;
}

function keySet(source: string): JWTVerifyGetKey {
  return /^https?:/.test(source)
    ? createRemoteJWKSet(new URL(source))
    : createLocalJWKSet(JSON.parse(readFileSync(source, "utf8")));
}

function setting(name: string): string {
  const value = process.env[name];
  if (!value) throw new Error(`set ${name}`);
  return value;
}
