// Recognises private keys pasted into the field for a public key, before they are sent. The service
// looks for the same forms (core/src/public_key/input/private.rs), which explains them. Both are
// tested with core/src/public_key/input/pasted.json.

/** The form of a private key that is in the text, or null. */
export function privateKeyForm(text) {
  const plain = unescaped(text);
  // In an object, the names of members tell: a `kid` may have any words.
  const members = parsed(plain);
  if (members) return formOfMembers(members);
  const named = formOfWords(plain);
  if (named) return named;
  // Another PEM: dashes are letters of base64url as well.
  if (plain.includes("-----")) return null;
  if (/^[1-9][0-9]{66,77}$/.test(plain)) return "a number of 32 bytes";
  const decoded = base64(plain);
  const inner = decoded && textIn(decoded);
  if (inner && formOfWords(unescaped(inner))) return "base64 of a text";
  const bytes = list(plain) ?? hex(plain) ?? decoded;
  return bytes && formOfBytes(bytes);
}

/** The text without quotes and invisible characters around it, and with escapes undone. */
function unescaped(text) {
  const around = "[\\s\"'`,;\\u2018-\\u201f\\u00ab\\u00bb\\u200b-\\u200f\\u202a-\\u202e\\u2060-\\u2069\\ufeff]+";
  return text.replace(/\\+[nrt]/g, "\n").replace(/\\/g, "")
    .replace(new RegExp(`^${around}`), "").replace(new RegExp(`${around}$`), "");
}

/** The form, by the words that stand beside a private key. */
function formOfWords(text) {
  const lower = text.toLowerCase();
  if (/privatekey|privatelines|secretkey/.test(lower.replace(/[\s_-]/g, ""))) {
    if (lower.includes("-----")) return "PEM";
    if (lower.includes('"private_key"')) return "key file";
    if (lower.includes("private-key:")) return "the text that OpenSSL prints";
    return "a named value, as in YAML";
  }
  if (lower.includes('"d"') && hasValue(lower, "d")) return "JWK";
  if (hasValue(lower, "priv")) return "the text that OpenSSL prints";
  if (["d", "private", "privkey", "secret"].some((name) => hasValue(lower, name))) {
    return "a named value, as in YAML";
  }
  return null;
}

/** The JSON object in a text, or null. */
function parsed(text) {
  try {
    const value = JSON.parse(text);
    return value && !Array.isArray(value) && typeof value === "object" ? value : null;
  } catch {
    return null;
  }
}

/** The form of a private key in a JSON value, at any depth. */
function formOfMembers(value) {
  if (typeof value === "string") return value.includes("-----") ? formOfWords(value) : null;
  if (value === null || typeof value !== "object") return null;
  if (Object.hasOwn(value, "private_key")) return "key file";
  if (!Array.isArray(value) && ["d", "p", "q", "k"].some((name) => Object.hasOwn(value, name))) return "JWK";
  return Object.values(value).map(formOfMembers).find(Boolean) ?? null;
}

/** Whether a name is followed by a colon or an equals sign and by a value. */
function hasValue(text, name) {
  // Quoted names count without a value. The padding of base64 looks like `d=`, but no value follows.
  const quoted = new RegExp(`(^|[\\s{,"'-])${name}["']+\\s*[:=]`);
  const value = new RegExp(`(^|[\\s{,"'-])${name}\\s*[:=][\\s"'|>]*(?!-----)[a-z0-9+/_:-]{8}`);
  return quoted.test(text) || value.test(text);
}

/** The form of a private key in these bytes, or null. */
function formOfBytes(bytes) {
  if (isPrivateDer(bytes) || latin1(bytes.slice(0, 14)) === "openssh-key-v1") return "DER";
  const isNumber = bytes.length === 31 || bytes.length === 32 || (bytes.length === 33 && bytes[0] === 0);
  return isNumber ? "a number of 32 bytes" : null;
}

/**
 * Whether this is a private key of PKCS #8, SEC1 or PKCS #12, encrypted or not: a SEQUENCE that starts
 * with a version number or with an identifier of PKCS #5. A public key starts with another SEQUENCE.
 */
function isPrivateDer(bytes) {
  if (bytes[0] !== 0x30 || bytes[1] > 0x82) return false;
  const content = bytes.slice(bytes[1] <= 0x80 ? 2 : 2 + (bytes[1] & 0x7f));
  if (content[0] === 0x02 && content[1] === 0x01 && [0, 1, 3].includes(content[2])) return true;
  const encrypted = [0x30, content[1], 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x05];
  return encrypted.every((byte, at) => content[at] === byte);
}

/** Decodes hex: digits only, or bytes such as `04:5c`, `04 5c` or `0x04, 0x5c`. */
function hex(text) {
  let digits = text.toLowerCase().replace(/0x/g, "").replace(/[\s:,{}[\];]/g, "");
  if (digits.length < 61 || !/^[0-9a-f]+$/.test(digits)) return null;
  if (digits.length <= 64) digits = digits.padStart(64, "0");
  return digits.length % 2 ? null : Uint8Array.from(digits.match(/../g), (pair) => parseInt(pair, 16));
}

/** Decodes base64 or base64url, with or without padding, on any number of lines. */
function base64(text) {
  const letters = text.replace(/[ \t\n\f\r]+/g, "").replace(/=+$/, "").replace(/-/g, "+").replace(/_/g, "/");
  if (!/^[A-Za-z0-9+/]+$/.test(letters)) return null;
  try {
    return Uint8Array.from(atob(letters), (c) => c.charCodeAt(0));
  } catch {
    return null;
  }
}

/** Decodes a list of bytes in decimal, such as `[48, 119, 2]`. */
function list(text) {
  if (!text.includes(",")) return null;
  const numbers = text.split(/[\s,[\]{}()]+/).filter(Boolean);
  return numbers.every((number) => /^[0-9]{1,3}$/.test(number) && number < 256) ? Uint8Array.from(numbers) : null;
}

/** The text in these bytes, if they are printable text. */
function textIn(bytes) {
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    return text.length > 32 && !/(?!\s)\p{Cc}/u.test(text) ? text : null;
  } catch {
    return null;
  }
}

const latin1 = (bytes) => String.fromCharCode(...bytes);
