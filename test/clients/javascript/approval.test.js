import assert from 'node:assert/strict'
import test from 'node:test'
import { ofGroups, ofGroupsInBeta, ofRoles } from './approvals.js'
import {
  activates, approvers, demands, demandsApproval, done, groups, holds, ids, joins, makeGroup, makesEligible, memberRule, opens,
  policy, refused, role, rows, rule, stage, until,
} from './ask.js'
import { after, application, days, minutes, signIn, someone } from './house.js'

const app = application()

/** What is not theirs to decide looks to people as if it were not there. */
const unseen = 'RoleAssignmentRequestNotFound'

/** Makes a role that a person is eligible for and these stages must agree to. */
async function roleWith(name, person, ...stages) {
  const roleID = await role(app, name)
  await makesEligible(app, person, roleID)
  await rule(app, roleID, demands('Justification'))
  await rule(app, roleID, demandsApproval(...stages))
  return roleID
}

/** Makes a group that a person may join when these stages agree. */
async function groupWith(name, person, ...stages) {
  const { id } = await makeGroup(app, name)
  await opens(app, person, id)
  await memberRule(app, id, demandsApproval(...stages))
  return id
}

/** Checks that a request waits for approval, and returns its id, which is the approval's. */
async function waiting(call) {
  const got = await done(call, 'PendingApproval')
  assert.equal(got.approvalId, got.id)
  return got.id
}

test('an activation waits for approval', async () => {
  const [bob, ana] = ['bob', 'ana'].map(someone)
  // Bob is an approver too, which must not let him decide on himself.
  const roleID = await roleWith('License Administrator', bob, stage(approvers(ana, bob)))
  const ofRole = `roleDefinitionId eq '${roleID}'`
  const [asBob, asAna] = [bob, ana].map(signIn)
  const id = await waiting(activates(asBob, roleID))
  rows(await holds(app, bob, roleID), 0, 'active assignments while waiting')
  await refused(activates(asBob, roleID), 400, 'PendingRoleAssignmentRequest')
  await refused(ofRoles.decides(asBob, id, id, 'Approve'), 403, 'Authorization_RequestDenied')
  await assert.rejects(ofRoles.decides(app, id, id, 'Approve'), { statusCode: 403 })

  const [found] = rows(await ofRoles.toDecide(asAna, ofRole, 'principal', 'roleDefinition'), 1, 'requests that Ana sees')
  assert.equal(found.id, id)
  assert.equal(found.principal.displayName, bob.displayName)
  const [open] = rows(await ofRoles.stages(asAna, id), 1, 'steps')
  assert.equal(`${open.status} ${open.reviewResult} ${open.assignedToMe}`, 'InProgress NotReviewed true')
  await refused(ofRoles.decides(asAna, id, open.id, 'Approve', ''), 400, 'InvalidRequest')
  await ofRoles.answers(asAna, id, 'Approve')
  const [decided] = await ofRoles.stages(asAna, id)
  assert.equal(`${decided.status} ${decided.reviewResult} ${decided.justification} ${decided.reviewedBy.id}`,
    `Completed Approved As agreed ${ana.id}`)
  await refused(ofRoles.decides(asAna, id, open.id, 'Deny'), 409, 'Conflict')
  rows(await ofRoles.toDecide(asAna, ofRole), 0, 'requests that Ana sees afterwards')
  assert.equal((await ofRoles.request(asBob, id)).status, 'Provisioned')
  assert.equal(rows(await holds(app, bob, roleID), 1, 'active assignments')[0].assignmentType, 'Activated')
})

test('an activation is denied, and one is withdrawn', async () => {
  const [alice, ana] = ['alice', 'ana'].map(someone)
  const roleID = await roleWith('Printer Technician', alice, stage(approvers(ana)))
  const [asAlice, asAna] = [alice, ana].map(signIn)
  const denied = await waiting(activates(asAlice, roleID))
  await ofRoles.answers(asAna, denied, 'Deny')
  assert.equal((await ofRoles.request(asAlice, denied)).status, 'Denied')

  const withdrawn = await waiting(activates(asAlice, roleID))
  await ofRoles.cancel(asAlice, withdrawn)
  assert.equal((await ofRoles.request(asAlice, withdrawn)).status, 'Canceled')
  await refused(ofRoles.cancel(asAlice, withdrawn), 400, 'RequestCannotBeCancelled')
  rows(await holds(app, alice, roleID), 0, 'active assignments')
})

test('nobody decides, and the request lapses', async () => {
  const [alice, ben] = ['alice', 'ben'].map(someone)
  const roleID = await roleWith('Teams Administrator', alice, stage(approvers(ben)))
  const [asAlice, asBen] = [alice, ben].map(signIn)
  const id = await waiting(activates(asAlice, roleID))
  await after(days(1) + minutes(1))
  await until((r) => r.status === 'Failed', () => ofRoles.request(asAlice, id), 'the request after a day')
  await refused(ofRoles.decides(asBen, id, id, 'Approve'), 404, unseen)
  rows(await holds(app, alice, roleID), 0, 'active assignments')
})

/** Alice's manager, then a controller, whose deputy is asked when an hour has passed, then a security engineer. */
const threeStages = () => [
  stage([{ '@odata.type': '#microsoft.graph.requestorManager', managerLevel: 1 }]),
  stage(approvers(someone('ben')), {
    isEscalationEnabled: true, escalationTimeInMinutes: 60, escalationApprovers: approvers(someone('ana')),
  }),
  stage(approvers(someone('eve'))),
]

/** Follows a request of Alice's through the three stages. Whoever's turn it is not cannot decide. */
async function followThreeStages(kind, asAlice, id, about, given) {
  const [mia, ben, ana, eve] = ['mia', 'ben', 'ana', 'eve'].map(someone)
  const [asMia, asBen, asAna, asEve] = [mia, ben, ana, eve].map(signIn)
  assert.equal(await kind.states(asMia, id), 'InProgress mine, Initializing not mine, Initializing not mine')
  await refused(kind.decides(asBen, id, id, 'Approve'), 404, unseen)
  assert.equal(await kind.answers(asMia, id, 'Approve'), id, "the first stage has the approval's id")
  assert.equal(await given(), false, 'given after the first stage')

  // Ana may not decide before the hour is over; then she may, and Ben still may.
  rows(await kind.toDecide(asAna, about), 0, 'requests that Ana sees before the escalation')
  await refused(kind.decides(asAna, id, id, 'Approve'), 404, unseen)
  rows(await kind.toDecide(asBen, about), 1, 'requests that Ben sees before the escalation')
  await after(minutes(61))
  await until((list) => list.length === 1, () => kind.toDecide(asAna, about), 'requests that Ana sees after the escalation')
  rows(await kind.toDecide(asBen, about), 1, 'requests that Ben sees after the escalation')
  await kind.answers(asAna, id, 'Approve')
  assert.equal(await given(), false, 'given after the second stage')

  assert.equal(await kind.states(asEve, id), 'Completed not mine, Completed not mine, InProgress mine')
  await kind.answers(asEve, id, 'Approve')
  assert.equal((await kind.request(asAlice, id)).status, 'Provisioned')
  assert.deepEqual((await kind.stages(asEve, id)).map((s) => s.reviewedBy.id), [mia, ana, eve].map((p) => p.id))
  assert.equal(await given(), true, 'given after the third stage')
}

test('three stages agree to a role one after the other, and one escalates', async () => {
  const alice = someone('alice')
  const roleID = await roleWith('Exchange Administrator', alice, ...threeStages())
  const asAlice = signIn(alice)
  const id = await waiting(activates(asAlice, roleID))
  await followThreeStages(ofRoles, asAlice, id, `roleDefinitionId eq '${roleID}'`,
    async () => (await holds(app, alice, roleID)).length === 1)
})

test('three stages agree to a membership one after the other, and one escalates', async () => {
  const alice = someone('alice')
  const groupID = await groupWith('three-stages', alice, ...threeStages())
  const asAlice = signIn(alice)
  const id = await waiting(joins(asAlice, groupID))
  await followThreeStages(ofGroups, asAlice, id, `groupId eq '${groupID}'`,
    async () => (await ids(app, `/groups/${groupID}/members`)).includes(alice.id))
})

// The schema has no word for how many must agree; minimum is the server's own, and is left out where one is enough.
test('two of three must agree', async () => {
  const [bob, ana, ben, eve] = ['bob', 'ana', 'ben', 'eve'].map(someone)
  const groupID = await groupWith('two-of-three', bob, stage(approvers(ana, ben, eve), { minimum: 2 }))
  const { rules } = await policy(app, 'member', groupID)
  assert.equal(rules.find((r) => r.id === 'Approval_EndUser_Assignment').setting.approvalStages[0].minimum, 2)

  const [asBob, asAna, asEve] = [bob, ana, eve].map(signIn)
  const id = await waiting(joins(asBob, groupID))
  await ofGroups.answers(asAna, id, 'Approve')
  assert.equal((await ofGroups.request(asBob, id)).status, 'PendingApproval')
  await refused(ofGroups.decides(asAna, id, id, 'Approve'), 409, 'Conflict')
  await ofGroups.answers(asEve, id, 'Approve')
  assert.equal((await ofGroups.request(asBob, id)).status, 'Provisioned')
  const { value } = await app.api(`${groups}/assignmentScheduleInstances`).filter(`groupId eq '${groupID}'`).get()
  assert.equal(rows(value, 1, 'active memberships')[0].principalId, bob.id)
})

// One "no" is enough, whoever said "yes" before. Beta tells the same by other names.
test('one of two says no', async () => {
  const [bob, ana, ben] = ['bob', 'ana', 'ben'].map(someone)
  const groupID = await groupWith('one-says-no', bob, stage(approvers(ana, ben), { minimum: 2 }))
  const [asBob, asAna, asBen] = [bob, ana, ben].map(signIn)
  const id = await waiting(joins(asBob, groupID))
  assert.deepEqual((await ofGroups.mine(asAna)).filter((a) => a.id === id).map((a) => a.stages.length), [1])
  await ofGroupsInBeta.answers(asAna, id, 'Approve')
  assert.deepEqual((await ofGroupsInBeta.mine(asBen)).filter((a) => a.id === id).map((a) => a.steps[0].status), ['InProgress'])
  await ofGroupsInBeta.answers(asBen, id, 'Deny')
  assert.equal((await ofGroups.request(asBob, id)).status, 'Denied')
  assert.deepEqual(await ids(app, `/groups/${groupID}/members`), [])
})
