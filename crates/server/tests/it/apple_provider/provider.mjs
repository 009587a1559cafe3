// An OpenID provider that behaves as Apple does towards a web site, for tests on loopback.
//
// 1. Apple's paths: /auth/authorize, /auth/token, /auth/keys. `scope=name email` without `openid`, form_post only.
// 2. The client secret is a JWT of the team's key, verified as Apple says: ES256, kid, iss (team), sub (client),
//    aud (this issuer), at most six months.
// 3. ID tokens: RS256, a pairwise sub, nonce, `email_verified` and `is_private_email` as strings. `user` (a name) is
//    posted along with the first consent and never again.
// 4. The person is chosen by a page with buttons, or cancels.
// 5. Server-to-server notifications are made on demand, signed with the same key.
//
// Arguments: one JSON object {client_id, team_id, key_id, public_key (PEM), redirect_uri, now (ms; none: the real
// clock)}. Prints one line of JSON {issuer} when it listens, and ends when its standard input does.
import { createServer } from 'node:http';
import { createHash, randomUUID } from 'node:crypto';

const settings = JSON.parse(process.argv[2]);

// What is printed after the first line is not read.
console.info = console.warn = console.log = console.error;

// A test's clock stands still, so everything here that asks for the time gets that time.
if (settings.now !== undefined) {
  const Real = Date;
  globalThis.Date = class extends Real {
    constructor(...given) {
      super(...(given.length === 0 ? [settings.now] : given));
    }

    static now() {
      return settings.now;
    }
  };
}
const jose = await import('jose');
const { Provider } = await import('oidc-provider');

const people = {
  ada: { email: 'ada@example.com', name: { firstName: 'Ada', lastName: 'Lovelace' } },
  bob: { email: 'bob@example.com', name: { firstName: 'Bob', lastName: 'Noyce' } },
  // Hides the address.
  eve: { email: 'dpdcnf87nu@privaterelay.appleid.com', private: true, name: { firstName: 'Eve', lastName: '' } },
};
const consented = new Set();
const teamKey = await jose.importSPKI(settings.public_key, 'ES256');
const { privateKey } = await jose.generateKeyPair('RS256', { extractable: true });
const signing = { ...(await jose.exportJWK(privateKey)), kid: 'AppleTest1', use: 'sig', alg: 'RS256' };
const secretOfOurs = randomUUID();
const subject = (person) => `000${createHash('sha256').update(settings.team_id + person).digest('hex').slice(0, 32)}.1200`;

const server = createServer();
await new Promise((listening) => server.listen(0, '127.0.0.1', listening));
const issuer = `http://localhost:${server.address().port}`;

const provider = new Provider(issuer, {
  clients: [
    {
      client_id: settings.client_id,
      client_secret: secretOfOurs,
      redirect_uris: [settings.redirect_uri],
      token_endpoint_auth_method: 'client_secret_post',
      subject_type: 'pairwise',
    },
  ],
  jwks: { keys: [signing] },
  routes: { authorization: '/auth/authorize', token: '/auth/token', jwks: '/auth/keys' },
  scopes: ['openid', 'name', 'email'],
  claims: { openid: ['sub'], email: ['email', 'email_verified', 'is_private_email'] },
  conformIdTokenClaims: false,
  subjectTypes: ['pairwise'],
  pairwiseIdentifier: (ctx, person) => subject(person),
  pkce: { required: () => true },
  features: { devInteractions: { enabled: false } },
  interactions: { url: (ctx, interaction) => `/interaction/${interaction.uid}` },
  cookies: { keys: [randomUUID()] },
  findAccount: (ctx, person) => ({
    accountId: person,
    claims: () => ({
      sub: person,
      email: people[person].email,
      email_verified: 'true',
      is_private_email: people[person].private ? 'true' : 'false',
    }),
  }),
});

// The name goes along with the first consent only, as a field of the posted form.
provider.use(async (ctx, next) => {
  await next();
  const person = ctx.oidc?.session?.accountId;
  if (typeof ctx.body !== 'string' || !ctx.body.includes('name="code"') || consented.has(person)) return;
  consented.add(person);
  const { name, email } = people[person];
  const user = JSON.stringify({ name, email }).replaceAll('"', '&quot;');
  ctx.body = ctx.body.replace('<noscript>', `<input type="hidden" name="user" value="${user}"/>\n<noscript>`);
});

const read = async (request) => {
  const pieces = [];
  for await (const piece of request) pieces.push(piece);
  return Buffer.concat(pieces).toString();
};

const answer = (response, status, body, type = 'application/json') => {
  response.writeHead(status, { 'content-type': type, 'cache-control': 'no-store' });
  response.end(typeof body === 'string' ? body : JSON.stringify(body));
};

// As https://developer.apple.com/documentation/accountorganizationaldatasharing/creating-a-client-secret has it.
const isClientSecret = async (form) => {
  try {
    const { payload, protectedHeader } = await jose.jwtVerify(form.get('client_secret'), teamKey, {
      algorithms: ['ES256'],
      issuer: settings.team_id,
      audience: issuer,
      subject: form.get('client_id'),
      requiredClaims: ['iat', 'exp'],
    });
    return protectedHeader.kid === settings.key_id && payload.exp - payload.iat <= 15777000;
  } catch {
    return false;
  }
};

const token = async (request, response) => {
  const form = new URLSearchParams(await read(request));
  if (form.get('client_id') !== settings.client_id || !(await isClientSecret(form))) {
    return answer(response, 400, { error: 'invalid_client' });
  }
  form.set('client_secret', secretOfOurs);
  request.body = Object.fromEntries(form);
  return provider.callback()(request, response);
};

const interaction = async (request, response) => {
  if (request.method === 'GET') {
    const buttons = [...Object.keys(people), 'cancel'].map(
      (who) => `<button name="who" value="${who}">${who}</button>`,
    );
    const page = `<!doctype html><html lang="en"><title>Apple Account (test)</title>
<h1>Sign in with your Apple Account</h1><form method="post">${buttons.join(' ')}</form></html>`;
    return answer(response, 200, page, 'text/html; charset=utf-8');
  }
  const who = new URLSearchParams(await read(request)).get('who');
  if (who === 'cancel') {
    const result = { error: 'user_cancelled_authorize' };
    return provider.interactionFinished(request, response, result, { mergeWithLastSubmission: false });
  }
  const grant = new provider.Grant({ accountId: who, clientId: settings.client_id });
  grant.addOIDCScope('openid name email');
  const result = { login: { accountId: who }, consent: { grantId: await grant.save() } };
  return provider.interactionFinished(request, response, result, { mergeWithLastSubmission: false });
};

// POST {type, who, aud?}: the notification that Apple would post to the service.
const notification = async (request, response) => {
  const { type, who, aud } = JSON.parse(await read(request));
  const event = { type, sub: subject(who), event_time: Date.now() };
  if (type.startsWith('email-')) {
    Object.assign(event, { email: people[who].email, is_private_email: 'true' });
  }
  const jwt = new jose.SignJWT({ events: JSON.stringify(event) })
    .setProtectedHeader({ alg: 'RS256', kid: signing.kid })
    .setIssuer(issuer)
    .setAudience(aud ?? settings.client_id)
    .setIssuedAt()
    .setExpirationTime('1d')
    .setJti(randomUUID());
  consented.delete(who);
  answer(response, 200, { payload: await jwt.sign(privateKey) });
};

server.on('request', (request, response) => {
  const url = new URL(request.url, issuer);
  const failed = (error) => {
    console.error(error);
    if (!response.headersSent) answer(response, 500, { error: 'server_error' });
  };
  if (url.pathname === '/auth/token') return token(request, response).catch(failed);
  if (url.pathname.startsWith('/interaction/')) return interaction(request, response).catch(failed);
  if (url.pathname === '/test/notification') return notification(request, response).catch(failed);
  if (url.pathname === '/test/clock') {
    settings.now = Number(url.searchParams.get('now'));
    return answer(response, 200, {});
  }
  if (url.pathname === '/auth/authorize') {
    if (url.searchParams.get('response_mode') !== 'form_post') {
      return answer(response, 400, { error: 'invalid_request' });
    }
    // Apple gives an ID token whether or not `openid` was asked for.
    url.searchParams.set('scope', `openid ${url.searchParams.get('scope') ?? ''}`);
    request.url = url.pathname + url.search;
  }
  return provider.callback()(request, response);
});

process.stdin.on('end', () => process.exit(0));
process.stdin.resume();
process.stdout.write(`${JSON.stringify({ issuer })}\n`);
