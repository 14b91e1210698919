import assert from 'node:assert/strict'
import test from 'node:test'
import {
  activates, approvers, approversOf, demands, demandsApproval, done, lasts, lastsAtMost, makesEligible, policy, policyFailed,
  refused, role, rows, rule, stage,
} from './ask.js'
import { application, sample, signIn, someone } from './house.js'

const app = application()

// A changed rule is read back as it was sent, in its own type; the other sixteen stay; the next request meets it.
test('a rule is changed', async () => {
  const alice = someone('alice')
  const roleID = await role(app, 'Knowledge Manager')
  await makesEligible(app, alice, roleID)
  await rule(app, roleID, demands('Justification'))
  await rule(app, roleID, lastsAtMost('PT2H'))

  const { id, rules, lastModifiedDateTime } = await policy(app, roleID)
  rows(rules, 17, 'rules')
  assert.ok(Date.parse(lastModifiedDateTime) > 0, 'the policy does not say when it was changed')
  const changed = await app.api(`/policies/roleManagementPolicies/${id}/rules/Expiration_EndUser_Assignment`).get()
  assert.equal(changed['@odata.type'], '#microsoft.graph.unifiedRoleManagementPolicyExpirationRule')
  assert.equal(changed.maximumDuration, 'PT2H')
  assert.equal(changed.isExpirationRequired, true)
  assert.equal(`${changed.target.caller} ${changed.target.level}`, 'EndUser Assignment')

  const caller = signIn(alice)
  const refusal = await refused(activates(caller, roleID, { scheduleInfo: lasts('PT3H') }), 400, policyFailed)
  assert.match(refusal.message, /ExpirationRule/)
  await done(activates(caller, roleID, { scheduleInfo: lasts('PT2H') }), 'Provisioned')
})

// Approvers are read back in the form of the version that is asked, people and groups apart.
test('approvers are read back', async () => {
  const ana = someone('ana')
  const group = sample.groups['payroll-approvers'].id
  const roleID = await role(app, 'Search Editor')
  await rule(app, roleID, demandsApproval(stage([...approvers(ana), ...approversOf(group)])))

  // The whole policy, in one call, takes another rule beside it and leaves this one alone.
  const { id } = await policy(app, roleID)
  await app.api(`/policies/roleManagementPolicies/${id}`).patch({ rules: [demands('Justification', 'Ticketing')] })
  const { rules } = await policy(app, roleID)
  const find = (ruleID) => rules.find((r) => r.id === ruleID)
  assert.deepEqual(find('Enablement_EndUser_Assignment').enabledRules, ['Justification', 'Ticketing'])
  const { setting } = find('Approval_EndUser_Assignment')
  assert.equal(setting.isApprovalRequired, true)
  const [first] = rows(setting.approvalStages, 1, 'stages')
  assert.deepEqual(first.primaryApprovers.map((a) => [a['@odata.type'], a.userId ?? a.groupId]),
    [['#microsoft.graph.singleUser', ana.id], ['#microsoft.graph.groupMembers', group]])

  const old = await app.beta(`/policies/roleManagementPolicies/${id}/rules/Approval_EndUser_Assignment`).get()
  assert.deepEqual(old.setting.approvalStages[0].primaryApprovers.map((a) => a.id), [ana.id, group])
})
