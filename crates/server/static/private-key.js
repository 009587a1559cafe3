// Recognises private keys pasted into the field for a public key, before they are sent.

/** Whether a text has a private key, in any form that tools print. */
export function isPrivateKey(text) {
  // PEM of any kind, in upper or lower case.
  if (/PRIVATE\s+KEY/i.test(text)) return true;
  // A JWK or a key file of tm-auth. Searched as text, because a partly pasted one does not parse.
  if (/"(d|private_key)"\s*:/.test(text)) return true;
  // Any other PEM: dashes are letters of base64url as well.
  if (text.includes("-----")) return false;
  const bytes = binary(text.replace(/\s+/g, ""));
  return bytes !== null && (isPrivateDer(bytes) || bytes.length === 32);
}

/** Decodes hex or base64; null if the text is neither. */
function binary(text) {
  if (text.length === 0) return null;
  if (/^(0x)?([0-9a-f]{2})+$/i.test(text)) {
    return Uint8Array.from(text.replace(/^0x/i, "").match(/../g), (pair) => parseInt(pair, 16));
  }
  if (!/^[A-Za-z0-9+/_-]+=*$/.test(text)) return null;
  try {
    return Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/").replace(/=+$/, "")), (c) => c.charCodeAt(0));
  } catch {
    return null;
  }
}

/**
 * Whether the bytes are a SEQUENCE that starts with the INTEGER 0 (PKCS #8, RFC 5958) or 1 (ECPrivateKey,
 * RFC 5915). A public key starts with another SEQUENCE. Encrypted private keys are not recognised.
 */
function isPrivateDer(bytes) {
  if (bytes.length < 8 || bytes[0] !== 0x30) return false;
  const content = bytes[1] < 0x80 ? 2 : 2 + (bytes[1] & 0x7f);
  return bytes[content] === 0x02 && bytes[content + 1] === 0x01 && bytes[content + 2] <= 1;
}
