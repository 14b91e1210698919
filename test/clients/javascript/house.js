// How the unmodified SDKs are pointed at the server, as docs tell: the base address and the host for
// @microsoft/microsoft-graph-client; the authority host and no instance discovery for @azure/identity. Applications sign in
// with their secret, people with name and password, or by device code or on the pages where a second factor is asked for.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { ClientSecretCredential, DeviceCodeCredential, UsernamePasswordCredential } from '@azure/identity'
import { PublicClientApplication } from '@azure/msal-node'
import graph from '@microsoft/microsoft-graph-client'
import providers from '@microsoft/microsoft-graph-client/authProviders/azureTokenCredentials/index.js'
import { Browser } from './browser.js'

/** What the server tells programs about the sample organisation. run.js says where that is. */
export const sample = JSON.parse(readFileSync(process.env.PORTCULLIS_SAMPLE, 'utf8'))

export const scopes = [`${sample.url}/.default`]

/** The claims that ask for a second factor. */
export const claimsMFA = '{"access_token":{"amr":{"essential":true,"values":["mfa"]}}}'

const identity = { authorityHost: sample.url, disableInstanceDiscovery: true }

/** The SDK's client for one caller. */
export class Caller {
  constructor(credential, id) {
    this.credential = credential
    this.id = id
    this.client = graph.Client.initWithMiddleware({
      authProvider: new providers.TokenCredentialAuthenticationProvider(credential, { scopes }),
      baseUrl: `${sample.url}/`,
      customHosts: new Set([new URL(sample.url).hostname]),
    })
  }

  /** A request of v1.0. */
  api(path) { return this.client.api(path) }

  /** A request of beta. */
  beta(path) { return this.client.api(path).version('beta') }

  /**
   * Gets a token as the SDK does, which has to satisfy the claims, and returns what it says. The SDK goes on with the
   * claims, so that what is asked next is asked with such a token too.
   */
  async token(claims) {
    const { token } = await this.credential.getToken(scopes, claims ? { claims } : {})
    return JSON.parse(Buffer.from(token.split('.')[1], 'base64url').toString())
  }
}

export function secretCredential(secret) {
  return new ClientSecretCredential(sample.tenantId, sample.client.id, secret, identity)
}

/** The sample's application, which may do everything that needs no person. */
export function application() {
  return new Caller(secretCredential(sample.client.secret), sample.client.objectId)
}

/** The person with that key. */
export function someone(key) {
  const p = sample.people[key]
  assert.ok(p, `the sample has no ${key}`)
  return p
}

export function passwordCredential(person, password = person.password) {
  return new UsernamePasswordCredential(sample.tenantId, sample.client.id, person.userPrincipalName, password, identity)
}

/** Signs a person in with name and password. */
export function signIn(person) {
  return new Caller(passwordCredential(person), person.id)
}

/** Makes a credential that signs a person in by device code, in that browser. */
export function deviceCredential(browser) {
  return new DeviceCodeCredential({
    ...identity, tenantId: sample.tenantId, clientId: sample.client.id,
    userPromptCallback: ({ verificationUri, userCode }) => browser.visit(verificationUri, userCode),
  })
}

/**
 * Makes a credential of MSAL's own, below @azure/identity, whose interactive sign-in cannot be given a browser: the person
 * signs in on the server's pages, and the code comes back to a port of this machine (RFC 8252), with PKCE.
 */
export function interactiveCredential(browser) {
  const { host } = new URL(sample.url)
  const authority = `${sample.url}/${sample.tenantId}`
  const msal = new PublicClientApplication({ auth: { clientId: sample.client.id, authority, knownAuthorities: [host] } })
  let account
  return {
    async getToken(list, { claims } = {}) {
      const got = account && !claims
        ? await msal.acquireTokenSilent({ scopes: list, account })
        : await msal.acquireTokenInteractive({ scopes: list, claims, openBrowser: (address) => browser.visit(address) })
      account = got.account
      return { token: got.accessToken, expiresOnTimestamp: got.expiresOn.getTime() }
    },
  }
}

/** Signs a person in by device code, with a browser of their own. */
export function signInByDevice(person) {
  return new Caller(deviceCredential(new Browser(person)), person.id)
}

/** Signs a person in on the pages, with a browser of their own. */
export function signInOnPages(person) {
  return new Caller(interactiveCredential(new Browser(person)), person.id)
}

/** Lets time pass for PIM, in seconds. */
export async function after(seconds) {
  const address = `${sample.url}/sample/clock`
  const { now } = await (await fetch(address)).json()
  const ahead = Math.ceil((Date.parse(now) - Date.now()) / 1000) + seconds
  const answer = await fetch(address, {
    method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify({ offset: `PT${ahead}S` }),
  })
  assert.equal(answer.status, 200, `move the clock by ${seconds} s`)
}

export const minutes = (n) => n * 60
export const hours = (n) => n * 3600
export const days = (n) => n * 86_400
