// An authorization server, by `oidc-provider`, whose access tokens say nothing themselves. A machine
// gets one with its own credentials, over HTTP. What people would get at the end of a sign-in in a
// browser is made at the start, and told in the first line: an access token, and a refresh token.
import { createServer } from "node:http";
import { once } from "node:events";
import { Provider } from "oidc-provider";

const AUDIENCE = "https://api.example.com";
const resource = { audience: AUDIENCE, scope: "chat read", accessTokenFormat: "opaque" };

const server = createServer((request, response) => answer(request, response));
server.listen(0, "127.0.0.1");
await once(server, "listening");
const issuer = `http://127.0.0.1:${server.address().port}`;

const provider = new Provider(issuer, {
  clients: [
    {
      client_id: "app",
      client_secret: "the secret of the app",
      grant_types: ["client_credentials", "refresh_token", "authorization_code"],
      redirect_uris: ["https://app.example.com/"],
    },
    {
      client_id: "gate:way",
      client_secret: "s3cret & more",
      redirect_uris: [],
      response_types: [],
      grant_types: [],
    },
  ],
  features: {
    clientCredentials: { enabled: true },
    devInteractions: { enabled: false },
    introspection: { enabled: true },
    revocation: { enabled: true },
    resourceIndicators: {
      enabled: true,
      defaultResource: () => AUDIENCE,
      getResourceServerInfo: () => resource,
    },
  },
  findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
});
const answer = provider.callback();

const client = await provider.Client.find("app");
const grant = new provider.Grant({ accountId: "alice", clientId: "app" });
grant.addResourceScope(AUDIENCE, "chat read");
const grantId = await grant.save();
const common = { accountId: "alice", client, grantId, gty: "authorization_code", scope: "chat read" };
const resourceServer = new provider.ResourceServer(AUDIENCE, resource);
const access = new provider.AccessToken({ ...common, resourceServer });
const short = new provider.AccessToken({ ...common, resourceServer, expiresIn: 8 });
const refresh = new provider.RefreshToken({ ...common, resource: AUDIENCE, claims: {} });
console.log(JSON.stringify({
  issuer,
  access: await access.save(),
  short: await short.save(),
  refresh: await refresh.save(),
}));
