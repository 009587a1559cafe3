// Verify checks a True Markets access token, which it reads from standard input.
//
//  1. Load the public keys of the issuer (TM_JWKS, a URL or a file; by default the issuer's URL).
//  2. Pick the key that the token's kid names. The key determines the algorithm.
//  3. Verify the signature, then issuer, audience and expiry, then the type.
//
// A service creates the keyfunc once and keeps it: it refreshes the keys in the background, and
// fetches them again if a token names an unknown key.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/MicahParks/keyfunc/v3"
	"github.com/golang-jwt/jwt/v5"
)

func main() {
	claims, err := run()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	_ = json.NewEncoder(os.Stdout).Encode(claims)
}

func run() (jwt.MapClaims, error) {
	issuer, audience := os.Getenv("TM_ISSUER"), os.Getenv("TM_AUDIENCE")
	if issuer == "" || audience == "" {
		return nil, errors.New("set TM_ISSUER and TM_AUDIENCE")
	}
	jwks := os.Getenv("TM_JWKS")
	if jwks == "" {
		jwks = issuer + "/.well-known/jwks.json"
	}
	keys, err := keySet(jwks)
	if err != nil {
		return nil, fmt.Errorf("cannot load the keys of %s: %w", jwks, err)
	}
	input, err := io.ReadAll(os.Stdin)
	if err != nil {
		return nil, err
	}
	claims, err := verify(strings.TrimSpace(string(input)), keys, issuer, audience)
	if err != nil {
		return nil, fmt.Errorf("refused: %w", err)
	}
	return claims, nil
}

func verify(text string, keys keyfunc.Keyfunc, issuer, audience string) (jwt.MapClaims, error) {
	parser := jwt.NewParser(
		jwt.WithValidMethods([]string{"RS256", "ES256", "EdDSA"}),
		jwt.WithStrictDecoding(),
		jwt.WithIssuer(issuer),
		jwt.WithAudience(audience),
		jwt.WithExpirationRequired(),
		jwt.WithIssuedAt(),
		jwt.WithLeeway(10*time.Second),
	)
	claims := jwt.MapClaims{}
	token, err := parser.ParseWithClaims(text, claims, keys.Keyfunc)
	if err != nil {
		return nil, err
	}
	// RFC 9068 section 4: do not accept a refresh token or an ID token.
	if token.Header["typ"] != "at+jwt" {
		return nil, errors.New("not an access token: typ is not at+jwt")
	}
	for _, name := range []string{"sub", "iat", "jti", "client_id"} {
		if _, present := claims[name]; !present {
			return nil, fmt.Errorf("the claim %s is missing", name)
		}
	}
	return claims, nil
}

func keySet(source string) (keyfunc.Keyfunc, error) {
	if strings.HasPrefix(source, "http://") || strings.HasPrefix(source, "https://") {
		return keyfunc.NewDefaultCtx(context.Background(), []string{source})
	}
	text, err := os.ReadFile(source)
	if err != nil {
		return nil, err
	}
	return keyfunc.NewJWKSetJSON(text)
}
