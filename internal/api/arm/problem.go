package arm

import (
	"net/http"

	"portcullis/internal/api"
	"portcullis/internal/api/wire"
)

// problem is an error as it is told (reference arm-pim §1, "Error envelope").
type problem struct {
	Status        int
	Code, Message string
	Header        http.Header
}

func (p *problem) Error() string { return p.Code + ": " + p.Message }

// answer prints it.
func (p *problem) answer() api.Answer {
	o := wire.New(nil, nil)
	o.Name("error")
	e := wire.New(o.B, nil)
	e.Str("code", p.Code)
	e.Str("message", p.Message)
	o.B = e.End()
	return api.Answer{Status: p.Status, Type: contentType, Header: p.Header, Body: o.End()}
}

// Problem implements api.Surface.
func (s *Surface) Problem(r *api.Request, err error) api.Answer {
	a := (&problem{Status: http.StatusInternalServerError, Code: "InternalServerError", Message: "The server failed. Request id: " + r.ID + "."}).answer()
	addHeaders(r, &a)
	return a
}

// addHeaders adds what every answer of this dialect has (reference arm-pim §1, "Response headers").
func addHeaders(r *api.Request, a *api.Answer) {
	if a.Header == nil {
		a.Header = http.Header{}
	}
	a.Header.Set("X-Ms-Request-Id", r.ID)
	a.Header.Set("X-Ms-Correlation-Request-Id", r.ID)
}
