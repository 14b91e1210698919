import assert from 'node:assert/strict'
import test from 'node:test'
import { refused } from './ask.js'
import { Browser } from './browser.js'
import {
  Caller, application, claimsMFA, deviceCredential, interactiveCredential, passwordCredential, sample, scopes, secretCredential,
  signIn, someone,
} from './house.js'

test('an application signs in with its secret', async () => {
  const app = application()
  const token = await app.token()
  assert.equal(token.tid, sample.tenantId)
  assert.equal(token.idtyp, 'app')
  assert.equal(token.oid, sample.client.objectId)
  const { value } = await app.api('/organization').get()
  assert.equal(value[0].id, sample.tenantId)
})

test('a wrong secret is refused', async () => {
  await assert.rejects(secretCredential('not the secret').getToken(scopes), /invalid_client/)
})

test('a person signs in with name and password', async () => {
  const mia = someone('mia')
  const caller = signIn(mia)
  const token = await caller.token()
  assert.equal(token.oid, mia.id)
  assert.equal(token.upn, mia.userPrincipalName)
  assert.ok(!token.amr.includes('mfa'), `methods: ${token.amr}`)
  const me = await caller.api('/me').get()
  assert.equal(me.displayName, mia.displayName)
  await assert.rejects(passwordCredential(mia, 'not the password').getToken(scopes), /invalid_grant/)
})

test('a person signs in by device code, and steps up', async () => {
  const mia = someone('mia')
  const browser = new Browser(mia)
  const caller = new Caller(deviceCredential(browser), mia.id)
  const token = await caller.token()
  assert.equal(browser.asked.join(' '), 'code password confirm')
  assert.equal(token.oid, mia.id)
  assert.ok(!token.amr.includes('mfa'), `methods: ${token.amr}`)

  // The same credential, asked for more: the refresh token does not do, so the person is asked again.
  browser.asked = []
  const more = await caller.token(claimsMFA)
  assert.equal(browser.asked.join(' '), 'code totp confirm')
  assert.ok(more.amr.includes('mfa'), `methods: ${more.amr}`)
  const me = await caller.api('/me').get()
  assert.equal(me.userPrincipalName, mia.userPrincipalName)
  assert.ok((await caller.token()).amr.includes('mfa'), 'the SDK goes on without the second factor')
  assert.equal(browser.asked.join(' '), 'code totp confirm')
})

test('a person signs in on the pages, and steps up', async () => {
  const nora = someone('nora')
  const browser = new Browser(nora)
  const caller = new Caller(interactiveCredential(browser), nora.id)
  const token = await caller.token()
  assert.equal(browser.asked.join(' '), 'password return')
  assert.equal(token.oid, nora.id)
  assert.equal((await caller.api('/me').get()).displayName, nora.displayName)

  // Their browser knows them: the second factor alone is asked for.
  browser.asked = []
  const more = await caller.token(claimsMFA)
  assert.equal(browser.asked.join(' '), 'totp return')
  assert.ok(more.amr.includes('mfa'), `methods: ${more.amr}`)
})

test('a person refuses a device', async () => {
  const browser = new Browser(someone('owen'))
  browser.refuses = true
  await assert.rejects(deviceCredential(browser).getToken(scopes), /access_denied/)

  assert.equal(browser.asked.join(' '), 'code password confirm')
})

test('a forged token is refused', async () => {
  const forged = { getToken: () => ({ token: 'eyJhbGciOiJub25lIn0.eyJvaWQiOiJub2JvZHkifQ.', expiresOnTimestamp: Date.now() + 3_600_000 }) }
  await refused(new Caller(forged).api('/me').get(), 401, 'InvalidAuthenticationToken')
})
