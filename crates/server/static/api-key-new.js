// Creates a key in this browser.
//
// 1. WebCrypto creates an EC P-256 key pair and signs the text that proves its possession.
// 2. The public key is registered as pending. The private key is in no request.
// 3. The user downloads the key file, a Blob of this page, and confirms that it is saved.
// 4. The key signs a second text, which activates it. Then the page drops the private key.
//
// The page uses no storage. If the user leaves before step 4, the key stays pending, and the
// service deletes it after a day.

import { privateKeyForm } from "./private-key.js";

const ALGORITHM = { name: "ECDSA", namedCurve: "P-256" };
const SIGNATURE = { name: "ECDSA", hash: "SHA-256" };

const byId = (id) => document.getElementById(id);
const form = byId("new-key");
const { issuer, uid, csrf, command } = form.dataset;

/** The service's time in seconds: this machine's clock may be wrong. */
const now = () => Number(form.dataset.now) + Math.floor(performance.now() / 1000);

const base64url = (buffer) =>
  btoa(String.fromCharCode(...new Uint8Array(buffer))).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");

const utf8 = (text) => new TextEncoder().encode(text);

/** The RFC 7638 thumbprint, as the service and `tm-auth key` compute it. */
async function fingerprintOf({ x, y }) {
  const text = `{"crv":"P-256","kty":"EC","x":"${x}","y":"${y}"}`;
  return base64url(await crypto.subtle.digest("SHA-256", utf8(text)));
}

const sign = async (key, text) => base64url(await crypto.subtle.sign(SIGNATURE, key, utf8(text)));

/** Calls the API. Throws an error with a message for the user. */
async function call(path, body) {
  let response;
  try {
    response = await fetch(`/v1/auth${path}`, {
      method: "POST",
      headers: { "content-type": "application/json", "x-csrf-token": csrf },
      body: JSON.stringify(body),
    });
  } catch {
    throw new Error("The service could not be reached. Try again.");
  }
  const answer = await response.json().catch(() => ({}));
  if (response.ok) return answer;
  if (answer.code === "reauth_required" || answer.code === "missing_session") {
    throw new Error(
      path === "/api-keys"
        ? "You are logged out, or your last login is more than five minutes old, so no key was created. Reload this page and log in again."
        : "You are logged out, so the key was not activated. Log in and create another key.",
    );
  }
  throw new Error(answer.message ?? `The service answered ${response.status}. Try again.`);
}

function problem(id, text) {
  const place = byId(id);
  place.textContent = text;
  place.hidden = !text;
}

/** Runs a step with its button busy, and shows its error. */
async function step(button, problemId, work) {
  problem(problemId, "");
  button.disabled = true;
  button.setAttribute("aria-busy", "true");
  try {
    await work();
  } catch (error) {
    problem(problemId, error.message);
    button.disabled = false;
  } finally {
    button.removeAttribute("aria-busy");
  }
}

/** The settings of the key, as the API takes them. */
function settings() {
  const value = (name) => form.elements[name].value.trim();
  const end = value("expires_at");
  return {
    label: value("label"),
    scopes: ["read", "trade", "transfer"].filter((scope) => form.elements[scope].checked),
    // The field has no time zone; its label says UTC.
    expires_at: end ? `${end.length === 16 ? `${end}:00` : end}Z` : null,
    allowed_ips: value("allowed_ips").split(/[\s,]+/).filter(Boolean),
  };
}

/** Steps 1 and 2. */
async function create() {
  const pair = await crypto.subtle.generateKey(ALGORITHM, true, ["sign"]);
  const { kty, crv, x, y, d } = await crypto.subtle.exportKey("jwk", pair.privateKey);
  const fingerprint = await fingerprintOf({ x, y });
  const timestamp = now();
  const text = `tm-auth key registration v1\n${issuer}\n${uid}\n${fingerprint}\n${timestamp}`;
  const proof = { timestamp, signature: await sign(pair.privateKey, text) };
  const registered = await call("/api-keys", { ...settings(), public_key: { kty, crv, x, y }, proof, pending: true });
  const file = {
    key_id: registered.key_id,
    label: registered.label,
    algorithm: "ES256",
    fingerprint,
    created_at: registered.created_at,
    private_key: { kty, crv, x, y, d },
  };
  // The page needs the key for only one more signature, so it imports it as not extractable.
  const signer = await crypto.subtle.importKey("jwk", file.private_key, ALGORITHM, false, ["sign"]);
  const blob = new Blob([`${JSON.stringify(file, null, 2)}\n`], { type: "application/json" });
  handOver(registered.key_id, fingerprint, URL.createObjectURL(blob), signer);
}

/** Steps 3 and 4. */
function handOver(keyId, fingerprint, url, signer) {
  const [download, saved, activate] = [byId("download"), byId("saved"), byId("activate")];
  form.hidden = true;
  byId("lead").hidden = true;
  byId("made-id").textContent = keyId;
  byId("made-fingerprint").textContent = fingerprint;
  download.href = url;
  download.download = `truemarkets-api-key-${keyId.slice(0, 8)}.json`;
  byId("made").hidden = false;
  byId("made").focus();
  byId("progress").textContent = "The key is created. Save its file.";

  // Leaving the page loses the file.
  const stay = (event) => event.preventDefault();
  addEventListener("beforeunload", stay);
  download.addEventListener("click", () => { saved.disabled = false; });
  saved.addEventListener("change", () => { activate.disabled = !saved.checked; });
  activate.addEventListener("click", () => step(activate, "made-problem", async () => {
    const timestamp = now();
    const text = `tm-auth key activation v1\n${issuer}\n${keyId}\n${timestamp}`;
    await call(`/api-keys/${keyId}/activate`, { timestamp, signature: await sign(signer, text) });
    signer = null;
    URL.revokeObjectURL(url);
    download.removeAttribute("href");
    removeEventListener("beforeunload", stay);
    byId("made").hidden = true;
    byId("first-token").textContent = `${command} token --base-url ${location.origin} --key-file ${download.download}`;
    byId("view-key").href = `/api-keys/${keyId}`;
    byId("active").hidden = false;
    byId("active").focus();
    byId("progress").textContent = "The key is active.";
  }));
}

const button = byId("create");
if (globalThis.crypto?.subtle) {
  button.hidden = false;
  button.addEventListener("click", () => {
    if (form.reportValidity()) step(button, "here-problem", create);
  });
} else {
  problem("here-problem", "This browser cannot create keys here. Create the key pair somewhere else.");
}

// Never sends a pasted private key.
const field = form.elements.public_key;
function stop() {
  const found = privateKeyForm(field.value);
  if (found) {
    field.value = "";
    byId("private-key-form").textContent = found;
  }
  byId("private-key-stopped").hidden = !found;
  return found !== null;
}
field.addEventListener("input", (event) => {
  // A half-typed public key can look like a private one, so typed text is checked when it is
  // complete.
  if (event.inputType !== "insertText" && event.inputType !== "insertLineBreak") stop();
});
field.addEventListener("change", stop);
form.addEventListener("submit", (event) => {
  if (stop()) event.preventDefault();
});
