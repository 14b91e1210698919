package pimv1

import (
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"portcullis/internal/api"
	"portcullis/internal/api/wire"
	"portcullis/internal/pim"
	"portcullis/internal/schedule"
)

// Activation by its holder, without a request in the dialect's own words: selfActivate and selfDeactivate (reference pim-v2 §11).

// pendingMessage tells why an activation has not made its row active yet.
const pendingMessage = "The activation is waiting for approval."

func selfActivate(c *call) (api.Answer, error) {
	in, err := c.reasonOf()
	if err != nil {
		return api.Answer{}, err
	}
	role, err := c.findRole()
	if err != nil {
		return api.Answer{}, err
	}
	ask := pim.Ask{By: c.Caller, Action: pim.SelfActivate, Kind: pim.Assignment, Key: c.key(c.Caller.Principal, role.ID),
		Justification: in.Reason, Ticket: in.ticket()}
	if ask.Schedule.Expiration, err = c.elevation(in.Duration, role.ID); err != nil {
		return api.Answer{}, err
	}
	out, err := c.do(ask)
	if err != nil {
		return api.Answer{}, err
	}
	message := ""
	if out.Request.Status == pim.PendingApproval {
		message = pendingMessage
	}
	return c.answerRow(http.StatusOK, ask.Key, message)
}

func selfDeactivate(c *call) (api.Answer, error) {
	if _, err := c.Query(c.kinds.assignment.Schema); err != nil {
		return api.Answer{}, err
	}
	role, err := c.findRole()
	if err != nil {
		return api.Answer{}, err
	}
	ask := pim.Ask{By: c.Caller, Action: pim.SelfDeactivate, Kind: pim.Assignment, Key: c.key(c.Caller.Principal, role.ID)}
	switch _, err := c.app.Do(c.Context(), ask); {
	case wire.Refused(err, pim.NotThere): // nothing was active: the answer has nothing to tell
		return noContent()
	case err != nil:
		return api.Answer{}, err
	}
	return c.answerRow(http.StatusOK, ask.Key, "")
}

// The shortest activation that this dialect takes, in hours, and the most hours that are read as such.
const (
	shortestHours = 0.5
	mostHours     = 24 * 366
)

// elevation reads how long an activation shall last: hours as a decimal number, "min", "default", or nothing, which is the
// default.
func (c *call) elevation(text string, role pim.RoleID) (schedule.Expiration, error) {
	text = strings.TrimSpace(text)
	switch strings.ToLower(text) {
	case "", "default":
		return schedule.Expiration{}, nil // as long as the role's settings say
	case "min":
		return after(minElevation), nil
	}
	d, ok := parseHours(text)
	if !ok {
		return schedule.Expiration{}, c.outOfRange(role)
	}
	return after(d), nil
}

const minElevation = 30 * time.Minute

func after(d time.Duration) schedule.Expiration {
	return schedule.Expiration{Kind: schedule.AfterDuration, Duration: minutes(d)}
}

// minutes writes a length in the form that all dialects' requests keep it in.
func minutes(d time.Duration) schedule.Duration {
	parsed, err := schedule.ParseDuration("PT" + strconv.FormatInt(int64(d/time.Minute), 10) + "M")
	if err != nil { // whole minutes below the bounds of durations
		return schedule.FromTime(d)
	}
	return parsed
}

// parseHours reads a decimal number of hours, to the minute.
func parseHours(text string) (time.Duration, bool) {
	hours, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsNaN(hours) || hours < shortestHours || hours > mostHours {
		return 0, false
	}
	return time.Duration(math.Round(hours*60)) * time.Minute, true
}

// formatHours writes a length as a decimal number of hours.
func formatHours(d time.Duration) string { return strconv.FormatFloat(d.Hours(), 'f', -1, 64) }

// outOfRange refuses a length of time that the role's settings do not allow.
func (c *call) outOfRange(role pim.RoleID) error {
	p, err := c.policyOf(role)
	if isForbidden(err) { // who cannot activate the role does not learn its settings
		return badRequest("Elevation duration must be a number of hours, from 0.5 up.")
	}
	if err != nil {
		return err
	}
	return badRequest("Elevation duration must be between 0.5 and " + formatHours(lasting(longestElevation(p.Rules))) + ".")
}

// do does what one person asks, and tells refusals in the words of requests.
func (c *call) do(ask pim.Ask) (pim.Outcome, error) {
	out, err := c.app.Do(c.Context(), ask)
	activates := ask.Action == pim.SelfActivate
	switch {
	case activates && wire.Refused(err, pim.AlreadyThere):
		err = badRequest("The role is already activated.")
	case activates && wire.Refused(err, pim.Forbidden) && ask.Key.Principal != c.Caller.Principal:
		err = forbidden("On behalf of elevation is not allowed.")
	case activates && failsOn(err, pim.ExpirationRule):
		err = c.outOfRange(ask.Key.Role)
	}
	return out, err
}
