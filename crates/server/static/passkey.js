// Passkeys: asks the browser for one and brings what it says to the service.
//
// A form says what it is for:  <form data-passkey="sign-in | sign-up | step-up | add" data-next="/…" data-csrf="…">
// Its fields travel with the question, its [data-passkey-error] shows in words what went wrong, its buttons rest
// while something is under way. On a page with a sign-in, passkeys are also offered where the browser fills in
// names: in the field with autocomplete="username webauthn".

const LIFE_MS = 4.5 * 60 * 1000; // a question is good for five minutes

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

const isMade = (purpose) => purpose === "sign-up" || purpose === "add";

async function run(form, options = {}) {
    const { passkey: purpose, csrf } = form.dataset;
    const path = `/passkeys/${purpose}`;
    const fields = isMade(purpose) ? Object.fromEntries(new FormData(form)) : {};
    const publicKey = decode(await post(`${path}/options`, fields, csrf));
    const asked = { publicKey, ...options };
    const credential = isMade(purpose)
        ? await navigator.credentials.create(asked)
        : await navigator.credentials.get(asked);
    return post(path, encode(credential), csrf);
}

function next(form) {
    const url = new URL(form.dataset.next || "/", location.origin);
    return url.origin === location.origin ? url.href : "/";
}

function done(form, { recovery_cancelled, passkey_suspect }) {
    const news = [];
    if (recovery_cancelled) {
        news.push("A recovery of this account was under way. You have your passkey, so it was cancelled. If you did not start it, somebody reads your mail: change its password.");
    }
    if (passkey_suspect) {
        news.push("This passkey counted backwards: somebody may have a copy of it. If you do not know why, remove it and make a new one.");
    }
    if (news.length === 0) {
        location.assign(next(form));
        return;
    }
    const text = document.createElement("p");
    text.className = "notice warn";
    text.setAttribute("role", "status");
    text.tabIndex = -1;
    text.textContent = news.join(" ");
    const onward = document.createElement("a");
    onward.className = "button wide";
    onward.href = next(form);
    onward.textContent = "Go on";
    form.replaceChildren(text, onward);
    text.focus();
}

function words(error, purpose) {
    if (error instanceof Refused) {
        return error.code === "reauth_required"
            ? "This takes a sign-in of the last five minutes. Confirm that it is you, then try again."
            : error.message || "The service could not do this just now. Try again in a moment.";
    }
    switch (error.name) {
        case "NotAllowedError":
            return isMade(purpose)
                ? "No passkey was made: it was cancelled, or it took too long. Try again."
                : "No passkey was used: it was cancelled, it took too long, or there is none on this device.";
        case "InvalidStateError":
            return "This device has a passkey of this account already.";
        case "NotSupportedError":
        case "ConstraintError":
            return "This device cannot make a passkey that checks who you are. Try another one, or set up a screen lock.";
        case "SecurityError":
            return "Passkeys do not work under this address. Open the page under its proper name.";
        case "TypeError":
            return "The service cannot be reached. Check your connection and try again.";
        default:
            return "The browser could not do this. Try again, or sign in another way.";
    }
}

function show(form, text) {
    const place = form.querySelector("[data-passkey-error]");
    if (!place) return;
    place.textContent = text;
    place.hidden = text === "";
}

function rest(form, resting) {
    for (const button of form.querySelectorAll("button")) button.disabled = resting;
    form.setAttribute("aria-busy", String(resting));
}

// --- offered where names are filled in ---

let offer = null; // the question that is open there

async function offerInField(form) {
    while (form.isConnected) {
        const question = new AbortController();
        offer = question;
        const renew = setTimeout(() => question.abort("renew"), LIFE_MS);
        try {
            done(form, await run(form, { mediation: "conditional", signal: question.signal }));
            return;
        } catch (error) {
            if (question.signal.reason === "renew") continue;
            // Taken back: somebody pressed the button.
            if (question.signal.aborted) return;
            // Nobody asked for anything yet, so only what the service said about a passkey that was chosen is shown.
            if (!(error instanceof Refused) || error.code === "rate_limited") return;
            show(form, words(error, "sign-in"));
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
        rest(form, true);
        form.removeAttribute("aria-busy");
        show(form, "This browser knows no passkeys, or the page was not opened over https.");
        continue;
    }
    form.addEventListener("submit", async (event) => {
        event.preventDefault();
        offer?.abort("pressed");
        show(form, "");
        rest(form, true);
        try {
            done(form, await run(form));
        } catch (error) {
            show(form, words(error, form.dataset.passkey));
            rest(form, false);
            offerAgain();
        }
    });
}

if (window.PublicKeyCredential) offerAgain();
