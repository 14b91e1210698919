package governance

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/mail"
	"slices"
	"strconv"
	"strings"
	"time"

	"portcullis/internal/api"
	"portcullis/internal/api/wire"
	"portcullis/internal/pim"
	"portcullis/internal/policy"
	"portcullis/internal/schedule"
)

// Bounds of settings.
const (
	// maxSettings are the most rules in one list, maxSetting the longest text of one in bytes.
	maxSettings = 64
	maxSetting  = 64 << 10
	// maxKept is the longest text that is kept as it came.
	maxKept = 4 << 10
	// maxMinutes is the longest duration: a thousand years.
	maxMinutes = 1000 * 365 * 24 * 60
)

func invalid(c Collection, id, detail string) error {
	field := string(c)
	if id != "" {
		field = keptKey(c, id)
	}
	return &pim.Refusal{Code: pim.InvalidPolicy, Field: field, Detail: detail}
}

// apply changes what one rule stands for.
func apply(c Collection, s RuleSetting, r *policy.Rules) error {
	at := wire.IndexFold(identifiers(), strings.TrimSpace(s.RuleIdentifier))
	if at < 0 {
		return invalid(c, "", fmt.Sprintf("there is no rule %.40q", s.RuleIdentifier))
	}
	id := identifiers()[at]
	var in settingIn
	if err := in.read(s.Setting); err != nil {
		return invalid(c, id, err.Error())
	}
	set := c.set(r)
	var err error
	switch {
	case set == nil || !c.has(id):
		err = keep(r, c, id, s.Setting)
	case id == ruleApproval:
		err = in.applyApproval(&r.Approval)
	case id == ruleContext:
		in.applyContext(&r.Context)
	default:
		delete(r.Kept, keptKey(c, id)) // a second factor that waited beside a context is said anew
		err = in.applyTo(id, c, set)
	}
	if err != nil {
		return invalid(c, id, err.Error())
	}
	return nil
}

// keep keeps a text that binds nothing, to be read back.
func keep(r *policy.Rules, c Collection, id, text string) error {
	if len(text) > maxKept {
		return fmt.Errorf("is longer than %d bytes", maxKept)
	}
	hold(r, keptKey(c, id), text)
	return nil
}

func hold(r *policy.Rules, key, text string) {
	if r.Kept == nil {
		r.Kept = map[string]string{}
	}
	r.Kept[key] = text
}

// settle ends what the core refuses: a second factor and an authentication context demanded together. The context stands, and
// the second factor waits for the context to be withdrawn.
func settle(r *policy.Rules) {
	key := keptKey(UserMember, ruleMFA)
	e := &r.EndUserAssignment.Enablement
	switch _, waits := r.Kept[key]; {
	case r.Context.Enabled && e.MFA:
		e.MFA = false
		hold(r, key, text(mfaOut{true}))
	case !r.Context.Enabled && waits:
		e.MFA = true
		delete(r.Kept, key)
	}
}

// settingIn is what the rules' texts may hold, of all rules together: names are matched in any letter case. A truth that is
// absent is false, as old callers who leave it out know it; other members that are absent keep what stands.
type settingIn struct {
	Permanent bool     `json:"permanentAssignment"`
	Minutes   *float64 `json:"maximumGrantPeriodInMinutes"`
	Period    *string  `json:"maximumGrantPeriod"`

	MFA       bool `json:"mfaRequired"`
	Required  bool `json:"required"`
	Ticketing bool `json:"ticketingRequired"`

	Context *string `json:"acrs"`
	ByACRS  bool    `json:"acrsRequired"`

	Enabled   bool             `json:"enabled"`
	Approvers sent[[]approver] `json:"approvers"`

	Policies []mechanismIn `json:"policies"`
}

// sent is a member that clears what stands where it is null.
type sent[T any] struct {
	value T
	given bool
}

// UnmarshalJSON is asked about a null too.
func (s *sent[T]) UnmarshalJSON(b []byte) error {
	s.given = true
	return json.Unmarshal(b, &s.value)
}

type approver struct {
	ID          string `json:"id"`
	Type        string `json:"type"`
	DisplayName string `json:"displayName"`
}

type mechanismIn struct {
	Mechanism string        `json:"deliveryMechanism"`
	Setting   []recipientIn `json:"setting"`
}

type recipientIn struct {
	Receivers sent[[]string] `json:"customreceivers"`
	Defaults  *bool          `json:"isdefaultreceiverenabled"`
	Level     *int           `json:"notificationlevel"`
	Recipient *int           `json:"recipienttype"`
}

// read reads a rule's text leniently: its texts may stand between single quotes.
func (in *settingIn) read(text string) error {
	text = strings.TrimSpace(text)
	switch {
	case len(text) > maxSetting:
		return fmt.Errorf("is longer than %d bytes", maxSetting)
	case !strings.HasPrefix(text, "{"):
		return errors.New("the setting is not the text of a JSON object")
	}
	err := api.DecodeBytes([]byte(doubleQuoted(text)), in)
	if f, ok := errors.AsType[*api.Fault](err); ok {
		return errors.New(strings.ReplaceAll(f.Detail, "The body", "the setting"))
	}
	return err
}

// doubleQuoted is JSON whose texts stand between single quotes, with double ones.
func doubleQuoted(text string) string {
	var b strings.Builder
	quote := byte(0)
	for i := 0; i < len(text); i++ {
		c := text[i]
		switch {
		case quote == 0 && (c == '"' || c == '\''):
			quote, c = c, '"'
		case quote == 0:
		case c == '\\' && i+1 < len(text):
			i++
			if text[i] != '\'' { // JSON knows no escape for it
				b.WriteByte(c)
			}
			c = text[i]
		case c == quote:
			quote, c = 0, '"'
		case c == '"': // within single quotes
			b.WriteByte('\\')
		}
		b.WriteByte(c)
	}
	return b.String()
}

func (in settingIn) applyTo(id string, c Collection, set *policy.Set) error {
	switch id {
	case ruleExpiration:
		set.Expiration.Required = !in.Permanent || c == UserMember
		return in.applyMaximum(c, &set.Expiration.Maximum)
	case ruleMFA:
		set.Enablement.MFA = in.MFA
	case ruleJustification:
		set.Enablement.Justification = in.Required
	case ruleTicketing:
		set.Enablement.Ticketing = in.Ticketing
	case ruleNotification:
		return in.applyNotifications(&set.Notifications)
	}
	return nil
}

// applyMaximum takes a maximum that says another number of minutes than stand: others of the same length keep their form.
func (in settingIn) applyMaximum(c Collection, maximum *schedule.Duration) error {
	minutes, given, err := in.minutes()
	if err != nil || !given || minutes == minutesOf(*maximum) {
		return err
	}
	form := "PT" + strconv.FormatInt(minutes, 10) + "M"
	switch {
	case minutes == 0:
		*maximum = schedule.Duration{}
		return nil
	case minutes%(24*60) == 0 && c != UserMember:
		form = "P" + strconv.FormatInt(minutes/(24*60), 10) + "D"
	case minutes%60 == 0:
		form = "PT" + strconv.FormatInt(minutes/60, 10) + "H"
	}
	*maximum, err = schedule.ParseDuration(form)
	return err
}

// minutes is how long a grant may last, by either member.
func (in settingIn) minutes() (n int64, given bool, err error) {
	switch {
	case in.Minutes != nil:
		m := *in.Minutes
		if m < 0 || m > maxMinutes || m != float64(int64(m)) {
			return 0, false, errors.New("maximumGrantPeriodInMinutes is not a number of minutes")
		}
		return int64(m), true, nil
	case in.Period != nil:
		span, ok := timeSpan(*in.Period)
		if !ok {
			return 0, false, errors.New("maximumGrantPeriod is not of the form d.hh:mm:ss")
		}
		return int64(span / time.Minute), true, nil
	}
	return 0, false, nil
}

// timeSpan reads .NET's form of a span, [d.]hh:mm:ss, without fractions.
func timeSpan(text string) (time.Duration, bool) {
	days, clock, ok := strings.Cut(strings.TrimSpace(text), ".")
	if !ok {
		days, clock = "0", strings.TrimSpace(text)
	}
	d, err := strconv.ParseUint(days, 10, 16)
	at, bad := time.Parse(time.TimeOnly, clock)
	if err != nil || bad != nil {
		return 0, false
	}
	return time.Duration(d)*24*time.Hour + time.Duration(at.Hour())*time.Hour + time.Duration(at.Minute())*time.Minute + time.Duration(at.Second())*time.Second, true
}

func (in settingIn) applyContext(c *policy.Context) {
	c.Enabled = in.ByACRS
	if in.Context != nil {
		c.Value = strings.ToLower(strings.TrimSpace(*in.Context))
	}
}

// applyApproval changes whether others must agree, and who: in the first stage, where approvers that cannot be told here stay.
func (in settingIn) applyApproval(a *policy.Approval) error {
	a.Required = in.Enabled
	if !in.Approvers.given {
		return nil
	}
	a.Stages = slices.Clone(a.Stages)
	if len(a.Stages) == 0 {
		a.Stages = []policy.Stage{{TimeoutDays: 1}}
	}
	var approvers []policy.Approver
	for _, p := range in.Approvers.value {
		kind := policy.ApproverKind(wire.IndexFold(approverTypes(), p.Type) + 1)
		id := strings.ToLower(strings.TrimSpace(p.ID))
		if kind == 0 || !wire.IsGUID(id) {
			return errors.New("an approver is a User or a Group with its id")
		}
		approvers = append(approvers, policy.Approver{Kind: kind, ID: id, Description: p.DisplayName})
	}
	stage := &a.Stages[0]
	for _, old := range stage.Approvers {
		at := slices.IndexFunc(approvers, func(p policy.Approver) bool { return p.Kind == old.Kind && p.ID == old.ID })
		switch {
		case !told(old.Kind):
			approvers = append(approvers, old)
		case at >= 0:
			approvers[at].Backup = old.Backup
			if approvers[at].Description == "" {
				approvers[at].Description = old.Description
			}
		}
	}
	stage.Approvers = approvers
	return nil
}

func (in settingIn) applyNotifications(n *policy.Notifications) error {
	for _, m := range in.Policies {
		if m.Mechanism != "" && !strings.EqualFold(m.Mechanism, "email") {
			return errors.New("deliveryMechanism is not email")
		}
		for _, s := range m.Setting {
			if s.Recipient == nil || *s.Recipient < 0 || *s.Recipient >= len(recipients()) {
				return errors.New("recipienttype is not 0, 1 or 2")
			}
			if err := s.apply(n.For(recipients()[*s.Recipient])); err != nil {
				return err
			}
		}
	}
	return nil
}

func (in recipientIn) apply(n *policy.Notification) error {
	if in.Level != nil {
		if *in.Level < 0 || *in.Level >= len(levels()) {
			return errors.New("notificationlevel is not 0, 1 or 2")
		}
		n.Level = levels()[*in.Level]
	}
	if in.Defaults != nil {
		n.NoDefaults = !*in.Defaults
	}
	if !in.Receivers.given {
		return nil
	}
	for _, r := range in.Receivers.value {
		if a, err := mail.ParseAddress(r); err != nil || a.Address != r {
			return errors.New("customreceivers are mail addresses")
		}
	}
	n.Recipients = in.Receivers.value
	return nil
}
