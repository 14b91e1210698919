import assert from 'node:assert/strict'
import test from 'node:test'
import {
  access, assignment, done, groups, ids, joins, lasts, lastsAtMost, makeGroup, memberRule, opens, policy, policyFailed, refs,
  refused, role, roles, rows,
} from './ask.js'
import { after, application, hours, minutes, sample, signIn, someone } from './house.js'

const app = application()

/** Whether a person is a member of a group, by every way that tells. */
async function isMember(person, groupID) {
  const caller = signIn(person) // a new sign-in, for a new token
  const { value } = await caller.api('/me/checkMemberGroups').post({ groupIds: [groupID] })
  const said = [
    (await ids(app, `/groups/${groupID}/members`)).includes(person.id),
    (await ids(app, `/groups/${groupID}/transitiveMembers/microsoft.graph.user`)).includes(person.id),
    (await ids(caller, '/me/memberOf')).includes(groupID),
    (await ids(app, `/users/${person.id}/transitiveMemberOf/microsoft.graph.group`)).includes(groupID),
    value.includes(groupID),
    ((await caller.token()).groups ?? []).includes(groupID),
  ]
  assert.equal(new Set(said).size, 1, `members, transitiveMembers, memberOf, transitiveMemberOf, checkMemberGroups, token: ${said}`)
  return said[0]
}

// The main story: eligible, refused without a reason, a member by every way that tells, ended by hand, a member again, and none
// when the hour is over.
test('a person activates a membership', async () => {
  const [alice, owen] = ['alice', 'owen'].map(someone)
  const { id: groupID } = await makeGroup(app, 'vault-keepers', { 'owners@odata.bind': refs(owen) })
  const eligible = await opens(app, alice, groupID)
  assert.equal(eligible.targetScheduleId, `${groupID}_member_${eligible.id}`)
  const schedule = await app.api(`${groups}/eligibilitySchedules/${eligible.targetScheduleId}`).expand('group,principal').get()
  assert.equal(schedule.group.displayName, 'vault-keepers')
  assert.equal(schedule.principal.displayName, alice.displayName)

  const caller = signIn(alice)
  const { value: mine } = await caller.api(`${groups}/eligibilitySchedules/filterByCurrentUser(on='principal')`)
    .filter(`groupId eq '${groupID}'`).expand('group,principal').get()
  const [own] = rows(mine, 1, "one's own eligibilities")
  assert.equal(`${own.id} ${own.group.id} ${own.accessId} ${own.memberType}`, `${eligible.targetScheduleId} ${groupID} member direct`)
  assert.equal(await isMember(alice, groupID), false)

  const refusal = await refused(joins(caller, groupID, 'member', { justification: '' }), 400, policyFailed)
  assert.match(refusal.message, /JustificationRule/)
  const got = await done(joins(caller, groupID), 'Provisioned')
  assert.equal(got.targetScheduleId, `${groupID}_member_${got.id}`)
  await sees(caller, groupID, got, eligible)
  assert.equal(await isMember(alice, groupID), true)
  await refused(joins(caller, groupID), 400, 'RoleAssignmentExists')

  const leaves = () => access(caller, 'assignment', 'selfDeactivate', alice.id, groupID)
  await refused(leaves(), 400, 'ActiveDurationTooShort')
  await after(minutes(6))
  await done(leaves(), 'Revoked')
  assert.equal(await isMember(alice, groupID), false)
  await done(joins(caller, groupID), 'Provisioned')
  assert.equal(await isMember(alice, groupID), true)
  await after(hours(1))
  assert.equal(await isMember(alice, groupID), false)
})

/** Checks that a person sees their own activation and what it rests on. */
async function sees(caller, groupID, activation, eligible) {
  const { value } = await caller.api(`${groups}/assignmentScheduleInstances/filterByCurrentUser(on='principal')`)
    .filter(`groupId eq '${groupID}' and assignmentType eq 'activated'`).expand('activatedUsing,group,principal').get()
  const [row] = rows(value, 1, "one's own memberships")
  assert.equal(row.assignmentScheduleId, activation.targetScheduleId)
  assert.equal(row.activatedUsing.eligibilityScheduleId, eligible.targetScheduleId)
  assert.equal(row.memberType, 'direct')
  assert.equal(Date.parse(row.endDateTime) - Date.parse(row.startDateTime), hours(1) * 1000)
}

// Who activates a membership holds what the group holds, as long as the membership runs.
test('an activated membership carries the roles of the group', async () => {
  const bob = someone('bob')
  const { id: groupID } = await makeGroup(app, 'report-readers', { isAssignableToRole: true, visibility: 'Private' })
  const roleID = await role(app, 'Reports Reader')
  await done(assignment(app, 'adminAssign', groupID, roleID, { scheduleInfo: lasts('P90D'), justification: 'Reports' }), 'Provisioned')
  await opens(app, bob, groupID)
  const caller = signIn(bob)
  const held = async () => (await caller.api(`${roles}/roleAssignmentScheduleInstances/filterByCurrentUser(on='principal')`)
    .filter(`roleDefinitionId eq '${roleID}'`).get()).value
  const reads = () => caller.api('/auditLogs/directoryAudits').top(1).get()
  rows(await held(), 0, 'roles before')
  await refused(reads(), 403, 'Authentication_RequestFromUnsupportedUserRole')

  await done(joins(caller, groupID), 'Provisioned')
  const [row] = rows(await held(), 1, 'roles of the member')
  assert.equal(`${row.memberType} ${row.principalId}`, `Group ${bob.id}`)
  await reads()
  await after(hours(1))
  rows(await held(), 0, 'roles afterwards')
  await refused(reads(), 403, 'Authentication_RequestFromUnsupportedUserRole')
})

// A group may be eligible too: its members activate for themselves, and only as long as they are its members.
test('a member of an eligible group activates', async () => {
  const dan = someone('dan')
  const { id: team } = await makeGroup(app, 'night-watch', { 'members@odata.bind': refs(dan) })
  const { id: groupID } = await makeGroup(app, 'key-holders')
  const eligible = await opens(app, { id: team }, groupID)
  const caller = signIn(dan)
  const { value } = await caller.api(`${groups}/eligibilityScheduleInstances/filterByCurrentUser(on='principal')`)
    .filter(`groupId eq '${groupID}'`).get()
  const [row] = rows(value, 1, "one's own eligibilities")
  assert.equal(`${row.memberType} ${row.principalId} ${row.eligibilityScheduleId}`, `group ${dan.id} ${eligible.targetScheduleId}`)
  await done(joins(caller, groupID), 'Provisioned')
  assert.equal(await isMember(dan, groupID), true)
  await app.api(`/groups/${team}/members/${dan.id}/$ref`).delete()
  assert.equal(await isMember(dan, groupID), false)
})

test('an activated owner administers the group', async () => {
  const [mia, bob] = ['mia', 'bob'].map(someone)
  const { id: groupID } = await makeGroup(app, 'owned-by-the-hour')
  await opens(app, mia, groupID, 'owner')
  const caller = signIn(mia)
  await refused(opens(caller, bob, groupID), 403, 'Authorization_RequestDenied')
  await done(joins(caller, groupID, 'owner'), 'Provisioned')
  assert.deepEqual(await ids(app, `/groups/${groupID}/owners`), [mia.id])
  assert.deepEqual(await ids(app, `/groups/${groupID}/members`), [])
  const eligible = await opens(caller, bob, groupID)
  assert.equal(eligible.createdBy.user.id, mia.id)
  await caller.api(`/groups/${groupID}/members/$ref`).post({ '@odata.id': refs(bob)[0] })
  assert.deepEqual(await ids(app, `/groups/${groupID}/members`), [bob.id])
  await after(hours(1))
  assert.deepEqual(await ids(app, `/groups/${groupID}/owners`), [])
  await refused(access(caller, 'eligibility', 'adminRemove', bob.id, groupID), 403, 'Authorization_RequestDenied')
})

// What programs manage: assign, change, take away; each change gives the schedule a new id.
test('eligibilities and memberships are given, changed and taken', async () => {
  const [bob, dan] = ['bob', 'dan'].map(someone)
  const { id: groupID } = await makeGroup(app, 'managed')
  const first = await opens(app, bob, groupID)
  await refused(opens(app, bob, groupID), 400, 'RoleAssignmentExists')
  const changed = await done(access(app, 'eligibility', 'adminUpdate', bob.id, groupID, 'member',
    { scheduleInfo: lasts('P60D'), justification: 'Longer' }), 'Provisioned')
  assert.notEqual(changed.targetScheduleId, first.targetScheduleId)
  await refused(app.api(`${groups}/eligibilitySchedules/${first.targetScheduleId}`).get(), 404, 'Request_ResourceNotFound')
  const { value: asked } = await app.api(`${groups}/eligibilityScheduleRequests`)
    .filter(`groupId eq '${groupID}' and targetScheduleId eq '${changed.targetScheduleId}'`).orderby('createdDateTime desc').get()
  assert.equal(rows(asked, 1, 'requests of the schedule')[0].justification, 'Longer')

  const given = await done(access(app, 'assignment', 'adminAssign', dan.id, groupID, 'member',
    { scheduleInfo: lasts('P7D'), justification: 'Stands in' }), 'Provisioned')
  assert.equal(await isMember(dan, groupID), true)
  const { value } = await app.api(`${groups}/assignmentSchedules`).filter(`groupId eq '${groupID}'`).get()
  assert.deepEqual(value.map((s) => `${s.id} ${s.assignmentType}`), [`${given.targetScheduleId} assigned`])
  await after(minutes(6))
  await done(access(app, 'assignment', 'adminRemove', dan.id, groupID), 'Revoked')
  assert.equal(await isMember(dan, groupID), false)
  await done(access(app, 'eligibility', 'adminRemove', bob.id, groupID), 'Revoked')
  await refused(access(app, 'eligibility', 'adminRemove', bob.id, groupID), 404, 'RoleAssignmentDoesNotExist')
  const { value: left } = await app.api(`${groups}/eligibilityScheduleInstances`).filter(`groupId eq '${groupID}'`).get()
  rows(left, 0, 'eligibilities afterwards')
})

// Members made outside PIM are members without a request and without an end.
test('members made outside PIM are told as such', async () => {
  const owen = someone('owen')
  const groupID = sample.groups['data-stewards'].id
  const { value } = await app.api(`${groups}/assignmentScheduleInstances`)
    .filter(`groupId eq '${groupID}' and principalId eq '${owen.id}'`).get()
  assert.deepEqual(value.map((row) => `${row.accessId} ${row.assignmentType} ${row.endDateTime}`).sort(),
    ['member assigned null', 'owner assigned null'])
  await refused(app.api(`${groups}/assignmentScheduleInstances`).get(), 400, 'InvalidFilter')
})

test('each side of a group has its own rules', async () => {
  const alice = someone('alice')
  const { id: groupID } = await makeGroup(app, 'with-rules')
  await opens(app, alice, groupID)
  await memberRule(app, groupID, lastsAtMost('PT30M'))
  const maximum = ({ rules }) => rules.find((r) => r.id === 'Expiration_EndUser_Assignment').maximumDuration
  const [members, owners] = [await policy(app, 'member', groupID), await policy(app, 'owner', groupID)]
  rows(members.rules, 17, 'rules')
  assert.match(members.id, new RegExp(`^Group_${groupID}_[0-9a-f-]{36}$`))
  assert.equal(`${members.scopeId} ${members.scopeType}`, `${groupID} Group`)
  assert.equal(`${maximum(members)} ${maximum(owners)}`, 'PT30M PT8H')
  const caller = signIn(alice)
  const refusal = await refused(joins(caller, groupID), 400, policyFailed)
  assert.match(refusal.message, /ExpirationRule/)
  await done(joins(caller, groupID, 'member', { scheduleInfo: lasts('PT30M') }), 'Provisioned')
})
