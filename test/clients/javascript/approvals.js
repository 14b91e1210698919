// Approvals as clients find and answer them: those of directory roles, which only beta has, in steps; those of groups in stages,
// or in steps as beta calls them.
import { groups, roles, rows } from './ask.js'

/** Where one kind of approvals is. */
class Approvals {
  constructor(version, set, list, requests) {
    Object.assign(this, { version, set, list, requests })
  }

  /** Reads the stages of an approval. */
  async stages(caller, id) {
    return (await caller.api(`${this.set}/${id}`).version(this.version).expand(this.list).get())[this.list]
  }

  /** What the stages of an approval look like to a caller. */
  async states(caller, id) {
    return (await this.stages(caller, id)).map((s) => `${s.status} ${s.assignedToMe ? 'mine' : 'not mine'}`).join(', ')
  }

  /** Answers a stage of an approval. */
  decides(caller, id, stage, reviewResult, justification = 'As agreed') {
    return caller.api(`${this.set}/${id}/${this.list}/${stage}`).version(this.version).patch({ reviewResult, justification })
  }

  /** Answers the stage that waits for the caller, and returns its id. */
  async answers(caller, id, reviewResult) {
    const waits = (await this.stages(caller, id)).filter((s) => s.status === 'InProgress' && s.assignedToMe)
    const [open] = rows(waits, 1, 'stages that wait for the caller')
    await this.decides(caller, id, open.id, reviewResult)
    return open.id
  }

  /** Lists the requests that wait for the caller's decision. */
  async toDecide(caller, filter, ...expand) {
    const request = caller.api(`${this.requests}/filterByCurrentUser(on='approver')`).filter(`status eq 'PendingApproval' and ${filter}`)
    if (expand.length > 0) request.expand(expand)
    return (await request.get()).value
  }

  /** Lists the approvals that wait for the caller's decision, or in which the caller decided. */
  async mine(caller) {
    return (await caller.api(`${this.set}/filterByCurrentUser(on='approver')`).version(this.version).expand(this.list).get()).value
  }

  /** Reads a request. */
  request(caller, id) { return caller.api(`${this.requests}/${id}`).get() }

  /** Withdraws a request. */
  cancel(caller, id) { return caller.api(`${this.requests}/${id}/cancel`).post() }
}

export const ofRoles = new Approvals('beta', `${roles}/roleAssignmentApprovals`, 'steps', `${roles}/roleAssignmentScheduleRequests`)
export const ofGroups = new Approvals('v1.0', `${groups}/assignmentApprovals`, 'stages', `${groups}/assignmentScheduleRequests`)
export const ofGroupsInBeta = new Approvals('beta', `${groups}/assignmentApprovals`, 'steps', `${groups}/assignmentScheduleRequests`)
