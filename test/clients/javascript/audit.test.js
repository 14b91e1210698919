import assert from 'node:assert/strict'
import test from 'node:test'
import { ofRoles } from './approvals.js'
import {
  access, activates, all, approvers, demands, demandsApproval, done, joins, lasts, makeGroup, makesEligible, opens, policyFailed,
  refused, role, rows, rule, stage, until,
} from './ask.js'
import { after, application, hours, sample, signIn, someone } from './house.js'

const app = application()
const log = '/auditLogs/directoryAudits'

/** Lists entries, the oldest first. */
const entries = (caller, filter) => all(caller, caller.api(log).filter(filter).orderby('activityDateTime').top(3))

test('the log tells the story of an approved activation', async () => {
  const [bob, ana, aud] = ['bob', 'ana', 'aud'].map(someone)
  const roleID = await role(app, 'Dynamics 365 Administrator')
  await makesEligible(app, bob, roleID)
  await rule(app, roleID, demands('Justification'))
  await rule(app, roleID, demandsApproval(stage(approvers(ana))))
  const [asBob, asAna, asAud] = [bob, ana, aud].map(signIn)
  const { id } = await done(activates(asBob, roleID), 'PendingApproval')
  await ofRoles.answers(asAna, id, 'Approve')
  await after(hours(1))

  // Aud reads the log: an auditor, who may do nothing else.
  const list = await until((found) => found.length === 5, () => entries(asAud, `correlationId eq '${id}'`), 'entries of the request')
  assert.deepEqual(list.map((e) => e.activityDisplayName), [
    'Add member to role requested (PIM activation)',
    'Add member to role approval requested (PIM activation)',
    'Add member to role request approved (PIM activation)',
    'Add member to role completed (PIM activation)',
    'Remove member from role (PIM activation expired)',
  ])
  assert.deepEqual([...new Set(list.map((e) => `${e.loggedByService} ${e.category} ${e.result}`))], ['PIM RoleManagement success'])
  const [asked, , approved, , expired] = list
  assert.equal(asked.initiatedBy.user.userPrincipalName, bob.userPrincipalName)
  assert.equal(asked.resultReason, 'Ticket 4711')
  assert.deepEqual(asked.targetResources.map((t) => t.type), ['Role', 'Request', 'User', 'Directory', 'Other'])
  assert.deepEqual(asked.targetResources.slice(0, 4).map((t) => t.id), [roleID, id, bob.id, sample.tenantId])
  assert.equal(approved.initiatedBy.user.id, ana.id)
  assert.equal(expired.initiatedBy.app.displayName, 'MS-PIM')
  assert.equal(asked.additionalDetails.find((d) => d.key === 'Justification').value, 'Ticket 4711')
  const { activityDateTime } = await asAud.api(`${log}/${asked.id}`).get()
  assert.equal(activityDateTime, asked.activityDateTime)
})

test('the log is filtered and paged through', async () => {
  const [alice, aud] = ['alice', 'aud'].map(someone)
  const { id: groupID } = await makeGroup(app, 'logged')
  const began = (await app.api(log).top(1).get()).value[0].activityDateTime
  await opens(app, alice, groupID)
  const asAlice = signIn(alice)
  await refused(joins(asAlice, groupID, 'member', { justification: '' }), 400, policyFailed)
  await done(joins(asAlice, groupID), 'Provisioned')
  await done(access(app, 'eligibility', 'adminUpdate', alice.id, groupID, 'member',
    { scheduleInfo: lasts('P60D'), justification: 'Longer' }), 'Provisioned')

  const asAud = signIn(aud)
  const about = `targetResources/any(t:t/id eq '${groupID}')`
  const names = async (...filters) => (await entries(asAud, filters.join(' and '))).map((e) => e.activityDisplayName)
  const byAlice = `initiatedBy/user/id eq '${alice.id}'`
  assert.deepEqual(await names(about, "category eq 'GroupManagement'", "loggedByService eq 'PIM'", byAlice, "result eq 'success'"),
    ['Add member to role requested (PIM activation)', 'Add member to role completed (PIM activation)'])
  assert.deepEqual(await names(about, "result eq 'failure'"), ['Add member to role requested (PIM activation)'])
  assert.deepEqual(await names(about, "activityDisplayName eq 'Add member to role completed (PIM activation)'"),
    ['Add member to role completed (PIM activation)'])
  const byApp = `initiatedBy/app/appId eq '${sample.client.id}'`
  assert.deepEqual(await names(about, byApp, "startswith(activityDisplayName,'Add eligible member')"), [
    'Add eligible member to role in PIM requested (timebound)', 'Add eligible member to role in PIM completed (timebound)',
    'Add eligible member to role in PIM requested (timebound)', 'Add eligible member to role in PIM completed (timebound)',
  ])
  assert.deepEqual(await names(about, 'activityDateTime ge 2200-01-01T00:00:00Z'), [])

  // The latest first, unless asked for otherwise; each entry comes once.
  const list = await all(asAud, asAud.api(log).filter(`activityDateTime ge ${began}`).top(2))
  assert.ok(list.length >= 7, `${list.length} entries`)
  assert.equal(new Set(list.map((e) => e.id)).size, list.length)
  const times = list.map((e) => Date.parse(e.activityDateTime))
  assert.deepEqual(times, times.toSorted((a, b) => b - a))
})

test('who is no reader sees no log', async () => {
  await refused(signIn(someone('alice')).api(log).get(), 403, 'Authentication_RequestFromUnsupportedUserRole')
  rows((await app.api(log).top(1).get()).value, 1, 'entries that an application reads')
  await refused(app.api(log).filter("nothing eq 'x'").get(), 400, 'BadRequest')
})
