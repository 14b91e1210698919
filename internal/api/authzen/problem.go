package authzen

import (
	"errors"
	"maps"
	"net/http"

	"portcullis/internal/api"
	"portcullis/internal/pim"
)

// Problem prints an error: a status and a text, as the specification has it ("Error Responses").
func (s *Surface) Problem(r *api.Request, err error) api.Answer {
	if refused, ok := errors.AsType[*pim.Refusal](err); ok {
		err = &api.ODataError{Status: http.StatusBadRequest, Message: refused.Error()}
		if refused.Code == pim.Forbidden {
			err = &api.ODataError{Status: http.StatusForbidden, Message: "Insufficient privileges to complete the operation."}
		}
	}
	told := api.ODataErrorOf(err)
	header := http.Header{}
	maps.Copy(header, told.Header)
	maps.Copy(header, requestID(r))
	return api.Answer{Status: told.Status, Type: "text/plain; charset=utf-8", Header: header, Body: []byte(told.Message + "\nRequest " + r.ID + "\n")}
}
