// Takes token and code from the link's fragment, which browsers do not send. The token goes into
// the form and is sent when the user presses its button: a mail scanner that opens links presses
// none.

const fragment = new URLSearchParams(location.hash.slice(1));
const token = fragment.get("token") ?? "";
const code = fragment.get("code") ?? "";

// Removes both from the address bar, and so from the history and from screenshots.
history.replaceState(null, "", location.pathname);

const element = (id) => document.getElementById(id);

if (/^[A-Za-z0-9_-]{43}$/.test(token) && element("token")) {
  element("token").value = token;
  element("with-token").hidden = false;
  element("without-token").hidden = true;
}
if (/^[0-9]{8}([0-9]{8})?$/.test(code)) {
  element("code").textContent = code.match(/.{4}/g).join("-");
  element("with-code").hidden = false;
  if (!element("token")) element("without-token").hidden = true;
}
