import assert from 'node:assert/strict'
import test from 'node:test'
import graph from '@microsoft/microsoft-graph-client'
import { all, eligibilities, lasts, makesEligible, refused, role, roles, rows } from './ask.js'
import { application, someone } from './house.js'

const app = application()
const nobody = '00000000-1111-4222-8333-444444444444'

test('everybody is listed, page by page', async () => {
  const users = await all(app, app.api('/users').top(60).select('id,displayName,userPrincipalName'))
  assert.ok(users.length >= 200, `${users.length} people`)
  assert.equal(new Set(users.map((u) => u.id)).size, users.length)
})

// Many are made eligible, by parts of batches, and the list is paged through: each row comes once, and the rows are as many as
// the server counts.
test('many instances are paged through', async () => {
  const roleID = await role(app, 'AI Administrator')
  const users = await all(app, app.api('/users').top(999).select('id'))
  const many = users.slice(0, 120)
  for (let n = 0; n < many.length; n += 20) {
    const parts = many.slice(n, n + 20).map(({ id }, i) => part(i, 'POST', `${roles}/roleEligibilityScheduleRequests`, {
      action: 'adminAssign', principalId: id, roleDefinitionId: roleID, directoryScopeId: '/', scheduleInfo: lasts('P30D'),
    }))
    for (const [id, answer] of await batch(parts)) assert.equal(answer.status, 201, `part ${id}`)
  }
  const filter = `roleDefinitionId eq '${roleID}'`
  const list = await all(app, app.api(`${roles}/roleEligibilityScheduleInstances`).filter(filter).expand('principal').top(50))
  rows(list, many.length, 'instances')
  assert.deepEqual(list.map((row) => row.principal.id).sort(), many.map((u) => u.id).sort())
  const counted = await app.api(`${roles}/roleEligibilityScheduleInstances`).filter(filter).count().top(1).get()
  assert.equal(counted['@odata.count'], many.length)
})

// The SDK's batch: parts succeed and fail each for themselves.
test('a batch', async () => {
  const alice = someone('alice')
  const roleID = await role(app, 'Teams Devices Administrator')
  const given = {
    action: 'adminAssign', principalId: alice.id, roleDefinitionId: roleID, directoryScopeId: '/', scheduleInfo: lasts('P30D'),
  }
  const answers = await batch([
    part('one', 'GET', `/users/${alice.id}`),
    part('nobody', 'GET', `/users/${nobody}`),
    part('given', 'POST', `${roles}/roleEligibilityScheduleRequests`, given),
  ])
  assert.equal((await answers.get('one').json()).userPrincipalName, alice.userPrincipalName)
  assert.equal(answers.get('nobody').status, 404)
  assert.equal((await answers.get('nobody').json()).error.code, 'Request_ResourceNotFound')
  assert.equal(answers.get('given').status, 201)
  assert.equal((await answers.get('given').json()).status, 'Provisioned')
  rows(await eligibilities(app, alice, roleID), 1, 'eligibilities after the batch')
})

// Parts that wait for one another, as the SDK lets them: each for the one before it. What rests on a failure is not tried.
test('a batch whose parts wait for one another', async () => {
  const bob = someone('bob')
  const roleID = await role(app, 'Teams Devices Administrator')
  const set = `${roles}/roleEligibilityScheduleRequests`
  const given = {
    action: 'adminAssign', principalId: bob.id, roleDefinitionId: roleID, directoryScopeId: '/', scheduleInfo: lasts('P30D'),
  }
  const removed = { action: 'adminRemove', principalId: bob.id, roleDefinitionId: roleID, directoryScopeId: '/' }
  const answers = await batch([
    part('given', 'POST', set, given),
    { ...part('again', 'POST', set, given), dependsOn: ['given'] },
    { ...part('removed', 'POST', set, removed), dependsOn: ['again'] },
  ])
  assert.equal(answers.get('given').status, 201)
  assert.equal(answers.get('again').status, 400)
  assert.equal((await answers.get('again').json()).error.code, 'RoleAssignmentExists')
  assert.equal(answers.get('removed').status, 424)
  rows(await eligibilities(app, bob, roleID), 1, 'eligibilities after the batch')
})

/** A part of a batch, as the SDK takes it. */
function part(id, method, path, body) {
  const address = `https://graph.microsoft.com/v1.0${path}` // The SDK keeps the path alone.
  const request = new Request(address, body && { method, body: JSON.stringify(body), headers: { 'Content-Type': 'application/json' } })
  return { id: String(id), request }
}

/** Sends a batch and returns the answers by their ids. */
async function batch(parts) {
  const content = await new graph.BatchRequestContent(parts).getContent()
  return new graph.BatchResponseContent(await app.api('/$batch').post(content)).getResponses()
}

test('unknown ids', async () => {
  const alice = someone('alice')
  const roleID = await role(app, 'Guest Inviter')
  await refused(app.api(`/users/${nobody}`).get(), 404, 'Request_ResourceNotFound')
  await refused(app.api(`${roles}/roleEligibilityScheduleInstances/${nobody}`).get(), 404, 'Request_ResourceNotFound')
  await refused(app.api(`${roles}/roleAssignmentScheduleRequests/${nobody}`).get(), 404, 'RoleAssignmentRequestNotFound')
  await refused(makesEligible(app, { id: nobody }, roleID), 404, 'SubjectNotFound')
  await refused(makesEligible(app, alice, nobody), 404, 'RoleNotFound')
  await refused(app.api('/nothing').get(), 404, 'ResourceNotFound')
  await refused(app.api(`${roles}/roleDefinitions`).filter('displayName eq').get(), 400, 'BadRequest')
})
