import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import test from 'node:test'
import { done, makeGroup, policyFailed, refs, refused, rows } from './ask.js'
import { after, application, days, hours, minutes, signInOnPages, someone } from './house.js'
import {
  ResourceCaller, activatesAt, activation, authorization, changesRules, deactivatesAt, decidesAt, group, guid, lastsFor, listed,
  makesEligibleAt, needsApproval, onResources, own, policyAt, resourceRole, rule, subscription, target,
} from './resources.js'

// Pat owns everything that the sample organisation has.
const pat = onResources(someone('pat'))

/** Makes a subscription with two resource groups and a host in the first, and finds a role there. */
async function site(name, roleName) {
  const id = await subscription(pat, name)
  const owner = onResources(someone('pat'), id)
  const scope = `/subscriptions/${id}`
  const [first, second] = [await group(owner, 'first'), await group(owner, 'second')]
  const host = await target(owner, first, 'hosts', 'web')
  return { id, scope, owner, first, second, host, role: await resourceRole(owner, scope, roleName) }
}

/** Lists requests for active assignments. */
const requests = (caller, scope, filter) => listed(caller.roleAssignmentScheduleRequests.listForScope(scope, { filter }))

// The main story: eligible at a subscription, active in one resource group of it when somebody else agrees, seen below, given back.
test('an eligible person activates for a resource group', async () => {
  const [alice, ana] = ['alice', 'ana'].map(someone)
  const { id, scope, owner, first, second, host, role } = await site('rye', 'Contributor')
  const eligible = await makesEligibleAt(owner, scope, role, alice.id)
  assert.equal(eligible.requestorId, owner.id)
  assert.equal(eligible.expandedProperties.roleDefinition.displayName, 'Contributor')
  await changesRules(owner, scope, role, needsApproval(ana))

  const [asAlice, asAna] = [onResources(alice, id), onResources(ana, id)]
  const [everywhere] = rows(await own(asAlice, 'roleEligibilityScheduleInstances', '', role), 1, 'eligibilities anywhere')
  assert.equal(`${everywhere.scope} ${everywhere.memberType} ${everywhere.principalType}`, `${scope} Direct User`)
  const [below] = rows(await own(asAlice, 'roleEligibilitySchedules', host, role), 1, 'eligibilities for the host')
  assert.equal(`${below.scope} ${below.memberType}`, `${scope} Inherited`)
  const places = await listed(asAlice.eligibleChildResources.list(scope, { filter: "resourceType eq 'resourcegroup'" }))
  assert.deepEqual(places.map((p) => `${p.type} ${p.id}`).sort(), [`resourcegroup ${first}`, `resourcegroup ${second}`])

  const tried = await asAlice.roleAssignmentScheduleRequests.validate(first, randomUUID(), activation(asAlice, role))
  assert.equal(tried.status, 'PendingEvaluation')
  rows(await requests(asAlice, first, 'asRequestor()'), 0, 'requests after a trial')
  const asked = await done(activatesAt(asAlice, first, role,
    { linkedRoleEligibilityScheduleId: everywhere.roleEligibilityScheduleId }), 'PendingApproval')
  rows(await own(asAlice, 'roleAssignmentScheduleInstances', '', role), 0, 'active assignments while waiting')
  await refused(activatesAt(asAlice, first, role), 400, 'PendingRoleAssignmentRequest')

  const [waits] = rows(await requests(asAna, '', 'asApprover()'), 1, 'requests that Ana sees')
  assert.equal(`${waits.name} ${waits.approvalId}`, `${asked.name} ${asked.approvalId}`)
  await assert.rejects(decidesAt(asAlice, asked.approvalId, 'Approve'), { statusCode: 403 })
  await decidesAt(asAna, waits.approvalId, 'Approve')
  assert.equal((await asAlice.roleAssignmentScheduleRequests.get(first, asked.name)).status, 'Provisioned')
  await refused(activatesAt(asAlice, first, role), 400, 'RoleAssignmentExists')

  await seesActivation(asAlice, { first, second, host, role, eligibility: everywhere })
  await refused(deactivatesAt(asAlice, first, role), 400, 'ActiveDurationTooShort')
  await after(minutes(6))
  await done(deactivatesAt(asAlice, first, role), 'Revoked')
  rows(await own(asAlice, 'roleAssignmentScheduleInstances', '', role), 0, 'active assignments after deactivation')

  const again = await done(activatesAt(asAlice, host, role), 'PendingApproval')
  await decidesAt(asAna, again.approvalId, 'Approve')
  rows(await own(asAlice, 'roleAssignmentScheduleInstances', host, role), 1, 'active assignments')
  await after(hours(1))
  rows(await own(asAlice, 'roleAssignmentScheduleInstances', '', role), 0, 'active assignments after an hour')
  rows(await own(asAlice, 'roleEligibilityScheduleInstances', '', role), 1, 'eligibilities after an hour')
})

/** Checks that a person finds their own activation where it is and below, and may do there what the role permits. */
async function seesActivation(caller, { first, second, host, role, eligibility }) {
  const set = 'roleAssignmentScheduleInstances'
  const [active] = rows(await own(caller, set, first, role), 1, 'active assignments in the group')
  assert.equal(`${active.assignmentType} ${active.memberType} ${active.scope}`, `Activated Direct ${first}`)
  assert.equal(active.linkedRoleEligibilityScheduleId, guid(eligibility.roleEligibilityScheduleId))
  assert.equal(active.endDateTime - active.startDateTime, hours(1) * 1000)
  const [inherited] = rows(await own(caller, set, host, role), 1, 'active assignments at the host')
  assert.equal(`${inherited.memberType} ${inherited.scope}`, `Inherited ${first}`)
  rows(await own(caller, set, second, role), 0, 'active assignments in the other group')

  const held = await caller.roleAssignments.getById(active.originRoleAssignmentId)
  assert.equal(`${held.principalId} ${held.scope}`, `${caller.id} ${first}`)
  const [may] = rows(await listed(caller.permissions.listForResourceGroup('first')), 1, 'permissions')
  assert.deepEqual(may.actions, ['*'])
  assert.ok(may.notActions.includes('Microsoft.Authorization/*/Write'), `notActions: ${may.notActions}`)
  await target(caller, first, 'hosts', 'mail')
  await refused(target(caller, second, 'hosts', 'mail'), 403, 'AuthorizationFailed')
}

test('an activation is denied, one is withdrawn, and one is planned', async () => {
  const [bob, ben] = ['bob', 'ben'].map(someone)
  const { id, scope, owner, first, role } = await site('oats', 'Reader')
  await makesEligibleAt(owner, scope, role, bob.id)
  await changesRules(owner, scope, role, needsApproval(ben))
  const [asBob, asBen] = [onResources(bob, id), onResources(ben, id)]
  const asked = asBob.roleAssignmentScheduleRequests

  const denied = await done(activatesAt(asBob, first, role), 'PendingApproval')
  await decidesAt(asBen, denied.approvalId, 'Deny')
  assert.equal((await asked.get(first, denied.name)).status, 'Denied')

  const withdrawn = await done(activatesAt(asBob, first, role), 'PendingApproval')
  await asked.cancel(first, withdrawn.name)
  assert.equal((await asked.get(first, withdrawn.name)).status, 'Canceled')
  await refused(asked.cancel(first, withdrawn.name), 400, 'RequestCannotBeCancelled')
  await refused(asked.create(first, withdrawn.name, activation(asBob, role)), 409, 'RoleAssignmentRequestExists')

  // One that begins later can be taken back, too.
  await changesRules(owner, scope, role, rule('Approval', { setting: { isApprovalRequired: false } }))
  const scheduleInfo = { startDateTime: new Date(+withdrawn.createdOn + days(3) * 1000), ...lastsFor('PT1H') }
  const later = await done(activatesAt(asBob, first, role, { scheduleInfo }), 'Granted')
  rows(await own(asBob, 'roleAssignmentSchedules', first, role), 1, 'planned assignments')
  rows(await own(asBob, 'roleAssignmentScheduleInstances', first, role), 0, 'assignments in force')
  await asked.cancel(first, later.name)
  rows(await own(asBob, 'roleAssignmentSchedules', first, role), 0, 'planned assignments after the withdrawal')

  const mine = await requests(asBob, '', 'asRequestor()')
  assert.deepEqual(mine.filter((r) => r.scope === first).map((r) => r.status).sort(), ['Canceled', 'Canceled', 'Denied'])
})

test('a policy is read, changed and brought back', async () => {
  const bob = someone('bob')
  const { id, scope, owner, first, role } = await site('barley', 'Contributor')
  await makesEligibleAt(owner, scope, role, bob.id)
  const bindings = owner.roleManagementPolicyAssignments.listForScope(scope).byPage()
  const pages = (await listed(bindings)).map((page) => page.length)
  assert.ok(pages.length > 1, `bindings by page: ${pages}`)
  const { name, rules } = await policyAt(owner, scope, role)
  rows(rules, 17, 'rules')
  assert.deepEqual(rules.find((r) => r.id === 'Enablement_EndUser_Assignment').enabledRules, ['Justification'])
  const changed = await changesRules(owner, scope, role,
    rule('Expiration', { isExpirationRequired: true, maximumDuration: 'PT30M' }),
    rule('Enablement', { enabledRules: ['Justification', 'Ticketing'] }))
  rows(changed.rules, 17, 'rules after the change')
  assert.equal(changed.rules.find((r) => r.id === 'Expiration_EndUser_Assignment').maximumDuration, 'PT30M')
  assert.equal(changed.lastModifiedBy.id, owner.id)
  const { rules: elsewhere } = await policyAt(owner, first, role)
  assert.equal(elsewhere.find((r) => r.id === 'Expiration_EndUser_Assignment').maximumDuration, 'PT8H')

  const asBob = onResources(bob, id)
  const refusal = await refused(activatesAt(asBob, first, role, { justification: '' }), 400, policyFailed)
  assert.match(refusal.message, /\["ExpirationRule","JustificationRule","TicketingRule"\]/)
  const withoutApprovers = rule('Approval', { setting: { isApprovalRequired: true, approvalStages: [] } })
  await refused(changesRules(owner, scope, role, withoutApprovers), 400, 'InvalidPolicy')
  await refused(asBob.roleManagementPolicies.update(scope, name, { rules: [] }), 403, 'AuthorizationFailed')

  await owner.roleManagementPolicies.delete(scope, name)
  await done(activatesAt(asBob, first, role), 'Provisioned')
})

// A role may demand an authentication context. The refusal carries the claims in its message, as clients look for them.
test('a role demands an authentication context', async () => {
  const eve = someone('eve')
  const { id, scope, owner, host, role } = await site('maize', 'Reader')
  await makesEligibleAt(owner, scope, role, eve.id)
  await changesRules(owner, scope, role, rule('AuthenticationContext', { isEnabled: true, claimValue: 'c1' }))
  const caller = signInOnPages(eve)
  const activates = () => activatesAt(new ResourceCaller(caller, id), host, role)
  const refusal = await refused(activates(), 400, 'RoleAssignmentRequestAcrsValidationFailed')
  const token = await caller.token(decodeURIComponent(/&claims=(.*)$/.exec(refusal.message)[1]))
  assert.ok([token.acrs].flat().includes('c1'), `contexts after the step-up: ${token.acrs}`)
  // A client goes on with the token that it has: so another one asks.
  await done(activates(), 'Provisioned')
})

// Who is in a group that is eligible activates for themselves.
test('a group is eligible, and a member activates', async () => {
  const [alice, bob] = ['alice', 'bob'].map(someone)
  const { id, scope, owner, host, role } = await site('millet', 'Reader')
  const bakers = await makeGroup(application(), 'bakers', { 'members@odata.bind': refs(alice) })
  const request = await makesEligibleAt(owner, scope, role, bakers.id)
  assert.equal(request.expandedProperties.principal.type, 'Group')
  const [asAlice, asBob] = [alice, bob].map((p) => onResources(p, id))
  const [row] = rows(await own(asAlice, 'roleEligibilityScheduleInstances', '', role), 1, 'eligibilities')
  assert.equal(`${row.principalId} ${row.memberType}`, `${bakers.id} Group`)
  const refusal = await refused(activatesAt(asBob, host, role), 400, policyFailed)
  assert.match(refusal.message, /EligibilityRule/)
  await done(activatesAt(asAlice, host, role), 'Provisioned')
  const [active] = rows(await own(asAlice, 'roleAssignmentScheduleInstances', host, role), 1, 'active assignments')
  assert.equal(`${active.principalId} ${active.memberType} ${active.assignmentType}`, `${alice.id} Direct Activated`)
})

test('an active assignment is given and taken', async () => {
  const bob = someone('bob')
  const { scope, owner, first, role } = await site('sorghum', 'Contributor')
  const asks = (requestType, more) => owner.roleAssignmentScheduleRequests.create(scope, randomUUID(),
    { requestType, principalId: bob.id, roleDefinitionId: role, scheduleInfo: lastsFor('P7D'), ...more })
  const refusal = await refused(asks('AdminAssign'), 400, policyFailed)
  assert.match(refusal.message, /\["JustificationRule"\]/)
  const given = await done(asks('AdminAssign', { justification: 'Stands in for a colleague' }), 'Provisioned')
  const list = () => listed(owner.roleAssignmentScheduleInstances.listForScope(first, { filter: `principalId eq '${bob.id}'` }))
  const [row] = rows(await list(), 1, 'active assignments')
  assert.equal(`${row.assignmentType} ${row.memberType} ${row.roleAssignmentScheduleId}`,
    `Assigned Inherited ${scope}/${authorization}/roleAssignmentSchedules/${given.targetRoleAssignmentScheduleId}`)
  await refused(asks('AdminRemove'), 400, 'ActiveDurationTooShort')
  await after(minutes(6))
  await done(asks('AdminRemove'), 'Revoked')
  rows(await list(), 0, 'active assignments after removal')
})

test('an eligibility is changed, extended and taken', async () => {
  const bob = someone('bob')
  const { scope, owner, role } = await site('spelt', 'Contributor')
  const { principalId, roleDefinitionId } = await makesEligibleAt(owner, scope, role, bob.id)
  const change = (requestType, more) => owner.roleEligibilityScheduleRequests.create(scope, randomUUID(), {
    requestType, principalId, roleDefinitionId, justification: 'Stays on', ...more,
  })
  const lasting = async () => {
    const list = await listed(owner.roleEligibilityScheduleInstances.listForScope(scope, { filter: `principalId eq '${bob.id}'` }))
    const [{ startDateTime, endDateTime }] = rows(list, 1, 'eligibilities')
    return Math.round((endDateTime - startDateTime) / 1000)
  }
  await refused(change('AdminAssign', { scheduleInfo: lastsFor('P40D') }), 400, 'RoleAssignmentExists')
  await done(change('AdminUpdate', { scheduleInfo: lastsFor('P40D') }), 'Provisioned')
  assert.equal(await lasting(), days(40))
  await done(change('AdminExtend', { scheduleInfo: lastsFor('P60D') }), 'Provisioned')
  assert.equal(await lasting(), days(60))
  const forever = await refused(change('AdminUpdate', { scheduleInfo: { expiration: { type: 'NoExpiration' } } }), 400, policyFailed)
  assert.match(forever.message, /ExpirationRule/)
  await done(change('AdminRemove'), 'Revoked')
  await refused(change('AdminRemove'), 400, 'RoleAssignmentDoesNotExist')
})
