package demo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"portcullis/internal/sample"
)

// story is what the demonstration tells. Every chapter fails when something was not as it says.
type story struct {
	*caller
	*talk
	door door

	role, request, approval string
	end                     time.Time
	session                 <-chan string
}

const (
	graph    = "/v1.0/roleManagement/directory"
	requests = graph + "/roleAssignmentScheduleRequests"
	mine     = "/filterByCurrentUser(on='principal')"
)

// tell tells all chapters in order.
func (s *story) tell(ctx context.Context) error {
	s.print("")
	s.note("server  %s, with a sample organisation of 200 people", s.sample.URL)
	s.note("door    %s", s.door.describe())
	for _, chapter := range []struct {
		title string
		tell  func(context.Context) error
	}{
		{"Amira is eligible, and that is all", s.eligible},
		{"She asks without a reason", s.withoutReason},
		{"She asks with a reason, but has not proved a second factor", s.withoutFactor},
		{"She steps up, asks again, and waits", s.steppedUp},
		{"Ana approves", s.approved},
		{"The door is open", s.open},
		{"The end comes", s.ending},
		{"All of it is on record", s.audited},
	} {
		s.begin(chapter.title)
		if err := chapter.tell(ctx); err != nil {
			return fmt.Errorf("%q: %w", chapter.title, err)
		}
	}
	s.title("That was the whole story: eligible, refused, proved, approved, active, expired, proved gone, on record.")
	return nil
}

// want says that something should have been otherwise.
func want(ok bool, format string, args ...any) error {
	if ok {
		return nil
	}
	return fmt.Errorf("it should be otherwise: "+format, args...)
}

// instance is what the story reads of eligibilities and assignments.
type instance struct {
	ID             string    `json:"id"`
	RoleID         string    `json:"roleDefinitionId"`
	AssignmentType string    `json:"assignmentType"`
	End            time.Time `json:"endDateTime"`
	Role           struct {
		Name string `json:"displayName"`
	} `json:"roleDefinition"`
}

type list[T any] struct {
	Value []T `json:"value"`
}

func (s *story) eligible(ctx context.Context) error {
	if err := s.signIn(ctx, "amira", false, ""); err != nil {
		return err
	}
	var eligible, active list[instance]
	if err := s.get(ctx, "amira", graph+"/roleEligibilityScheduleInstances"+mine+"?$expand=roleDefinition", &eligible); err != nil {
		return err
	}
	for _, i := range eligible.Value {
		s.gets("eligible for %s until %s", i.Role.Name, i.End.Format(time.DateOnly))
		if i.Role.Name == sample.PayrollAdministrator {
			s.role = i.RoleID
		}
	}
	if err := want(s.role != "", "amira is not eligible for %s", sample.PayrollAdministrator); err != nil {
		return err
	}
	if err := s.get(ctx, "amira", graph+"/roleAssignmentScheduleInstances"+mine, &active); err != nil {
		return err
	}
	s.gets("%d active roles", len(active.Value))
	if err := want(len(active.Value) == 0, "amira holds %d roles", len(active.Value)); err != nil {
		return err
	}
	return errors.Join(s.keptOut(ctx, "amira"), s.keptOut(ctx, "alice"))
}

// keptOut lets somebody try the door in vain.
func (s *story) keptOut(ctx context.Context, who string) error {
	asked, saw, err := s.door.visit(ctx, who)
	s.asks(who, "%s", short(asked))
	if err == nil {
		s.gets("%s", saw)
		return want(false, "%s was let in", who)
	}
	s.refused("%s", short(err.Error()))
	return nil
}

// activation is the request that Amira makes.
func (s *story) activation(reason string) map[string]any {
	ask := map[string]any{
		"action": "selfActivate", "principalId": s.sample.People["amira"].ID, "roleDefinitionId": s.role, "directoryScopeId": "/",
		"scheduleInfo": map[string]any{"expiration": map[string]any{"type": "afterDuration", "duration": "PT5M"}},
	}
	if reason != "" {
		ask["justification"] = reason
	}
	return ask
}

const policyFailed = "RoleAssignmentRequestPolicyValidationFailed"

func (s *story) withoutReason(ctx context.Context) error {
	answer, err := s.call(ctx, "amira", http.MethodPost, requests, s.activation(""))
	if err != nil {
		return err
	}
	return want(answer.code == policyFailed && strings.Contains(answer.message, "JustificationRule"),
		"a request without a reason got %d %s", answer.status, answer.code)
}

const reason = "Correcting the March pay run, as agreed with Ana"

func (s *story) withoutFactor(ctx context.Context) error {
	answer, err := s.call(ctx, "amira", http.MethodPost, requests, s.activation(reason))
	if err != nil {
		return err
	}
	if err := want(answer.code == policyFailed && strings.Contains(answer.message, "MfaRule"),
		"a request without a second factor got %d %s", answer.status, answer.code); err != nil {
		return err
	}
	claims, err := answer.claims()
	if err != nil {
		return err
	}
	s.refused("challenge: claims %s", claims)
	return s.stepUp(ctx, claims)
}

func (s *story) stepUp(ctx context.Context, claims string) error {
	s.note("the challenge tells her client what the next token has to prove, so it asks her for a one-time code")
	return s.signIn(ctx, "amira", true, claims)
}

func (s *story) steppedUp(ctx context.Context) error {
	answer, err := s.call(ctx, "amira", http.MethodPost, requests, s.activation(reason))
	if err != nil {
		return err
	}
	var request struct{ ID, Status, ApprovalID string }
	if err := want(answer.status == http.StatusCreated, "the request got %d %s", answer.status, answer.code); err != nil {
		return err
	}
	if err := json.Unmarshal(answer.body, &request); err != nil {
		return err
	}
	s.gets("%d request %s is %s", answer.status, request.ID, request.Status)
	s.request, s.approval = request.ID, request.ApprovalID
	if err := want(request.Status == "PendingApproval" && s.approval != "", "the request is %s", request.Status); err != nil {
		return err
	}
	return s.keptOut(ctx, "amira")
}

func (s *story) approved(ctx context.Context) error {
	if err := s.signIn(ctx, "ana", true, ""); err != nil {
		return err
	}
	var waiting list[struct{ ID, Justification, Status string }]
	path := requests + "/filterByCurrentUser(on='approver')?$filter=status eq 'PendingApproval'"
	if err := s.get(ctx, "ana", path, &waiting); err != nil {
		return err
	}
	for _, w := range waiting.Value {
		s.gets("%s: %q", w.Status, w.Justification)
	}
	var approval struct {
		Steps []struct{ ID, Status string }
	}
	const approvals = "/beta/roleManagement/directory/roleAssignmentApprovals/"
	if err := s.get(ctx, "ana", approvals+s.approval+"?$expand=steps", &approval); err != nil {
		return err
	}
	if err := want(len(approval.Steps) == 1, "the approval has %d steps", len(approval.Steps)); err != nil {
		return err
	}
	s.gets("step %s is %s", approval.Steps[0].ID, approval.Steps[0].Status)
	answer, err := s.call(ctx, "ana", http.MethodPatch, approvals+s.approval+"/steps/"+approval.Steps[0].ID,
		map[string]string{"reviewResult": "Approve", "justification": "The pay run has to be right"})
	if err != nil {
		return err
	}
	if err := want(answer.status == http.StatusNoContent, "the approval got %d %s", answer.status, answer.code); err != nil {
		return err
	}
	s.gets("%d approved", answer.status)
	return nil
}

func (s *story) open(ctx context.Context) error {
	var active list[instance]
	if err := s.get(ctx, "amira", graph+"/roleAssignmentScheduleInstances"+mine+"?$expand=roleDefinition", &active); err != nil {
		return err
	}
	for _, i := range active.Value {
		s.gets("%s %s until %s", i.AssignmentType, i.Role.Name, i.End.Format(time.TimeOnly))
		if i.RoleID == s.role {
			s.end = i.End
		}
	}
	if err := want(!s.end.IsZero(), "the role is not active"); err != nil {
		return err
	}
	if err := s.proved(ctx, "usable"); err != nil {
		return err
	}
	asked, saw, err := s.door.visit(ctx, "amira")
	s.asks("amira", "%s", short(asked))
	if err != nil {
		return want(false, "amira was kept out: %s", err)
	}
	s.gets("%s", saw)
	if err := s.keptOut(ctx, "alice"); err != nil {
		return err
	}
	s.session, err = s.door.stay(ctx, "amira")
	if err != nil {
		return err
	}
	s.note("and she leaves a session open")
	return nil
}

// effect is what the story reads of what happened outside.
type effect struct {
	Door, Account, Privilege, State, Problem string
	Stuck                                    bool
	Usable                                   *time.Time `json:"usableDateTime"`
	Gone                                     *time.Time `json:"goneDateTime"`
}

// proved waits until the door has been read back and shows the state. A door that asks by itself has nothing to prove.
func (s *story) proved(ctx context.Context, state string) error {
	if len(s.door.settings()) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeoutCause(ctx, 15*time.Second, errors.New("the door took too long"))
	defer cancel()
	path := "/portcullis/v1/effects?schedule=" + url.QueryEscape(s.request)
	for {
		var effects list[effect]
		quiet := *s.caller
		quiet.talk = newTalk(discard{}, nil)
		if err := quiet.get(ctx, "amira", path, &effects); err != nil {
			return err
		}
		if len(effects.Value) == 1 && effects.Value[0].State == state {
			s.asks("amira", "GET %s", short(path))
			e := effects.Value[0]
			at := e.Usable
			if state == "gone" {
				at = e.Gone
			}
			s.gets("%s for %s at door %s is %s: read back at %s", e.Privilege, e.Account, e.Door, e.State, at.Format("15:04:05.000"))
			return nil
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

type discard struct{}

func (discard) Write(b []byte) (int, error) { return len(b), nil }

// leftToRun is how much of the activation is lived through.
const leftToRun = 20 * time.Second

func (s *story) ending(ctx context.Context) error {
	offset := (time.Until(s.end) - leftToRun).Round(time.Millisecond)
	s.note("an activation lasts five minutes at least. This is a sample, whose clock can be moved: so that %s of it are left", leftToRun)
	answer, err := s.call(ctx, "amira", http.MethodPost, "/sample/clock", map[string]string{"offset": offset.String()})
	if err != nil {
		return err
	}
	if err := want(answer.ok(), "the clock was not moved: %d", answer.status); err != nil {
		return err
	}
	s.gets("%s", short(string(answer.body)))
	if err := s.watch(ctx, s.end.Add(-offset)); err != nil {
		return err
	}
	select {
	case how := <-s.session:
		s.note("her session: %s", how)
	case <-time.After(10 * time.Second):
		return want(false, "her session goes on")
	}
	if err := s.keptOut(ctx, "amira"); err != nil {
		return err
	}
	return s.proved(ctx, "gone")
}

// check is what Portcullis says about a role at this moment.
type check struct {
	Held   bool
	Reason string
	Until  *time.Time
}

// watch asks every few seconds, and at the very instant of the end.
func (s *story) watch(ctx context.Context, end time.Time) error {
	path := "/portcullis/v1/check?role=" + s.role
	for {
		var c check
		if err := s.get(ctx, "amira", path, &c); err != nil {
			return err
		}
		left := time.Until(end)
		if left <= 0 {
			s.refused("held: %t (%s), %s after the end", c.Held, c.Reason, (-left).Round(time.Millisecond))
			return want(!c.Held, "the role is held after its end")
		}
		s.gets("held: %t (%s), %s left", c.Held, c.Reason, left.Round(100*time.Millisecond))
		if err := want(c.Held, "the role is not held before its end"); err != nil {
			return err
		}
		// A millisecond after the end at the latest: the answer must be no from the instant itself.
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(min(5*time.Second, left+time.Millisecond)):
		}
	}
}

type event struct {
	At       time.Time `json:"dateTime"`
	Activity string
	Success  bool
	Reason   string
	Actor    struct {
		Name  string `json:"displayName"`
		Clock bool
	}
}

func (s *story) audited(ctx context.Context) error {
	if err := s.signIn(ctx, "aud", true, ""); err != nil {
		return err
	}
	var events list[event]
	if err := s.get(ctx, "aud", "/portcullis/v1/events?principal="+s.sample.People["amira"].ID, &events); err != nil {
		return err
	}
	seen := map[string]bool{}
	for _, e := range events.Value {
		who := e.Actor.Name
		if e.Actor.Clock {
			who = "the clock"
		}
		seen[e.Activity] = true
		s.gets("%s  %-18s %-16s %s", e.At.Format("15:04:05.000"), e.Activity, who, short(e.Reason))
	}
	for _, activity := range []string{"refused", "requested", "approvalRequested", "approved", "completed", "ended"} {
		if err := want(seen[activity], "no entry tells of %q", activity); err != nil {
			return err
		}
	}
	return nil
}
