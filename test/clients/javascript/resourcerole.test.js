import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import test from 'node:test'
import { makeUser, refused, role, roles, rows } from './ask.js'
import { application, sample, someone } from './house.js'
import { authorization, group, guid, listed, makesEligibleAt, onResources, resourceRole, subscription, target } from './resources.js'

// Pat owns everything that the sample organisation has.
const pat = onResources(someone('pat'))
const app = application()
const nobody = '00000000-1111-4222-8333-444444444444'

/** Makes a subscription with a resource group in it. */
async function site(name) {
  const id = await subscription(pat, name)
  const owner = onResources(someone('pat'), id)
  return { id, scope: `/subscriptions/${id}`, owner, place: await group(owner, 'place') }
}

test('roles are found, and a custom one is made, given, changed and deleted', async () => {
  const bob = someone('bob')
  const { id, scope, owner, place } = await site('quince')
  const reader = await owner.roleDefinitions.getById(await resourceRole(owner, scope, 'Reader'))
  assert.equal(`${reader.roleName} ${reader.roleType} ${reader.permissions[0].actions}`, 'Reader BuiltInRole */read')
  const list = await listed(owner.roleDefinitions.list(scope))
  assert.ok(list.length > 900, `${list.length} roles`)

  const name = randomUUID()
  const keeper = {
    roleName: 'Host keeper', roleType: 'CustomRole', description: 'Keeps hosts', assignableScopes: [scope],
    permissions: [{ actions: ['Portcullis.Targets/hosts/*'], notActions: ['Portcullis.Targets/hosts/delete'] }],
  }
  const made = await owner.roleDefinitions.createOrUpdate(scope, name, keeper)
  assert.equal(`${made.name} ${made.roleType}`, `${name} CustomRole`)
  await refused(owner.roleDefinitions.createOrUpdate(scope, randomUUID(), keeper), 409, 'RoleDefinitionWithSameNameExists')
  const customs = await listed(owner.roleDefinitions.list(place, { filter: "type eq 'CustomRole'" }))
  assert.ok(customs.some((r) => r.id === made.id), 'the custom role is not among those of its scope')

  const given = await owner.roleAssignments.create(place, randomUUID(), { principalId: bob.id, roleDefinitionId: made.id })
  const asBob = onResources(bob, id)
  const host = await target(asBob, place, 'hosts', 'still')
  await refused(asBob.resources.resources.deleteById(host, '2024-01-01'), 403, 'AuthorizationFailed')
  keeper.permissions[0].notActions = []
  await owner.roleDefinitions.createOrUpdate(scope, name, keeper)
  await asBob.resources.resources.deleteById(host, '2024-01-01')
  await refused(owner.roleDefinitions.delete(scope, name), 400, 'RoleDefinitionHasAssignments')
  await owner.roleAssignments.deleteById(given.id)
  assert.equal((await owner.roleDefinitions.delete(scope, name)).roleName, 'Host keeper')
  await refused(owner.roleDefinitions.get(scope, name), 404, 'RoleDefinitionDoesNotExist')
})

// Made outside PIM, it is seen in PIM: without a request, and without an end.
test('a role is assigned outside PIM', async () => {
  const bob = someone('bob')
  const { id, scope, owner, place } = await site('medlar')
  const roleDefinitionId = await resourceRole(owner, scope, 'Reader')
  const [name, asked] = [randomUUID(), { principalId: bob.id, roleDefinitionId, description: 'For the audit' }]
  const made = await owner.roleAssignments.create(place, name, asked)
  assert.equal(`${made.principalType} ${made.scope} ${made.createdBy}`, `User ${place} ${owner.id}`)
  assert.equal((await owner.roleAssignments.create(place, name, { ...asked, description: 'For ever' })).description, 'For ever')
  await refused(owner.roleAssignments.create(place, randomUUID(), asked), 409, 'RoleAssignmentExists')
  const another = { ...asked, principalId: someone('alice').id }
  await refused(owner.roleAssignments.create(place, name, another), 400, 'RoleAssignmentUpdateNotPermitted')
  await refused(owner.roleAssignments.create(place, randomUUID(), { ...asked, principalId: nobody }), 400, 'PrincipalNotFound')

  const filter = `assignedTo('${bob.id}')`
  const [row] = rows(await listed(owner.roleAssignmentScheduleInstances.listForScope(place, { filter })), 1, 'active assignments')
  assert.equal(`${row.assignmentType} ${row.endDateTime} ${row.originRoleAssignmentId}`, `Assigned null ${made.id}`)
  assert.deepEqual((await listed(owner.roleAssignments.listForSubscription({ filter }))).map((a) => a.name), [name])
  assert.deepEqual((await listed(owner.roleAssignments.listForScope(scope, { filter: `atScope() and ${filter}` }))), [])
  assert.equal((await onResources(bob, id).resources.resourceGroups.get('place')).id, place)
  assert.equal((await owner.roleAssignments.delete(place, name)).id, made.id)
  assert.equal((await owner.roleAssignments.delete(place, name)).id, undefined)
  await refused(onResources(bob, id).resources.resourceGroups.get('place'), 403, 'AuthorizationFailed')
})

// Who may give roles under a condition gives, by PIM or past it, what the condition lets them.
test('a role is delegated under a condition', async () => {
  const [alice, bob] = ['alice', 'bob'].map(someone)
  const { id, scope, owner, place } = await site('sloe')
  const [reader, contributor] = [await resourceRole(owner, scope, 'Reader'), await resourceRole(owner, scope, 'Contributor')]
  const condition = `!(ActionMatches{'Microsoft.Authorization/roleAssignments/write'}) OR `
    + `@Request[Microsoft.Authorization/roleAssignments:RoleDefinitionId] ForAnyOfAnyValues:GuidEquals {${guid(reader)}}`
  const administrator = await resourceRole(owner, scope, 'User Access Administrator')
  const delegates = (text) => owner.roleAssignments.create(scope, randomUUID(),
    { principalId: alice.id, roleDefinitionId: administrator, condition: text, conditionVersion: '2.0' })
  await refused(delegates('whatever'), 400, 'InvalidConditionExpression')
  assert.equal((await delegates(condition)).condition, condition)

  const asAlice = onResources(alice, id)
  const gives = (roleDefinitionId) => asAlice.roleAssignments.create(place, randomUUID(), { principalId: bob.id, roleDefinitionId })
  await refused(gives(contributor), 403, 'AuthorizationFailed')
  await gives(reader)
  await refused(makesEligibleAt(asAlice, place, contributor, bob.id), 400, 'AuthorizationFailed')
  await makesEligibleAt(asAlice, place, reader, bob.id)
})

// The SDK reads deny assignments, and knows no way to make them.
test('a deny assignment is stronger than every role', async () => {
  const { scope, owner, place } = await site('damson')
  const name = randomUUID()
  const path = `${place}/${authorization}/denyAssignments/${name}`
  await owner.send('PUT', path, '2024-07-01-preview', {
    properties: {
      denyAssignmentName: 'No new hosts', description: 'While the audit lasts',
      permissions: [{ actions: ['Portcullis.Targets/hosts/write'] }],
      principals: [{ id: '00000000-0000-0000-0000-000000000000', type: 'SystemDefined' }],
    },
  })
  const [found] = rows(await listed(owner.denyAssignments.listForScope(scope)), 1, 'deny assignments')
  assert.equal(found.id, path)
  const got = await owner.denyAssignments.get(place, name)
  assert.equal(`${got.denyAssignmentName} ${got.permissions[0].actions} ${got.principals[0].type}`,
    'No new hosts Portcullis.Targets/hosts/write SystemDefined')
  assert.equal((await owner.denyAssignments.getById(path)).scope, place)
  assert.deepEqual(await listed(owner.denyAssignments.listForScope(scope, { filter: 'atScope()' })), [])
  await refused(target(owner, place, 'hosts', 'still'), 403, 'DenyAssignmentAuthorizationFailed')
  await target(owner, place, 'databases', 'jams')
  await owner.send('DELETE', path, '2024-07-01-preview')
  await target(owner, place, 'hosts', 'still')
  await refused(owner.denyAssignments.get(place, name), 404, 'DenyAssignmentNotFound')
})

// A Global Administrator has nothing here, and may take access to everything.
test('a Global Administrator takes access', async () => {
  const rita = await makeUser(app, 'rita')
  await app.api(`${roles}/roleAssignments`)
    .post({ principalId: rita.id, roleDefinitionId: await role(app, 'Global Administrator'), directoryScopeId: '/' })
  const asRita = onResources(rita)
  const { place } = await site('bullace')
  const filter = 'asTarget()'
  await refused(asRita.roleAssignments.listForScope(place).next(), 403, 'AuthorizationFailed')
  await asRita.globalAdministrator.elevateAccess()
  const [row] = rows(await listed(asRita.roleAssignments.listForScope(place, { filter })), 1, 'roles of Rita')
  assert.equal(row.scope, '/')
  await asRita.roleAssignments.deleteById(row.id)
  rows(await listed(asRita.roleAssignments.listForScope(place, { filter })), 0, 'roles of Rita afterwards')
  await refused(onResources(someone('alice')).globalAdministrator.elevateAccess(), 403, 'AuthorizationFailed')
})

test('requests are refused', async () => {
  const [alice, bob] = ['alice', 'bob'].map(someone)
  const { id, scope, owner, place } = await site('cherry')
  const reader = await resourceRole(owner, scope, 'Reader')
  const asAlice = onResources(alice, id)
  const absent = `/subscriptions/${nobody}`
  await refused(asAlice.roleEligibilityScheduleInstances.listForScope(scope).next(), 403, 'InsufficientPermissions')
  await refused(asAlice.roleEligibilityScheduleInstances.listForScope(absent).next(), 403, 'InsufficientPermissions')
  await refused(owner.roleEligibilityScheduleInstances.listForScope(absent).next(), 404, 'SubscriptionNotFound')
  await refused(owner.roleEligibilityScheduleInstances.listForScope(scope, { filter: 'whatever()' }).next(), 400, 'InvalidFilter')
  await refused(makesEligibleAt(asAlice, scope, reader, bob.id), 403, 'AuthorizationFailed')
  await refused(makesEligibleAt(owner, scope, reader, nobody), 400, 'SubjectNotFound')
  await refused(makesEligibleAt(owner, scope, reader, sample.client.objectId), 400, 'InvalidPrincipalType')
  const unknown = `/${authorization}/roleDefinitions/${nobody}`
  await refused(makesEligibleAt(owner, scope, unknown, bob.id), 404, 'RoleDefinitionDoesNotExist')
  await refused(makesEligibleAt(owner, `${scope}/resourceGroups/nothing`, reader, bob.id), 404, 'ResourceGroupNotFound')
  await refused(owner.roleAssignmentScheduleRequests.get(place, nobody), 404, 'RoleAssignmentRequestNotFound')
})
