// Mint-refresh mints a pair of tokens with an API key, refreshes it once, and prints the new access
// token.
//
//  1. Read the key file from the API Keys page (first argument, or TM_KEY_FILE).
//  2. Sign "{key_id}.{unix seconds}" with ES256: raw r‖s, not DER, in base64url.
//  3. POST it to /api-key/token below TM_AUTH_URL.
//  4. POST the refresh token to /token/refresh before the access token expires. Keep only the
//     newest refresh token. If a refresh is refused, mint again.
package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"time"
)

type keyFile struct {
	KeyID      string             `json:"key_id"`
	PrivateKey struct{ D string } `json:"private_key"`
}

type tokens struct {
	AccessToken  string `json:"access_token"`
	RefreshToken string `json:"refresh_token"`
	// When the access token expires: a date-time, not a number of seconds.
	ExpiresIn time.Time `json:"expires_in"`
	TokenType string    `json:"token_type"`
}

var (
	authURL = "https://api.uat.truemarkets.co/v1/auth"
	client  = http.Client{Timeout: 30 * time.Second}
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run() error {
	if set := os.Getenv("TM_AUTH_URL"); set != "" {
		authURL = set
	}
	path := os.Getenv("TM_KEY_FILE")
	if len(os.Args) > 1 {
		path = os.Args[1]
	}
	if path == "" {
		return errors.New("usage: mint-refresh KEY_FILE")
	}
	minted, err := mint(path)
	if err != nil {
		return err
	}
	fmt.Fprintln(os.Stderr, "minted, expires", minted.ExpiresIn.Format(time.RFC3339))
	refreshed, err := post("/token/refresh", map[string]any{"refresh_token": minted.RefreshToken})
	if err != nil {
		return err
	}
	fmt.Fprintln(os.Stderr, "refreshed, expires", refreshed.ExpiresIn.Format(time.RFC3339))
	fmt.Println(refreshed.AccessToken)
	return nil
}

func mint(path string) (tokens, error) {
	keyID, key, err := loadKeyFile(path)
	if err != nil {
		return tokens{}, fmt.Errorf("%s: %w", path, err)
	}
	timestamp := time.Now().Unix()
	digest := sha256.Sum256([]byte(fmt.Sprintf("%s.%d", keyID, timestamp)))
	r, s, err := ecdsa.Sign(rand.Reader, key, digest[:])
	if err != nil {
		return tokens{}, err
	}
	var signature [64]byte
	r.FillBytes(signature[:32])
	s.FillBytes(signature[32:])
	return post("/api-key/token", map[string]any{
		"key_id":    keyID,
		"timestamp": timestamp,
		"signature": base64.RawURLEncoding.EncodeToString(signature[:]),
	})
}

func loadKeyFile(path string) (string, *ecdsa.PrivateKey, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return "", nil, err
	}
	var file keyFile
	if err := json.Unmarshal(text, &file); err != nil {
		return "", nil, err
	}
	number, err := base64.RawURLEncoding.DecodeString(file.PrivateKey.D)
	if err != nil {
		return "", nil, err
	}
	key, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), number)
	return file.KeyID, key, err
}

func post(path string, body any) (tokens, error) {
	text, err := json.Marshal(body)
	if err != nil {
		return tokens{}, err
	}
	response, err := client.Post(authURL+path, "application/json", bytes.NewReader(text))
	if err != nil {
		return tokens{}, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		// Programs decide by code. message is for people, request_id for support.
		var failure struct {
			Code, Message string
			RequestID     string `json:"request_id"`
		}
		_ = json.NewDecoder(response.Body).Decode(&failure)
		return tokens{}, fmt.Errorf("%s: %s (status %d, request %s)",
			failure.Code, failure.Message, response.StatusCode, failure.RequestID)
	}
	var answer tokens
	err = json.NewDecoder(response.Body).Decode(&answer)
	return answer, err
}
