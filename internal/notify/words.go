package notify

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"portcullis/internal/pim"
)

// The most letters of what people write: a mail is no place for essays.
const (
	mostName   = 100
	mostReason = 1000
	mostTitle  = 160
)

// words are what a mail says.
type words struct {
	// title is the subject without its mark, and the heading.
	title string
	// lead is the sentence below.
	lead  string
	facts []fact
	// link is the page, and linked what its button says.
	link, linked string
}

type fact struct{ Name, Value string }

// what is the role as a sentence has it.
func what(n pim.Notice) string {
	role, place := line(n.RoleName, mostName), line(n.Place, mostName)
	if n.Key.Provider == pim.Group {
		group := cmp.Or(place, "a group")
		if n.Key.Role == pim.Owner {
			return "ownership of " + group
		}
		return "membership of " + group
	}
	role = "the role " + cmp.Or(role, string(n.Key.Role))
	if place != "" {
		role += " for " + place
	}
	return role
}

// grant is the kind of what somebody has.
func grant(n pim.Notice) string {
	if n.Grant == pim.Eligibility {
		return "eligibility for"
	}
	return "assignment of"
}

// say writes a notice for somebody; you says that it is about the recipient.
func say(n pim.Notice, you bool) words {
	who := cmp.Or(line(n.Principal, mostName), "Somebody")
	whose := who + "’s"
	were, have := "was", "has"
	if you {
		who, whose, were, have = "You", "Your", "were", "have"
	}
	w := words{link: "/requests/" + string(n.Request), linked: "See the request"}
	switch n.Kind {
	case pim.NoticeEligible:
		w.title = fmt.Sprintf("%s %s made eligible for %s", who, were, what(n))
		w.lead = "An eligibility gives nothing by itself: it is activated when it is needed."
	case pim.NoticeActive:
		w.title = fmt.Sprintf("%s %s assigned %s", who, were, what(n))
		w.lead = "The assignment holds without being activated."
	case pim.NoticeActivated:
		w.title = fmt.Sprintf("%s activated %s", who, what(n))
		w.lead = "The activation ends by itself."
		if you {
			w.lead = "If this was not you, tell your security team at once."
		}
	case pim.NoticeApprovalAsked:
		w.title = fmt.Sprintf("Decide: %s asks to activate %s", who, what(n))
		w.lead = "The request waits for your decision. Nothing is granted until enough approvers agree; one denial ends it."
		w.link, w.linked = "/approvals/"+string(n.Request), "Decide"
	case pim.NoticeApproved:
		w.title = fmt.Sprintf("%s request for %s was approved", whose, what(n))
		w.lead = "The activation holds for the time below."
	case pim.NoticeDenied:
		w.title = fmt.Sprintf("%s request for %s was denied", whose, what(n))
		w.lead = "Nothing was granted. It can be asked for again."
	case pim.NoticeLapsed:
		w.title = fmt.Sprintf("%s request for %s expired without a decision", whose, what(n))
		w.lead = "Nobody decided in time, and nothing was granted. It can be asked for again."
	case pim.NoticeWithdrawn:
		w.title = fmt.Sprintf("%s request for %s was withdrawn", whose, what(n))
		w.lead = "Nothing needs to be decided any more."
	case pim.NoticeFailed:
		w.title = fmt.Sprintf("%s request for %s could not be fulfilled", whose, what(n))
		w.lead = "What the request needed was gone when its time came. Nothing was granted."
	case pim.NoticeEndIsNear:
		w.title = fmt.Sprintf("%s %s %s ends on %s", whose, grant(n), what(n), day(n.End))
		w.lead = "It ends by itself. Until then the holder can ask for an extension."
		w.link, w.linked = "/grants/"+string(n.Schedule), "See the grant"
	case pim.NoticeEnded:
		w.title = fmt.Sprintf("%s %s %s has ended", whose, grant(n), what(n))
		w.lead = "What came to its own end can be renewed within thirty days."
		w.link, w.linked = "/grants/"+string(n.Schedule), "See the grant"
	case pim.NoticeExtensionAsked:
		w.title = fmt.Sprintf("Decide: %s %s asked to extend the %s %s", who, have, grant(n), what(n))
		w.lead = "The request waits for an administrator, who extends the grant or refuses."
		w.linked = "Decide"
	case pim.NoticeRenewalAsked:
		w.title = fmt.Sprintf("Decide: %s %s asked to renew the %s %s", who, have, grant(n), what(n))
		w.lead = "The request waits for an administrator, who renews the grant or refuses."
		w.linked = "Decide"
	case pim.NoticeExtended:
		w.title = fmt.Sprintf("%s %s %s was extended", whose, grant(n), what(n))
		w.lead = "It goes on until the end below."
	case pim.NoticeRenewed:
		w.title = fmt.Sprintf("%s %s %s was renewed", whose, grant(n), what(n))
		w.lead = "It holds again until the end below."
	case pim.NoticeChanged:
		w.title = fmt.Sprintf("%s %s %s was given other times", whose, grant(n), what(n))
		w.lead = "It holds for the time below."
	case pim.NoticeOutside:
		w.title = fmt.Sprintf("%s %s given %s outside PIM", who, were, what(n))
		w.lead = "Nobody asked for this by a request, and no end was set. If it was not intended, remove it."
		w.link, w.linked = "/grants/"+string(n.Schedule), "See the grant"
	case pim.NoticeWaiting: // written by its own list
	default:
	}
	w.title, w.facts = line(w.title, mostTitle), factsOf(n)
	return w
}

// factsOf lists what is known, in the order in which people ask.
func factsOf(n pim.Notice) []fact {
	var facts []fact
	add := func(name, value string) {
		if value != "" {
			facts = append(facts, fact{name, value})
		}
	}
	add("Who", line(n.Principal, mostName))
	role := line(n.RoleName, mostName)
	if n.Key.Provider == pim.Group {
		add("Group", line(n.Place, mostName))
		role = strings.ToUpper(role[:min(1, len(role))]) + role[min(1, len(role)):]
		add("As", role)
	} else {
		add("Role", role)
		add("Scope", cmp.Or(line(n.Place, mostName), "the whole organisation"))
	}
	if n.By.Principal != n.Key.Principal && n.Kind != pim.NoticeApprovalAsked {
		add("By", line(n.By.Name, mostName))
	}
	add("Why", line(n.Reason, mostReason))
	add("Ticket", line(strings.TrimSpace(n.Ticket.Number+" "+n.Ticket.System), mostName))
	if !n.Start.IsZero() {
		add("From", moment(n.Start))
	}
	switch {
	case n.Lasts > 0:
		add("For", span(n.Lasts))
	case !n.End.IsZero():
		add("Until", moment(n.End))
	case !n.Start.IsZero():
		add("Until", "no end")
	}
	if !n.Lapses.IsZero() {
		add("Decide", "by "+moment(n.Lapses))
	}
	return facts
}

// span is a stretch of time in words, to the minute.
func span(d time.Duration) string {
	var parts []string
	for _, unit := range []struct {
		name string
		of   time.Duration
	}{{"day", 24 * time.Hour}, {"hour", time.Hour}, {"minute", time.Minute}} {
		n := int(d / unit.of)
		d -= time.Duration(n) * unit.of
		if n == 1 {
			parts = append(parts, "1 "+unit.name)
		} else if n > 1 {
			parts = append(parts, fmt.Sprintf("%d %ss", n, unit.name))
		}
	}
	return cmp.Or(strings.Join(parts, " "), "less than a minute")
}

func moment(t time.Time) string { return t.UTC().Format("Monday, 2 January 2006, 15:04 UTC") }

func day(t time.Time) string { return t.UTC().Format("2 January 2006") }

// mostWaiting is how many requests a digest lists.
const mostWaiting = 50

// listed is a request as a digest shows it.
type listed struct{ Title, Why, Since, Until, Link string }

// sayWaiting writes a digest.
func sayWaiting(list []pim.Notice, origin string) (words, []listed) {
	w := words{title: fmt.Sprintf("%d requests wait for your decision", len(list)), link: "/approvals", linked: "See them all"}
	if len(list) == 1 {
		w.title = "A request waits for your decision"
	}
	w.lead = "Nothing is granted until enough approvers agree. Requests that nobody decides expire."
	rows := make([]listed, 0, min(len(list), mostWaiting))
	for _, one := range list[:min(len(list), mostWaiting)] {
		row := listed{
			Title: line(cmp.Or(one.Principal, "Somebody")+" asks to activate "+what(one), mostTitle),
			Why:   line(one.Reason, mostReason), Since: moment(one.At), Link: origin + "/approvals/" + string(one.Request),
		}
		if !one.Lapses.IsZero() {
			row.Until = moment(one.Lapses)
		}
		rows = append(rows, row)
	}
	return w, rows
}
