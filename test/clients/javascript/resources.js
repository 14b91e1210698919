// What the stories about resources ask for, in few words: Azure Resource Manager by the SDK's own clients, for one caller.
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { AuthorizationManagementClient } from '@azure/arm-authorization'
import { ManagementGroupsAPI } from '@azure/arm-managementgroups'
import { ResourceManagementClient } from '@azure/arm-resources'
import { createHttpHeaders, createPipelineRequest } from '@azure/core-rest-pipeline'
import { done, rows } from './ask.js'
import { sample, scopes, signIn } from './house.js'

export const authorization = 'providers/Microsoft.Authorization'
const targets = 'providers/Portcullis.Targets'

/** The version of what hangs below a resource group. A site's own resources know no versions: any will do. */
const anyVersion = '2024-01-01'

/** The SDK's clients for one caller, as they are pointed at the server: by endpoint and credentialScopes. */
export class ResourceCaller extends AuthorizationManagementClient {
  constructor(caller, subscriptionID = sample.subscriptions.shop.id) {
    super(caller.credential, subscriptionID, { endpoint: sample.url, credentialScopes: scopes })
    this.id = caller.id
    this.credential = caller.credential
  }

  /** The client for management groups, which asks for a token by the server's address. */
  get tree() { return new ManagementGroupsAPI(this.credential, { endpoint: sample.url }) }

  /** The client for resource groups and resources. It asks for a token by the name that Azure Resource Manager has elsewhere. */
  get resources() { return new ResourceManagementClient(this.credential, this.subscriptionId, { endpoint: sample.url }) }

  /** Asks what the SDK has no method for, through its own pipeline, and returns the answer's body. Refusals are the SDK's errors. */
  async send(method, path, apiVersion, body) {
    const answer = await this.sendRequest(createPipelineRequest({
      method, url: `${sample.url}${path}?api-version=${apiVersion}`,
      body: body && JSON.stringify(body), headers: createHttpHeaders({ 'Content-Type': 'application/json' }),
    }))
    const got = answer.bodyAsText ? JSON.parse(answer.bodyAsText) : undefined
    if (answer.status >= 300) throw Object.assign(new Error(got.error.message), { statusCode: answer.status, code: got.error.code })
    return got
  }
}

/** Signs a person in, to speak about resources. */
export const onResources = (person, subscriptionID) => new ResourceCaller(signIn(person), subscriptionID)

/** Reads all rows of a list, page by page, with the SDK's own iterator. */
export const listed = (list) => Array.fromAsync(list)

/** Makes a subscription of that name, and returns its id. The SDK has a package of its own for that, of which this is one call. */
export async function subscription(owner, alias) {
  const { properties } = await owner.send('PUT', `/providers/Microsoft.Subscription/aliases/${alias}`, '2021-10-01',
    { properties: { displayName: alias, workload: 'Production' } })
  return properties.subscriptionId
}

/** Makes a resource group, and returns its scope. */
export async function group(owner, name) {
  return (await owner.resources.resourceGroups.createOrUpdate(name, { location: 'global' })).id
}

/** Makes a site's own resource in a resource group, and returns its scope. */
export async function target(owner, groupScope, type, name) {
  const scope = `${groupScope}/${targets}/${type}/${name}`
  return (await owner.resources.resources.createOrUpdateById(scope, anyVersion, { location: 'global' })).id
}

/** Finds a role by its name, and returns its id as the scope knows it. */
export async function resourceRole(caller, scope, name) {
  const found = await listed(caller.roleDefinitions.list(scope, { filter: `roleName eq '${name}'` }))
  return rows(found, 1, `roles named ${name}`)[0].id
}

/** A schedule that begins now and lasts for a duration in ISO 8601. */
export const lastsFor = (duration) => ({ expiration: { type: 'AfterDuration', duration } })

/** Makes a principal eligible for a month, which must succeed. */
export function makesEligibleAt(owner, scope, roleDefinitionId, principalId) {
  return done(owner.roleEligibilityScheduleRequests.create(scope, randomUUID(), {
    requestType: 'AdminAssign', principalId, roleDefinitionId, scheduleInfo: lastsFor('P30D'), justification: 'Joins the project',
  }), 'Provisioned')
}

/** What somebody asks for who activates a role for an hour. */
export const activation = (caller, roleDefinitionId, more) => ({
  requestType: 'SelfActivate', principalId: caller.id, roleDefinitionId, scheduleInfo: lastsFor('PT1H'), justification: 'Ticket 4711',
  ...more,
})

/** Asks for a role at a scope, for an hour. */
export function activatesAt(caller, scope, roleDefinitionId, more) {
  return caller.roleAssignmentScheduleRequests.create(scope, randomUUID(), activation(caller, roleDefinitionId, more))
}

/** Gives a role back. */
export function deactivatesAt(caller, scope, roleDefinitionId) {
  return caller.roleAssignmentScheduleRequests.create(scope, randomUUID(),
    { requestType: 'SelfDeactivate', principalId: caller.id, roleDefinitionId })
}

/** What a caller holds, or may activate, at a scope or above it, in a role. */
export async function own(caller, set, scope, roleDefinitionId) {
  const list = await listed(caller[set].listForScope(scope, { filter: 'asTarget()' }))
  return list.filter((row) => guid(row.roleDefinitionId) === guid(roleDefinitionId))
}

/** The last segment of an id. */
export const guid = (id) => id.slice(id.lastIndexOf('/') + 1)

/** The policy of a role at a scope, found by its binding. The SDK cannot ask for the bindings of one role, so it reads all. */
export async function policyAt(caller, scope, roleDefinitionId) {
  const bindings = await listed(caller.roleManagementPolicyAssignments.listForScope(scope))
  const [{ name, policyId }] = rows(bindings.filter((b) => b.roleDefinitionId === roleDefinitionId), 1, 'bindings')
  assert.equal(name, `${guid(policyId)}_${guid(roleDefinitionId)}`)
  return caller.roleManagementPolicies.get(scope, guid(policyId))
}

/** Changes rules of the policy of a role at a scope, and returns the policy. */
export async function changesRules(owner, scope, roleDefinitionId, ...rules) {
  const { name } = await policyAt(owner, scope, roleDefinitionId)
  return owner.roleManagementPolicies.update(scope, name, { rules })
}

/** One of the rules that an activation meets. */
export const rule = (kind, content) => ({ id: `${kind}_EndUser_Assignment`, ruleType: `RoleManagementPolicy${kind}Rule`, ...content })

/** The rule that people must agree to an activation. */
export const needsApproval = (...people) => rule('Approval', {
  setting: {
    isApprovalRequired: true, isRequestorJustificationRequired: true, approvalMode: 'SingleStage',
    approvalStages: [{
      approvalStageTimeOutInDays: 1, isApproverJustificationRequired: true, isEscalationEnabled: false, escalationTimeInMinutes: 0,
      primaryApprovers: people.map((p) => ({ id: p.id, userType: 'User', isBackup: false, description: p.displayName })),
    }],
  },
})

const approvalVersion = '2021-01-01-preview'

/** Answers the one stage of an approval, which the SDK knows no method for. */
export async function decidesAt(caller, approvalID, reviewResult, justification = 'As agreed') {
  const { value } = await caller.send('GET', `${approvalID}/stages`, approvalVersion)
  return caller.send('PATCH', rows(value, 1, 'stages')[0].id, approvalVersion, { properties: { reviewResult, justification } })
}
