"""Works around a fault of Schemathesis: it parses `application/jwt` as JSON.

A JWT is text (RFC 7519 section 10.3.1), as the OpenAPI document says. Schemathesis prefers its JSON deserializer to one
registered for `application/jwt`, so this hook replaces the JSON deserializer.
"""

import schemathesis


@schemathesis.deserializer("application/json")
def json_except_jwt(_context, response):
    if response.headers["content-type"] == ["application/jwt"]:
        return response.content.decode("ascii")
    return response.json()
