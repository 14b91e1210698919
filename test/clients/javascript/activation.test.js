import assert from 'node:assert/strict'
import test from 'node:test'
import {
  activates, assignment, demands, demandsContext, done, eligibilities, holds, lasts, makesEligible, policyFailed, refused,
  role, roles, rows, rule,
} from './ask.js'
import { after, application, hours, minutes, signInByDevice, signInOnPages, someone } from './house.js'

const app = application()

// The main story: eligible, refused without a second factor, stepped up by the challenge, active, ended by hand, active
// again, and over when the hour is.
test('an eligible person activates', async () => {
  const alice = someone('alice')
  const roleID = await role(app, 'Message Center Reader')
  const schedule = await makesEligible(app, alice, roleID)
  const [row] = rows(await eligibilities(app, alice, roleID, 'principal', 'roleDefinition'), 1, 'eligibilities')
  assert.equal(row.roleEligibilityScheduleId, schedule)
  assert.equal(row.roleDefinition.displayName, 'Message Center Reader')
  assert.equal(row.principal['@odata.type'], '#microsoft.graph.user')
  assert.equal(row.principal.displayName, alice.displayName)

  const caller = signInByDevice(alice)
  await refused(activates(caller, roleID, { justification: '' }), 400, policyFailed)
  const refusal = await refused(activates(caller, roleID), 400, policyFailed)
  assert.match(refusal.message, /MfaRule/)
  assert.doesNotMatch(refusal.message, /JustificationRule/)
  const token = await caller.token(claimsOf(refusal))
  assert.ok(token.amr.includes('mfa'), `methods after the step-up: ${token.amr}`)

  const got = await done(activates(caller, roleID), 'Provisioned')
  assert.equal(got.targetScheduleId, got.id)
  assert.equal(got.createdBy.user.id, alice.id)
  assert.equal(got.scheduleInfo.expiration.duration, 'PT1H')
  await sees(caller, roleID, schedule)
  await refused(activates(caller, roleID), 400, 'RoleAssignmentExists')

  await refused(assignment(caller, 'selfDeactivate', alice.id, roleID), 400, 'ActiveDurationTooShort')
  await after(minutes(6))
  await done(assignment(caller, 'selfDeactivate', alice.id, roleID), 'Revoked')
  rows(await holds(app, alice, roleID), 0, 'active assignments after deactivation')
  await done(activates(caller, roleID), 'Provisioned')
  rows(await holds(app, alice, roleID), 1, 'active assignments')
  await after(hours(1))
  rows(await holds(app, alice, roleID), 0, 'active assignments after an hour')
  rows(await eligibilities(app, alice, roleID), 1, 'eligibilities after an hour')
})

/** The claims that the challenge of a refusal asks for. */
function claimsOf(refusal) {
  const header = refusal.headers.get('www-authenticate')
  assert.match(header, /error="insufficient_user_authentication"/) // RFC 9470 §3
  return Buffer.from(/claims="([^"]*)"/.exec(header)[1], 'base64').toString()
}

/** Checks that a person sees their own activation and what it rests on. */
async function sees(caller, roleID, schedule) {
  const { value } = await caller.api(`${roles}/roleAssignmentScheduleInstances/filterByCurrentUser(on='principal')`)
    .filter(`roleDefinitionId eq '${roleID}' and assignmentType eq 'Activated'`)
    .expand('roleDefinition($select=id,displayName),activatedUsing,principal').get()
  const [row] = rows(value, 1, "one's own activations")
  assert.equal(row.memberType, 'Direct')
  assert.equal(row.activatedUsing.roleEligibilityScheduleId, schedule)
  assert.equal(Date.parse(row.endDateTime) - Date.parse(row.startDateTime), hours(1) * 1000)
}

// A role may demand an authentication context. The refusal carries the claims in its message, as clients look for them.
test('a role demands an authentication context', async () => {
  const bob = someone('bob')
  const roleID = await role(app, 'Search Administrator')
  await makesEligible(app, bob, roleID)
  await refused(rule(app, roleID, demandsContext('c1')), 400, 'MfaAndAcrsConflict')
  await rule(app, roleID, demands('Justification'))
  await rule(app, roleID, demandsContext('c1'))

  const caller = signInOnPages(bob)
  const refusal = await refused(activates(caller, roleID), 400, 'RoleAssignmentRequestAcrsValidationFailed')
  const claims = decodeURIComponent(/&claims=(.*)$/.exec(refusal.message)[1])
  assert.equal(claims, '{"access_token":{"acrs":{"essential":true, "value":"c1"}}}')
  const token = await caller.token(claims)
  assert.ok([token.acrs].flat().includes('c1'), `contexts after the step-up: ${token.acrs}`)
  await done(activates(caller, roleID), 'Provisioned')
})

test('an active assignment is given and taken', async () => {
  const alice = someone('alice')
  const roleID = await role(app, 'Usage Summary Reports Reader')
  const refusal = await refused(assignment(app, 'adminAssign', alice.id, roleID, { scheduleInfo: lasts('P7D') }), 400, policyFailed)
  assert.match(refusal.message, /JustificationRule/)
  const given = await done(assignment(app, 'adminAssign', alice.id, roleID,
    { scheduleInfo: lasts('P7D'), justification: 'Stands in for a colleague' }), 'Provisioned')
  assert.equal(given.createdBy.application.id, app.id)
  const [row] = rows(await holds(app, alice, roleID, 'principal', 'roleDefinition'), 1, 'active assignments')
  assert.equal(row.assignmentType, 'Assigned')
  await refused(assignment(app, 'adminRemove', alice.id, roleID), 400, 'ActiveDurationTooShort')
  await after(minutes(6))
  const taken = await done(assignment(app, 'adminRemove', alice.id, roleID), 'Revoked')
  assert.equal(taken.targetScheduleId, null)
  rows(await holds(app, alice, roleID), 0, 'active assignments after the removal')
})
