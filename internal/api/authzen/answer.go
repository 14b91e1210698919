package authzen

import (
	"time"

	"portcullis/internal/api"
	"portcullis/internal/pim"
)

// appendDecision appends the answer to one evaluation ("Access Evaluation Response").
func (a *asking) appendDecision(b []byte, d *decision) []byte {
	b = append(b, `{"decision":`...)
	b = api.AppendBool(b, d.yes)
	b = append(b, `,"context":{"reason":"`...)
	b = append(b, d.reason...)
	b = append(b, '"')
	b = appendInstant(b, `,"until":`, d.until)
	b = appendInstant(b, `,"nextChange":`, d.next)
	b = append(b, `,"at":`...)
	b = api.AppendTime(b, a.now)
	if a.token != "" {
		b = append(b, `,"consistencyToken":`...)
		b = api.AppendText(b, a.token)
	}
	if d.yes {
		b = appendChain(b, d)
	}
	return append(b, '}', '}')
}

// appendChain appends by what it is held, from the eligibility to the scope.
func appendChain(b []byte, d *decision) []byte {
	b = append(b, `,"chain":[`...)
	from := len(b)
	b = appendGround(b, from, "eligibility", d.by.AppendEligibility)
	b = appendGround(b, from, "request", d.by.AppendRequest)
	b = appendGround(b, from, d.reason, d.by.AppendSchedule) // an assignment or an activation
	for _, g := range d.via {
		b = appendLink(b, from, "membership", string(g))
	}
	if d.scope != "" {
		b = appendLink(b, from, "scope", string(d.scope))
	}
	return append(b, ']')
}

// appendGround appends a link whose id, a UUID, is put into words here; none, where it has none.
func appendGround(b []byte, from int, kind string, id func([]byte) []byte) []byte {
	before := len(b)
	if before > from {
		b = append(b, ',')
	}
	b = append(append(append(b, `{"kind":"`...), kind...), `","id":"`...)
	at := len(b)
	b = id(b)
	switch text := b[at:]; {
	case len(text) == 0:
		return b[:before]
	case len(text) != lengthOfID || !plain(text): // an id of another form
		b = api.AppendText(b[:at-1], string(text))
		return append(b, '}')
	}
	return append(b, '"', '}')
}

// plain says whether a text stands in JSON as it is.
func plain(text []byte) bool {
	for _, c := range text {
		if c < ' ' || c > '~' || c == '"' || c == '\\' {
			return false
		}
	}
	return true
}

func appendLink(b []byte, from int, kind, id string) []byte {
	if len(b) > from {
		b = append(b, ',')
	}
	b = append(b, `{"kind":"`...)
	b = append(b, kind...)
	b = append(b, `","id":`...)
	b = api.AppendText(b, id)
	return append(b, '}')
}

func appendInstant(b []byte, name string, t time.Time) []byte {
	if t.IsZero() {
		return b
	}
	return api.AppendTime(append(b, name...), t)
}

// appendForbidden appends the answer to one of several evaluations that the caller may not ask ("Errors").
func appendForbidden(b []byte) []byte {
	return append(b, `{"decision":false,"context":{"reason":"`+reasonForbidden+`","error":{"status":403,"message":"The caller may not ask this."}}}`...)
}

// appendEntity appends a subject or a resource.
func appendEntity(b []byte, kind, id string) []byte {
	b = append(b, `{"type":`...)
	b = api.AppendText(b, kind)
	b = append(b, `,"id":`...)
	b = api.AppendText(b, id)
	return append(b, '}')
}

// typeOf is the type of a principal as a subject.
func typeOf(k pim.PrincipalKind) string {
	switch k {
	case pim.UserPrincipal:
		return "user"
	case pim.GroupPrincipal:
		return "group"
	case pim.ServicePrincipal:
		return "servicePrincipal"
	}
	return "principal"
}

// typeOfProvider is the type of the resources of a provider.
func typeOfProvider(p pim.Provider) string {
	switch p {
	case pim.Directory:
		return typeDirectory
	case pim.Group:
		return typeGroup
	case pim.Resource:
		return typeAzure
	}
	return ""
}
