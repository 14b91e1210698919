import assert from 'node:assert/strict'
import test from 'node:test'
import {
  all, eligibilities, holds, ids, makeGroup, makeUser, makesEligible, opens, refs, refused, role, roles, rows,
} from './ask.js'
import { application, sample, signIn, someone } from './house.js'

const app = application()

test('a user is made, changed, deleted, restored and deleted for good', async () => {
  const user = await makeUser(app, 'frida')
  assert.equal((await signIn(user).api('/me').get()).id, user.id)
  await app.api(`/users/${user.id}`).patch({ jobTitle: 'Beekeeper', displayName: 'Frida Holm' })
  await app.api(`/users/${user.id}/manager/$ref`).put({ '@odata.id': refs(someone('mia'))[0] })
  const got = await app.api(`/users/${user.userPrincipalName}`).select('id,displayName,jobTitle').expand('manager').get()
  assert.equal(`${got.id} ${got.displayName} ${got.jobTitle} ${got.manager.id}`, `${user.id} Frida Holm Beekeeper ${someone('mia').id}`)

  const roleID = await role(app, 'Message Center Reader')
  await makesEligible(app, user, roleID)
  await app.api(`/users/${user.id}`).delete()
  await refused(app.api(`/users/${user.id}`).get(), 404, 'Request_ResourceNotFound')
  await assert.rejects(signIn(user).token(), /invalid_grant/)
  assert.ok((await ids(app, '/directory/deletedItems/microsoft.graph.user')).includes(user.id))

  // Who comes back has nothing of what they had, and signs in with a new password.
  const restored = await app.api(`/directory/deletedItems/${user.id}/restore`).post()
  assert.equal(restored.id, user.id)
  user.password = 'It is somebody new, really!'
  await app.api(`/users/${user.id}`).patch({ passwordProfile: { password: user.password, forceChangePasswordNextSignIn: false } })
  assert.equal((await signIn(user).api('/me').get()).displayName, 'Frida Holm')
  rows(await eligibilities(app, user, roleID), 0, 'eligibilities after the restoration')
  await app.api(`/users/${user.id}`).delete()
  await app.api(`/directory/deletedItems/${user.id}`).delete()
  await refused(app.api(`/directory/deletedItems/${user.id}`).get(), 404, 'Request_ResourceNotFound')
})

test('a disabled user loses everything at once', async () => {
  const user = await makeUser(app, 'gerda')
  const roleID = await role(app, 'Message Center Reader')
  await makesEligible(app, user, roleID)
  const { id: groupID } = await makeGroup(app, 'gerdas', { 'members@odata.bind': refs(user) })
  assert.deepEqual(await ids(app, `/groups/${groupID}/members`), [user.id])
  await app.api(`/users/${user.id}`).patch({ accountEnabled: false })
  rows(await eligibilities(app, user, roleID), 0, 'eligibilities')
  assert.deepEqual(await ids(app, `/groups/${groupID}/members`), [])
  await assert.rejects(signIn(user).token(), /invalid_grant/)
})

test('a group is made, its members and owners change, and it is deleted', async () => {
  const [alice, bob, owen] = ['alice', 'bob', 'owen'].map(someone)
  const group = await makeGroup(app, 'bees', {
    description: 'Those with hives', 'owners@odata.bind': refs(owen), 'members@odata.bind': refs(alice),
  })
  const path = `/groups/${group.id}`
  assert.equal(`${group.securityEnabled} ${group.mailEnabled} ${group.groupTypes.length}`, 'true false 0')
  await app.api(path).patch({ displayName: 'Bees' })
  await app.api(`${path}/members/$ref`).post({ '@odata.id': refs(bob)[0] })
  await refused(app.api(`${path}/members/$ref`).post({ '@odata.id': refs(bob)[0] }), 400, 'Request_BadRequest')
  assert.deepEqual((await ids(app, `${path}/members`)).sort(), [alice.id, bob.id].sort())
  assert.deepEqual(await ids(app, `${path}/owners`), [owen.id])
  await app.api(`${path}/members/${alice.id}/$ref`).delete()
  assert.deepEqual(await ids(app, `${path}/members`), [bob.id])
  const { value } = await app.api('/groups').filter("displayName eq 'Bees'").get()
  assert.deepEqual(value.map((g) => `${g.id} ${g.description}`), [`${group.id} Those with hives`])
  await app.api(path).delete()
  await refused(app.api(path).get(), 404, 'Request_ResourceNotFound')
  assert.ok(!(await ids(app, `/users/${bob.id}/memberOf`)).includes(group.id))
})

test('an owner writes a group, others do not', async () => {
  const [owen, alice, bob] = ['owen', 'alice', 'bob'].map(someone)
  const { id } = await makeGroup(app, 'owens', { 'owners@odata.bind': refs(owen) })
  const add = (caller) => caller.api(`/groups/${id}/members/$ref`).post({ '@odata.id': refs(bob)[0] })
  await refused(add(signIn(alice)), 403, 'Authorization_RequestDenied')
  await add(signIn(owen))
  assert.deepEqual(await ids(app, `/groups/${id}/members`), [bob.id])
})

// A permanent assignment outside PIM: it has no request and no end, and PIM lists it.
test('an assignment is made outside PIM, and taken', async () => {
  const alice = someone('alice')
  const roleID = await role(app, 'Directory Readers')
  const made = await app.api(`${roles}/roleAssignments`).post({ principalId: alice.id, roleDefinitionId: roleID, directoryScopeId: '/' })
  const [row] = rows(await holds(app, alice, roleID), 1, 'active assignments')
  assert.equal(`${row.id} ${row.assignmentType} ${row.endDateTime}`, `${made.id} Assigned null`)
  await refused(app.api(`${roles}/roleAssignments`).post({ principalId: alice.id, roleDefinitionId: roleID, directoryScopeId: '/' }),
    400, 'Request_BadRequest')
  assert.ok((await ids(app, `/directoryRoles(roleTemplateId='${roleID}')/members`)).includes(alice.id))
  await app.api(`${roles}/roleAssignments/${made.id}`).delete()
  rows(await holds(app, alice, roleID), 0, 'active assignments afterwards')
})

// The older way to hold a role is a view on the same assignments.
test('a directory role has members', async () => {
  const bob = someone('bob')
  const roleID = await role(app, 'Message Center Privacy Reader')
  const { id } = await app.api('/directoryRoles').post({ roleTemplateId: roleID })
  await app.api(`/directoryRoles/${id}/members/$ref`).post({ '@odata.id': refs(bob)[0] })
  assert.deepEqual(await ids(app, `/directoryRoles(roleTemplateId='${roleID}')/members`), [bob.id])
  rows(await holds(app, bob, roleID), 1, 'active assignments')
  const transitive = await app.beta(`${roles}/transitiveRoleAssignments`).header('ConsistencyLevel', 'eventual')
    .filter(`principalId eq '${bob.id}'`).count().get()
  assert.ok(transitive.value.some((a) => a.roleDefinitionId === roleID), 'the role is not among transitive assignments')
  await app.api(`/directoryRoles/${id}/members/${bob.id}/$ref`).delete()
  rows(await holds(app, bob, roleID), 0, 'active assignments afterwards')
})

test('a role of its own is made, used, changed and deleted', async () => {
  const actions = (...allowedResourceActions) => ({ rolePermissions: [{ allowedResourceActions }] })
  const made = await app.api(`${roles}/roleDefinitions`).post({
    displayName: 'Hive Keeper', description: 'Keeps hives', isEnabled: true, ...actions('microsoft.directory/users/basic/read'),
  })
  assert.equal(`${made.isBuiltIn} ${made.templateId}`, `false ${made.id}`)
  await app.api(`${roles}/roleDefinitions/${made.id}`)
    .patch({ displayName: 'Head Hive Keeper', ...actions('microsoft.directory/groups/basic/read') })
  const got = await app.api(`${roles}/roleDefinitions/${made.id}`).get()
  assert.equal(got.displayName, 'Head Hive Keeper')
  assert.deepEqual(got.rolePermissions[0].allowedResourceActions, ['microsoft.directory/groups/basic/read'])
  await makesEligible(app, someone('bob'), made.id)
  await assert.rejects(app.api(`${roles}/roleDefinitions/${made.id}`).delete(), { statusCode: 400 })
})

test('an administrative unit has members, and roles within it', async () => {
  const [alice, sam] = ['alice', 'sam'].map(someone)
  const unit = await app.api('/directory/administrativeUnits').post({ displayName: 'Apiary', description: 'Where the hives are' })
  const path = `/directory/administrativeUnits/${unit.id}`
  await app.api(`${path}/members/$ref`).post({ '@odata.id': refs(alice)[0] })
  assert.deepEqual(await ids(app, `${path}/members`), [alice.id])
  const roleID = await role(app, 'User Administrator')
  const made = await app.api(`${roles}/roleAssignments`)
    .post({ principalId: sam.id, roleDefinitionId: roleID, directoryScopeId: `/administrativeUnits/${unit.id}` })
  const [row] = rows(await holds(app, sam, roleID, 'directoryScope'), 1, 'active assignments')
  assert.equal(row.directoryScope.displayName, 'Apiary')
  await app.api(`${roles}/roleAssignments/${made.id}`).delete()
  await app.api(`${path}/members/${alice.id}/$ref`).delete()
  await app.api(path).delete()
  await refused(app.api(path).get(), 404, 'Request_ResourceNotFound')
})

test('objects are found by their ids', async () => {
  const [alice] = ['alice'].map(someone)
  const group = sample.groups['service-desk'].id
  const { value } = await app.api('/directoryObjects/getByIds').post({ ids: [alice.id, group], types: ['user', 'group'] })
  assert.deepEqual(value.map((o) => o['@odata.type']).sort(), ['#microsoft.graph.group', '#microsoft.graph.user'])
  const { value: objects } = await app.api(`/directoryObjects/${someone('dan').id}/getMemberObjects`).post({ securityEnabledOnly: false })
  assert.ok(objects.includes(group) && objects.includes(sample.groups.operators.id), 'groups through groups')
  await opens(app, alice, group)
  const every = await all(app, app.api('/groups').top(10))
  assert.equal(new Set(every.map((g) => g.id)).size, every.length)
})
