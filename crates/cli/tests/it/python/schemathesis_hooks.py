"""Mends one mistake of Schemathesis: it counts `application/jwt` among the kinds of JSON.

A JWT is text (RFC 7519 section 10.3.1), which the document says too. Its reader of JSON is found before any other
that is registered for JWTs, so it is the one to be replaced; all else is read as before.
"""

import schemathesis


@schemathesis.deserializer("application/json")
def json_but_not_jwt(_context, response):
    if response.headers["content-type"] == ["application/jwt"]:
        return response.content.decode("ascii")
    return response.json()
