package native

import (
	"portcullis/internal/api"
	"portcullis/internal/pim"
)

// approvers answers who may decide a request.
type approvers struct {
	Value []approver `json:"value"`
	// More says that the list is longer than what is told.
	More bool `json:"more"`
}

// approver is one of them.
type approver struct {
	ID      string `json:"id"`
	Name    string `json:"displayName"`
	Account string `json:"userPrincipalName"`
}

// approvers tells who may decide a request now.
func (s *Surface) approvers(r *api.Request) (api.Answer, error) {
	o, err := readOptions(r, "request")
	if err != nil {
		return api.Answer{}, err
	}
	id := o.id("request")
	if id == "" {
		return api.Answer{}, api.BadRequest("The parameter 'request' is missing: the id of a request.")
	}
	d, err := s.app.Deciders(r.Context(), r.Caller, r.Tenant, pim.RequestID(id))
	if err != nil {
		return api.Answer{}, err
	}
	out := approvers{Value: make([]approver, len(d.People)), More: d.More}
	for i, p := range d.People {
		out.Value[i] = approver{ID: string(p.ID), Name: p.DisplayName, Account: p.Principal().Account}
	}
	return answer(out)
}
