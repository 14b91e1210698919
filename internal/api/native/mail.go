package native

import (
	"strings"
	"time"

	"portcullis/internal/api"
	"portcullis/internal/pim"
	"portcullis/internal/store"
)

// mail is a notice on its way, or at its end, as it is written.
type mail struct {
	ID string `json:"id"`
	// Notice is the event that is told; Address is empty while the recipients are still to be found.
	Notice     string `json:"eventId"`
	Address    string `json:"address"`
	Recipient  string `json:"recipientId"`
	RequestID  string `json:"requestId"`
	ScheduleID string `json:"scheduleId"`
	// State is unaddressed, waiting, sent, over or givenUp. Stuck mails are tried on unless they were given up.
	State    string     `json:"state"`
	Stuck    bool       `json:"stuck"`
	Problem  string     `json:"problem"`
	Attempts int        `json:"attempts"`
	Created  *time.Time `json:"createdDateTime"`
	// Next is when it is tried next, Settled when it came to its end.
	Next    *time.Time `json:"nextAttemptDateTime"`
	Settled *time.Time `json:"settledDateTime"`
}

func fromMail(m pim.Mail) mail {
	return mail{
		ID: m.ID, Notice: m.Notice.ID, Address: m.Address, Recipient: string(m.To), RequestID: string(m.Notice.Request),
		ScheduleID: string(m.Notice.Schedule), State: mailStateName(m.State), Stuck: m.Stuck, Problem: m.Problem,
		Attempts: m.Attempts, Created: instant(m.Notice.At), Next: instant(m.Due), Settled: instant(m.Settled),
	}
}

func mailStateName(s pim.MailState) string {
	switch s {
	case pim.MailUnaddressed:
		return "unaddressed"
	case pim.MailWaiting:
		return "waiting"
	case pim.MailSent:
		return "sent"
	case pim.MailOver:
		return "over"
	case pim.MailGivenUp:
		return "givenUp"
	default:
		return "unknown"
	}
}

func mailStateOf(name string) (pim.MailState, bool) {
	for _, s := range []pim.MailState{pim.MailUnaddressed, pim.MailWaiting, pim.MailSent, pim.MailOver, pim.MailGivenUp} {
		if strings.EqualFold(name, mailStateName(s)) {
			return s, true
		}
	}
	return 0, false
}

// mails lists what was told, the latest first: the ids of events are in the order of time, and have an index.
func (s *Surface) mails(r *api.Request) (api.Answer, error) {
	o, err := readOptions(r, "state", "stuck")
	if err != nil {
		return api.Answer{}, err
	}
	q := store.Query{Order: []store.Order{{Field: store.FieldID, Desc: true}}}
	if err := o.page(&q); err != nil {
		return api.Answer{}, err
	}
	var where store.And
	if name := o.values.Get("state"); name != "" {
		state, ok := mailStateOf(name)
		if !ok {
			return api.Answer{}, api.BadRequest("The parameter 'state' must be unaddressed, waiting, sent, over or givenUp.")
		}
		where = append(where, store.Is(store.FieldState, int(state)))
	}
	switch strings.ToLower(o.values.Get("stuck")) {
	case "":
	case "true":
		where = append(where, store.Is(store.FieldStuck, true))
	case "false":
		where = append(where, store.Is(store.FieldStuck, false))
	default:
		return api.Answer{}, api.BadRequest("The parameter 'stuck' must be true or false.")
	}
	q.Where = where
	page, err := s.app.Mails(r.Context(), r.Caller, q)
	if err != nil {
		return api.Answer{}, err
	}
	return rows(o, page, fromMail)
}
