// What the stories ask for and check, in few words.
import assert from 'node:assert/strict'
import { setTimeout as pause } from 'node:timers/promises'
import graph from '@microsoft/microsoft-graph-client'
import { sample } from './house.js'

export const roles = '/roleManagement/directory'
export const groups = '/identityGovernance/privilegedAccess/group'
export const policyFailed = 'RoleAssignmentRequestPolicyValidationFailed'

/** Checks that a call was refused with that status and code, and returns the SDK's error. */
export async function refused(call, status, code) {
  let got
  try {
    got = await call
  } catch (err) {
    assert.equal(`${err.statusCode} ${err.code}`, `${status} ${code}`, err.message)
    return err
  }
  assert.fail(`got ${JSON.stringify(got)}, want ${status} ${code}`)
}

/** Checks that a call was answered, and that its request has come that far. */
export async function done(call, status) {
  const got = await call
  assert.equal(got.status, status, JSON.stringify(got))
  return got
}

/** A schedule that begins now and lasts for a duration in ISO 8601. */
export const lasts = (duration) => ({ expiration: { type: 'afterDuration', duration } })

/** Finds a role by its name. */
export async function role(caller, name) {
  const { value } = await caller.api(`${roles}/roleDefinitions`).filter(`displayName eq '${name}'`).get()
  assert.equal(value.length, 1, `roles named ${name}`)
  return value[0].id
}

/** Asks for an eligibility, or the end of one. */
export function eligibility(caller, action, principalId, roleDefinitionId, more) {
  return caller.api(`${roles}/roleEligibilityScheduleRequests`)
    .post({ action, principalId, roleDefinitionId, directoryScopeId: '/', ...more })
}

/** Asks for an active assignment, or the end of one. */
export function assignment(caller, action, principalId, roleDefinitionId, more) {
  return caller.api(`${roles}/roleAssignmentScheduleRequests`)
    .post({ action, principalId, roleDefinitionId, directoryScopeId: '/', ...more })
}

/** An administrator's act that must succeed; it returns the schedule's id. */
export async function makesEligible(caller, person, roleID, duration = 'P30D') {
  const got = await done(eligibility(caller, 'adminAssign', person.id, roleID, { scheduleInfo: lasts(duration) }), 'Provisioned')
  return got.targetScheduleId
}

/** Asks for a role for an hour. */
export function activates(caller, roleID, more) {
  return assignment(caller, 'selfActivate', caller.id, roleID,
    { scheduleInfo: lasts('PT1H'), justification: 'Ticket 4711', ...more })
}

/** Lists a principal's rows of a role in a set of instances. */
export async function instances(caller, set, person, roleID, ...expand) {
  const request = caller.api(`${roles}/${set}`).filter(`principalId eq '${person.id}' and roleDefinitionId eq '${roleID}'`)
  if (expand.length > 0) request.expand(expand)
  return (await request.get()).value
}

/** Lists a principal's active assignments of a role. */
export const holds = (caller, person, roleID, ...expand) =>
  instances(caller, 'roleAssignmentScheduleInstances', person, roleID, ...expand)

/** Lists a principal's eligibilities for a role. */
export const eligibilities = (caller, person, roleID, ...expand) =>
  instances(caller, 'roleEligibilityScheduleInstances', person, roleID, ...expand)

/** Asks again until an answer holds: what the clock decides is there a moment after it was moved. */
export async function until(holds, ask, what) {
  const deadline = Date.now() + 10_000
  for (;;) {
    const got = await ask()
    if (holds(got)) return got
    assert.ok(Date.now() < deadline, `${what}: ${JSON.stringify(got)} after 10 s`)
    await pause(20)
  }
}

/** Checks the number of rows of a list, and returns them. */
export function rows(list, want, what) {
  assert.equal(list.length, want, `${what}: ${JSON.stringify(list)}`)
  return list
}

/** Reads all rows of a list, page by page, with the SDK's own iterator. */
export async function all(caller, request) {
  const list = []
  const pages = new graph.PageIterator(caller.client, await request.get(), (row) => list.push(row) > 0)
  await pages.iterate()
  assert.ok(pages.isComplete())
  return list
}

/** The policy of a role or of a side of a group, with its rules. */
export async function policy(caller, roleID, groupID) {
  const scope = groupID ? `scopeId eq '${groupID}' and scopeType eq 'Group'` : "scopeId eq '/' and scopeType eq 'DirectoryRole'"
  const { value } = await caller.api('/policies/roleManagementPolicyAssignments')
    .filter(`${scope} and roleDefinitionId eq '${roleID}'`).expand('policy($expand=rules)').get()
  return rows(value, 1, 'policies')[0].policy
}

/** Changes one rule of a role's policy. */
export async function rule(caller, roleID, change) {
  return changeRule(caller, await policy(caller, roleID), change)
}

/** Changes one rule of the policy for the members of a group. */
export async function memberRule(caller, groupID, change) {
  return changeRule(caller, await policy(caller, 'member', groupID), change)
}

function changeRule(caller, { id }, change) {
  return caller.api(`/policies/roleManagementPolicies/${id}/rules/${change.id}`).patch(change)
}

/** Asks for something about a group: set is assignment or eligibility, accessId member or owner. */
export function access(caller, set, action, principalId, groupId, accessId = 'member', more = undefined) {
  return caller.api(`${groups}/${set}ScheduleRequests`).post({ action, principalId, groupId, accessId, ...more })
}

/** Makes somebody eligible for a side of a group for a month, which must succeed. */
export function opens(caller, person, groupID, accessId = 'member') {
  return done(access(caller, 'eligibility', 'adminAssign', person.id, groupID, accessId,
    { scheduleInfo: lasts('P30D'), justification: 'Joins the project' }), 'Provisioned')
}

/** Asks for a side of a group for an hour. */
export function joins(caller, groupID, accessId = 'member', more = undefined) {
  return access(caller, 'assignment', 'selfActivate', caller.id, groupID, accessId,
    { scheduleInfo: lasts('PT1H'), justification: 'Ticket 4711', ...more })
}

/** Makes a security group with a name of its own. */
export function makeGroup(caller, mailNickname, more) {
  return caller.api('/groups').post({
    displayName: mailNickname, mailNickname, mailEnabled: false, securityEnabled: true, ...more,
  })
}

/** Makes a user with a name of their own, and a password to sign in with. */
export async function makeUser(caller, mailNickname) {
  const password = `It is ${mailNickname}, really!`
  const user = await caller.api('/users').post({
    accountEnabled: true, displayName: mailNickname, mailNickname, userPrincipalName: `${mailNickname}@${sample.domain}`,
    passwordProfile: { password, forceChangePasswordNextSignIn: false },
  })
  return { ...user, password }
}

/** The addresses of directory objects, as a body binds to them. */
export const refs = (...objects) => objects.map((o) => `${sample.url}/v1.0/directoryObjects/${o.id}`)

/** The ids of the rows of a list. */
export async function ids(caller, path) { return (await all(caller, caller.api(path))).map((row) => row.id) }

const ruleType = (name) => `#microsoft.graph.unifiedRoleManagementPolicy${name}Rule`

/** The rule that says what must be proved or said at an activation. */
export const demands = (...enabledRules) => ({
  '@odata.type': ruleType('Enablement'), id: 'Enablement_EndUser_Assignment', enabledRules,
})

/** The rule that demands an authentication context at an activation. */
export const demandsContext = (claimValue) => ({
  '@odata.type': ruleType('AuthenticationContext'), id: 'AuthenticationContext_EndUser_Assignment', isEnabled: true, claimValue,
})

/** The rule that bounds how long an activation may last. */
export const lastsAtMost = (maximumDuration) => ({
  '@odata.type': ruleType('Expiration'), id: 'Expiration_EndUser_Assignment', isExpirationRequired: true, maximumDuration,
})

/** People who may decide. */
export const approvers = (...people) => people.map((p) => ({ '@odata.type': '#microsoft.graph.singleUser', userId: p.id }))

/** The members of a group, who may decide. */
export const approversOf = (groupId) => [{ '@odata.type': '#microsoft.graph.groupMembers', groupId }]

/** A stage of an approval. */
export const stage = (primaryApprovers, more) => ({
  approvalStageTimeOutInDays: 1, isApproverJustificationRequired: true, primaryApprovers, ...more,
})

/** The rule that says who must agree to an activation, stage by stage. */
export const demandsApproval = (...approvalStages) => ({
  '@odata.type': ruleType('Approval'), id: 'Approval_EndUser_Assignment',
  setting: {
    isApprovalRequired: true, isRequestorJustificationRequired: true,
    approvalMode: approvalStages.length > 1 ? 'Serial' : 'SingleStage', approvalStages,
  },
})
