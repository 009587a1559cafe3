/**
 * Mints a pair of tokens with an API key, refreshes it once, and prints the new access token.
 *
 * 1. Read the key file from the API Keys page (first argument, or TM_KEY_FILE).
 * 2. Sign `{key_id}.{unix seconds}` with ES256: raw r‖s, not DER, in base64url.
 * 3. POST it to /api-key/token below TM_AUTH_URL.
 * 4. POST the refresh token to /token/refresh before the access token expires. Keep only the newest
 *    refresh token. If a refresh is refused, mint again.
 */
import { createPrivateKey, sign } from "node:crypto";
import type { JsonWebKey } from "node:crypto";
import { readFileSync } from "node:fs";

interface KeyFile {
  key_id: string;
  private_key: JsonWebKey;
}

interface Tokens {
  access_token: string;
  refresh_token: string;
  /** When the access token expires: an RFC 3339 date-time, not a number of seconds. */
  expires_in: string;
  token_type: "Bearer";
}

const authUrl = process.env.TM_AUTH_URL ?? "https://api.uat.truemarkets.co/v1/auth";
const keyPath = process.argv[2] ?? process.env.TM_KEY_FILE;

try {
  if (!keyPath) throw new Error("usage: mint-refresh KEY_FILE");
  const minted = await mint(JSON.parse(readFileSync(keyPath, "utf8")));
  console.error(`minted, expires ${new Date(minted.expires_in).toISOString()}`);
  const refreshed = await post("/token/refresh", { refresh_token: minted.refresh_token });
  console.error(`refreshed, expires ${new Date(refreshed.expires_in).toISOString()}`);
  console.log(refreshed.access_token);
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}

async function mint(file: KeyFile): Promise<Tokens> {
  const key = createPrivateKey({ key: file.private_key, format: "jwk" });
  const timestamp = Math.floor(Date.now() / 1000);
  const challenge = Buffer.from(`${file.key_id}.${timestamp}`);
  const signature = sign("sha256", challenge, { key, dsaEncoding: "ieee-p1363" }).toString("base64url");
  return post("/api-key/token", { key_id: file.key_id, timestamp, signature });
}

async function post(path: string, body: object): Promise<Tokens> {
  const response = await fetch(authUrl + path, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
    signal: AbortSignal.timeout(30_000),
  });
  const answer = await response.json();
  // Programs decide by `code`. `message` is for people, `request_id` for support.
  if (!response.ok) throw new Error(`${answer.code}: ${answer.message} (request ${answer.request_id})`);
  return answer;
}
