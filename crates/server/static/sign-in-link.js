// Takes token and code out of the link's fragment, which no server has seen. The token goes into the form and
// is sent when somebody presses its button, not before: a program that opens links presses nothing.

const fragment = new URLSearchParams(location.hash.slice(1));
const token = fragment.get("token") ?? "";
const code = fragment.get("code") ?? "";

// Neither stays in the address bar, where it would get into the history and onto screenshots.
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
