package pimv1

import (
	"net/http"
	"strings"
	"time"

	"portcullis/internal/api"
	"portcullis/internal/api/listing"
	"portcullis/internal/app"
	"portcullis/internal/pim"
	"portcullis/internal/policy"
	"portcullis/internal/schedule"
	"portcullis/internal/store"
)

// What an administrator does to an assignment: make it, make it eligible, permanent or temporary, and take it away. Each is one
// or two asks about one case, decided together or not at all.

// The reasons that stand for actions whose calls carry none: a role's settings may demand one. The log tells by them what was
// done (reference pim-v2 §11).
const (
	assigning       = "Assign"
	makingEligible  = "Make eligible admin"
	makingPermanent = "Make permanent admin"
	removing        = "Unassign"
)

// held is what a person has of a role themselves, now or later.
type held struct {
	eligible, assigned, activated []pim.Schedule
}

// held reads what is there of a row.
func (c *call) held(user pim.PrincipalID, role pim.RoleID) (held, error) {
	var h held
	for _, k := range []pim.Kind{pim.Eligibility, pim.Assignment} {
		page, err := c.app.Grants(c.Context(), c.Caller, app.GrantQuery{Provider: pim.Directory, Kind: k,
			Query: store.Query{Tenant: c.Tenant, Limit: listing.PageSize, Where: listing.Every(userIs(user), roleIs(role),
				store.Is(store.FieldScope, string(pim.Everywhere)), store.Is(store.FieldMember, int(pim.Direct)))}})
		if err != nil {
			return held{}, err
		}
		for _, i := range page.Rows {
			switch {
			case k == pim.Eligibility:
				h.eligible = append(h.eligible, i.Schedule)
			case i.Schedule.Type == pim.Activated:
				h.activated = append(h.activated, i.Schedule)
			default:
				h.assigned = append(h.assigned, i.Schedule)
			}
		}
	}
	return h, nil
}

// key is the case of a person and a role.
func (c *call) key(user pim.PrincipalID, role pim.RoleID) pim.Key {
	return pim.Key{Tenant: c.Tenant, Provider: pim.Directory, Scope: pim.Everywhere, Role: role, Principal: user}
}

// change is what an administrator does to a row: nothing where the plan is empty.
type change struct {
	*call
	key pim.Key
	has held
	// reason and ticket are what goes with it.
	reason string
	ticket pim.Ticket
	asks   []pim.Ask
}

func (ch *change) ask(a pim.Action, k pim.Kind, e schedule.Expiration) {
	ch.asks = append(ch.asks, pim.Ask{By: ch.Caller, Action: a, Kind: k, Key: ch.key, Justification: ch.reason, Ticket: ch.ticket,
		Schedule: schedule.Info{Expiration: e}})
}

var (
	forGood = schedule.Expiration{Kind: schedule.NoExpiration}
	noTime  = schedule.Expiration{}
)

// eligible makes the person eligible who is not.
func (ch *change) eligible() {
	if len(ch.has.eligible) == 0 {
		ch.ask(pim.AdminAssign, pim.Eligibility, forGood)
	}
}

// inactive ends what was assigned. What has not run for the shortest time yet ends when it has: callers make a role permanent and
// then at once eligible, for this dialect has no other way to make somebody eligible.
func (ch *change) inactive() {
	if len(ch.has.assigned) == 0 {
		return
	}
	s := ch.has.assigned[0]
	run, _ := s.Window.At(ch.now)
	soonest := s.EndsSoonest(ch.now)
	switch {
	case !soonest.After(ch.now):
		ch.ask(pim.AdminRemove, pim.Assignment, noTime)
	case run.End.IsZero() || run.End.After(soonest):
		ch.ask(pim.AdminUpdate, pim.Assignment, schedule.Expiration{Kind: schedule.AfterDateTime, End: soonest})
	}
}

// temporary lets what was assigned go on for as long as an activation lasts.
func (ch *change) temporary() error {
	if len(ch.has.assigned) == 0 {
		return nil
	}
	p, err := ch.policyOf(ch.key.Role)
	if err != nil {
		return err
	}
	length := longestElevation(p.Rules)
	if end := ch.has.assigned[0].Window.End; end.IsZero() || end.After(length.AddTo(ch.now)) {
		ch.ask(pim.AdminUpdate, pim.Assignment, schedule.Expiration{Kind: schedule.AfterDuration, Duration: length})
	}
	return nil
}

// permanent makes the person have the role for good.
func (ch *change) permanent() {
	switch {
	case len(ch.has.assigned) == 0:
		ch.ask(pim.AdminAssign, pim.Assignment, forGood)
	case !ch.has.assigned[0].Window.End.IsZero() || !ch.has.assigned[0].Holds(ch.now): // for a time, or later
		ch.ask(pim.AdminUpdate, pim.Assignment, forGood)
	}
}

// remove takes all of it. An activation falls with the eligibility that it rests on.
func (ch *change) remove() {
	resting := map[pim.ScheduleID]bool{}
	for _, s := range ch.has.eligible {
		resting[s.ID] = true
	}
	if len(ch.has.eligible) > 0 {
		ch.ask(pim.AdminRemove, pim.Eligibility, noTime)
	}
	own := len(ch.has.assigned) > 0
	for _, s := range ch.has.activated {
		own = own || !resting[s.Eligibility]
	}
	if own || len(ch.asks) == 0 { // what a group alone gives is refused as not there
		ch.ask(pim.AdminRemove, pim.Assignment, noTime)
	}
}

// change begins to change the row that the path names. Of who does not administer roles nothing is read: what they ask for is asked
// as if nothing were there, and the core refuses it and keeps that in the log.
func (c *call) change(reason string) (*change, error) {
	id := c.id("id")
	user, role, ok := splitAssignmentID(id)
	if !ok {
		return nil, listing.NotFound(id)
	}
	ch := &change{call: c, key: c.key(user, role), reason: reason}
	if !c.administers() {
		return ch, nil
	}
	if _, err := c.findAssignment(id); err != nil {
		return nil, err
	}
	var err error
	ch.has, err = c.held(user, role)
	return ch, err
}

// administers says whether the caller administers directory roles.
func (c *call) administers() bool {
	return pim.MayAdminister(c.Caller, pim.Key{Tenant: c.Tenant, Provider: pim.Directory}, pim.GroupFacts{})
}

// mayAdminister refuses who does not, where there is nothing that the core could be asked.
func (c *call) mayAdminister() error {
	if c.administers() {
		return nil
	}
	return &pim.Refusal{Code: pim.Forbidden, Detail: "the caller holds no active role that administers this one"}
}

// commit does what is planned, in one.
func (ch *change) commit() error {
	if len(ch.asks) == 0 {
		return nil
	}
	_, err := ch.app.InOrder(ch.Context(), ch.asks)
	return err
}

// changed answers with the row as it is then.
func (ch *change) changed(status int) (api.Answer, error) {
	if err := ch.commit(); err != nil {
		return api.Answer{}, err
	}
	return ch.answerRow(status, ch.key, "")
}

// answerRow answers with a row as it is now.
func (c *call) answerRow(status int, k pim.Key, message string) (api.Answer, error) {
	row, _, err := c.row(k.Principal, k.Role)
	if err != nil {
		return api.Answer{}, err
	}
	row.Message = message
	return listing.One(c, &c.kinds.assignment, status, row)
}

// assignmentIn is the body of a new assignment.
type assignmentIn struct {
	UserID string `json:"userId"`
	RoleID string `json:"roleId"`
}

func createAssignment(c *call) (api.Answer, error) {
	var in assignmentIn
	if err := listing.Decode(c, &c.kinds.assignment, &in); err != nil {
		return api.Answer{}, err
	}
	user, role := pim.PrincipalID(strings.ToLower(in.UserID)), pim.RoleID(strings.ToLower(in.RoleID))
	switch {
	case user == "":
		return api.Answer{}, badRequest("UserId is required.")
	case role == "":
		return api.Answer{}, badRequest("RoleId is required.")
	}
	if err := c.givesToPerson(user); err != nil {
		return api.Answer{}, err
	}
	ch := &change{call: c, key: c.key(user, role), reason: assigning}
	ch.permanent()
	answer, err := ch.changed(http.StatusCreated)
	if err == nil {
		answer.Header.Set("Location", c.Base()+"/"+assignmentSet+"/"+string(user)+"_"+string(role))
	}
	return answer, err
}

// givesToPerson is aPerson for who administers roles. Others are refused by the core, and learn nothing of who is there.
func (c *call) givesToPerson(id pim.PrincipalID) error {
	if !c.administers() {
		return nil
	}
	return c.aPerson(id)
}

// aPerson refuses a principal who is none: this dialect would not show what it had given.
func (c *call) aPerson(id pim.PrincipalID) error {
	people, err := c.people([]pim.PrincipalID{id})
	if err != nil {
		return err
	}
	if _, ok := people[id]; !ok {
		return &pim.Refusal{Code: pim.UnknownPrincipal, Detail: "there is no such person"}
	}
	return nil
}

func makeEligible(c *call) (api.Answer, error) {
	if _, err := c.Query(c.kinds.assignment.Schema); err != nil {
		return api.Answer{}, err
	}
	ch, err := c.change(makingEligible)
	if err != nil {
		return api.Answer{}, err
	}
	if err := ch.makeEligible(); err != nil {
		return api.Answer{}, err
	}
	return ch.changed(http.StatusOK)
}

// makeEligible plans what that means: whoever does it to their own role as an administrator of PIM stays active for a while, and
// does not lock themselves out (reference pim-v2 §11).
func (ch *change) makeEligible() error {
	ch.eligible()
	if ch.key.Principal == ch.Caller.Principal && (ch.key.Role == pim.SecurityAdministrator || ch.key.Role == pim.PrivilegedRoleAdministrator) {
		return ch.temporary()
	}
	ch.inactive()
	return nil
}

// makeTemporary makes eligible, and leaves active for a while (reference pim-v2 §12).
func makeTemporary(c *call) (api.Answer, error) {
	if _, err := c.Query(c.kinds.assignment.Schema); err != nil {
		return api.Answer{}, err
	}
	ch, err := c.change(makingEligible)
	if err != nil {
		return api.Answer{}, err
	}
	ch.eligible()
	if err := ch.temporary(); err != nil {
		return api.Answer{}, err
	}
	return ch.changed(http.StatusOK)
}

// reasonIn is the body of actions that carry a reason and a ticket.
type reasonIn struct {
	Reason       string `json:"reason"`
	Duration     string `json:"duration"`
	TicketNumber string `json:"ticketNumber"`
	TicketSystem string `json:"ticketSystem"`
}

func (in reasonIn) ticket() pim.Ticket {
	return pim.Ticket{Number: in.TicketNumber, System: in.TicketSystem}
}

// reasonOf reads such a body, which may be missing, of an action that answers with an assignment.
func (c *call) reasonOf() (reasonIn, error) {
	var in reasonIn
	if _, err := c.Query(c.kinds.assignment.Schema); err != nil {
		return in, err
	}
	body, err := c.Body()
	if err == nil && len(strings.TrimSpace(string(body))) > 0 {
		err = api.DecodeBytes(body, &in)
	}
	if err == nil {
		err = shortEnough(in.Reason)
	}
	return in, err
}

// maxReason is how long a reason may be, in characters.
const maxReason = 500

func shortEnough(reason string) error {
	if len([]rune(reason)) > maxReason {
		return badRequest("Requestor reason should be less than 500 characters.")
	}
	return nil
}

func makePermanent(c *call) (api.Answer, error) {
	in, err := c.reasonOf()
	if err != nil {
		return api.Answer{}, err
	}
	ch, err := c.change(makingPermanent)
	if err != nil {
		return api.Answer{}, err
	}
	if in.Reason != "" {
		ch.reason = makingPermanent + ": " + in.Reason
	}
	ch.ticket = in.ticket()
	ch.permanent()
	return ch.changed(http.StatusOK)
}

func deleteAssignment(c *call) (api.Answer, error) {
	ch, err := c.change(removing)
	if err != nil {
		return api.Answer{}, err
	}
	ch.remove()
	if err := ch.commit(); err != nil {
		return api.Answer{}, err
	}
	return noContent()
}

// longestElevation is how long an activation of a role may last.
func longestElevation(r policy.Rules) schedule.Duration {
	if d := r.EndUserAssignment.Expiration.Maximum; !d.IsZero() {
		return d
	}
	return policy.LongestActivation()
}

// lasting is how long a duration is: activations have no years and months in them.
func lasting(d schedule.Duration) time.Duration {
	from := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)
	return d.AddTo(from).Sub(from)
}
