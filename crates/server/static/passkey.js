// Passkeys: runs WebAuthn ceremonies between the service and the browser.
//
// A form names its ceremony:
//   <form data-passkey="sign-in | sign-up | step-up | add" data-next="/…" data-csrf="…">
// Its fields are sent with the request for options, if the ceremony creates a passkey. Its
// [data-passkey-error] shows errors. Its buttons are disabled while a ceremony runs.
// On a page with a login form, the browser also offers passkeys in its autofill, in the field with
// autocomplete="username webauthn" (conditional mediation).

const RENEW_MS = 4.5 * 60 * 1000; // options are valid for five minutes

class Refused extends Error {
    constructor({ code, message }) {
        super(message);
        this.code = code;
    }
}

// --- base64url ---

function toBytes(text) {
    const plain = atob(text.replaceAll("-", "+").replaceAll("_", "/"));
    return Uint8Array.from(plain, (letter) => letter.charCodeAt(0));
}

function toText(buffer) {
    const plain = Array.from(new Uint8Array(buffer), (byte) => String.fromCharCode(byte)).join("");
    return btoa(plain).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

// --- the service ---

async function post(path, body, csrf) {
    const headers = { accept: "application/json", "content-type": "application/json" };
    if (csrf) headers["x-csrf-token"] = csrf;
    const answer = await fetch(path, { method: "POST", headers, body: JSON.stringify(body) });
    const content = await answer.json().catch(() => ({}));
    if (!answer.ok) throw new Refused(content);
    return content;
}

function decode({ publicKey }) {
    publicKey.challenge = toBytes(publicKey.challenge);
    if (publicKey.user) publicKey.user.id = toBytes(publicKey.user.id);
    for (const list of ["allowCredentials", "excludeCredentials"]) {
        for (const credential of publicKey[list] ?? []) credential.id = toBytes(credential.id);
    }
    return publicKey;
}

function encode({ rawId, type, response }) {
    const members = response.attestationObject
        ? ["clientDataJSON", "attestationObject"]
        : ["clientDataJSON", "authenticatorData", "signature", "userHandle"];
    const sent = {};
    for (const member of members) {
        if (response[member]) sent[member] = toText(response[member]);
    }
    if (response.attestationObject) sent.transports = response.getTransports?.() ?? [];
    return { id: toText(rawId), rawId: toText(rawId), type, response: sent };
}

// --- a form ---

const isRegistration = (purpose) => purpose === "sign-up" || purpose === "add";

async function run(form, options = {}) {
    const { passkey: purpose, csrf } = form.dataset;
    const path = `/passkeys/${purpose}`;
    const fields = isRegistration(purpose) ? Object.fromEntries(new FormData(form)) : {};
    const publicKey = decode(await post(`${path}/options`, fields, csrf));
    const request = { publicKey, ...options };
    const credential = isRegistration(purpose)
        ? await navigator.credentials.create(request)
        : await navigator.credentials.get(request);
    return post(path, encode(credential), csrf);
}

function next(form) {
    const url = new URL(form.dataset.next || "/", location.origin);
    return url.origin === location.origin ? url.href : "/";
}

function done(form, { recovery_cancelled, passkey_suspect }) {
    const notices = [];
    if (recovery_cancelled) {
        notices.push("A recovery of this account was in progress. Your passkey cancelled it. If you did not start the recovery, someone else can read your e-mail: change the password of your mailbox.");
    }
    if (passkey_suspect) {
        notices.push("Another device may have a copy of this passkey: the passkey’s count of its uses did not increase. If you do not know why, remove this passkey and add a new one.");
    }
    if (notices.length === 0) {
        location.assign(next(form));
        return;
    }
    const text = document.createElement("p");
    text.className = "notice warn";
    text.setAttribute("role", "status");
    text.tabIndex = -1;
    text.textContent = notices.join(" ");
    const onward = document.createElement("a");
    onward.className = "button wide";
    onward.href = next(form);
    onward.textContent = "Continue";
    form.replaceChildren(text, onward);
    text.focus();
}

function message(error, purpose) {
    if (error instanceof Refused) {
        return error.code === "reauth_required"
            ? "This needs a fresh login. Confirm that it is you, then try again."
            : error.message || "The service could not handle the request. Try again in a moment.";
    }
    switch (error.name) {
        case "NotAllowedError":
            return isRegistration(purpose)
                ? "No passkey was created: it was cancelled, or it took too long. Try again."
                : "No passkey was used: it was cancelled, it took too long, or there is none on this device.";
        case "InvalidStateError":
            return "This device already has a passkey for this account.";
        case "NotSupportedError":
        case "ConstraintError":
            return "This device cannot create a passkey that verifies you. Set up a screen lock, or use another device.";
        case "SecurityError":
            return "Passkeys do not work at this address. Open the page at its own domain.";
        case "TypeError":
            return "The service cannot be reached. Check your connection and try again.";
        default:
            return "The browser could not use a passkey. Try again, or use another login method.";
    }
}

function showError(form, text) {
    const place = form.querySelector("[data-passkey-error]");
    if (!place) return;
    place.textContent = text;
    place.hidden = text === "";
}

function setBusy(form, busy) {
    for (const button of form.querySelectorAll("button")) button.disabled = busy;
    form.setAttribute("aria-busy", String(busy));
}

// --- autofill ---

let offer = null; // aborts the request that is open there

async function offerInField(form) {
    while (form.isConnected) {
        const controller = new AbortController();
        offer = controller;
        const renew = setTimeout(() => controller.abort("renew"), RENEW_MS);
        try {
            done(form, await run(form, { mediation: "conditional", signal: controller.signal }));
            return;
        } catch (error) {
            if (controller.signal.reason === "renew") continue;
            // The user pressed the button instead.
            if (controller.signal.aborted) return;
            // The user pressed nothing, so only the service's answer to a chosen passkey is shown.
            if (!(error instanceof Refused) || error.code === "rate_limited") return;
            showError(form, message(error, "sign-in"));
        } finally {
            clearTimeout(renew);
        }
    }
}

async function mayOffer() {
    const field = document.querySelector('input[autocomplete~="webauthn"]');
    return field !== null && (await PublicKeyCredential.isConditionalMediationAvailable?.()) === true;
}

// --- all forms of the page ---

const forms = [...document.querySelectorAll("form[data-passkey]")];
const signIn = forms.find((form) => form.dataset.passkey === "sign-in");

async function offerAgain() {
    if (signIn && (await mayOffer())) await offerInField(signIn);
}

for (const form of forms) {
    if (!window.PublicKeyCredential) {
        setBusy(form, true);
        form.removeAttribute("aria-busy");
        showError(form, "This browser does not support passkeys, or the page was not opened over https.");
        continue;
    }
    form.addEventListener("submit", async (event) => {
        event.preventDefault();
        offer?.abort("pressed");
        showError(form, "");
        setBusy(form, true);
        try {
            done(form, await run(form));
        } catch (error) {
            showError(form, message(error, form.dataset.passkey));
            setBusy(form, false);
            offerAgain();
        }
    });
}

if (window.PublicKeyCredential) offerAgain();
