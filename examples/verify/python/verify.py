"""Verifies a True Markets access token, which it reads from standard input.

1. Load the public keys of the issuer (TM_JWKS, a URL or a file; by default the issuer's URL).
2. Pick the key that the token's `kid` names. The key determines the algorithm.
3. Verify the signature, then issuer, audience and expiry, then the type.

A service creates the PyJWKClient once and keeps it: it caches the keys, and fetches them again if a
token names an unknown key.
"""

import json
import os
import sys

import jwt

ALGORITHMS = ["RS256", "ES256", "EdDSA"]
LEEWAY_SECONDS = 10
REQUIRED = ["iss", "sub", "aud", "exp", "iat", "jti", "client_id"]


def main() -> int:
    issuer = os.environ["TM_ISSUER"]
    audience = os.environ["TM_AUDIENCE"]
    jwks = os.environ.get("TM_JWKS", issuer + "/.well-known/jwks.json")
    try:
        claims = verify(sys.stdin.read().strip(), jwks, issuer, audience)
    except jwt.PyJWTError as error:
        print(f"refused: {error}", file=sys.stderr)
        return 1
    print(json.dumps(claims))
    return 0


def verify(token: str, jwks: str, issuer: str, audience: str) -> dict:
    verified = jwt.decode_complete(
        token,
        signing_key(token, jwks),
        # PyJWT requires the token's `alg` to be one of these *and* the algorithm of its key.
        algorithms=ALGORITHMS,
        issuer=issuer,
        audience=audience,
        leeway=LEEWAY_SECONDS,
        options={"require": REQUIRED},
    )
    # RFC 9068 section 4: do not accept a refresh token or an ID token.
    if verified["header"].get("typ") != "at+jwt":
        raise jwt.InvalidTokenError("not an access token: typ is not at+jwt")
    return verified["payload"]


def signing_key(token: str, jwks: str) -> jwt.PyJWK:
    if jwks.startswith(("http://", "https://")):
        return jwt.PyJWKClient(jwks, timeout=5).get_signing_key_from_jwt(token)
    kid = jwt.get_unverified_header(token).get("kid")
    with open(jwks, encoding="utf-8") as file:
        keys = jwt.PyJWKSet.from_dict(json.load(file)).keys
    for key in keys:
        if key.key_id == kid:
            return key
    raise jwt.InvalidKeyError(f"the issuer has no key named {kid!r}")


if __name__ == "__main__":
    sys.exit(main())
