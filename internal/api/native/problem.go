package native

import (
	"errors"
	"net/http"
	"strings"

	"portcullis/internal/api"
	"portcullis/internal/pim"
	"portcullis/internal/store"
)

// Problem prints an error.
func (s *Surface) Problem(r *api.Request, err error) api.Answer {
	return problemOf(err).Answer(r, "application/json;charset=utf-8")
}

func problemOf(err error) *api.ODataError {
	if r, ok := errors.AsType[*pim.Refusal](err); ok {
		return fromRefusal(r)
	}
	if errors.Is(err, store.ErrNotFound) {
		return noSuchThing()
	}
	return api.ODataErrorOf(err)
}

func noSuchThing() *api.ODataError {
	return &api.ODataError{Status: http.StatusNotFound, Code: "ResourceNotFound", Message: "There is no such thing."}
}

// fromRefusal tells a refusal of the core, by its code without the blanks.
func fromRefusal(r *pim.Refusal) *api.ODataError {
	if r.Code == pim.Forbidden {
		return &api.ODataError{Status: http.StatusForbidden, Code: "Authorization_RequestDenied",
			Message: "Insufficient privileges to complete the operation."}
	}
	if r.Code == pim.UnknownRequest {
		return noSuchThing()
	}
	code := ""
	for word := range strings.FieldsSeq(string(r.Code)) {
		code += strings.ToUpper(word[:1]) + word[1:]
	}
	reasons := []string{r.Error()}
	for _, f := range r.Failures {
		reasons = append(reasons, f.Reason)
	}
	return &api.ODataError{Status: http.StatusBadRequest, Code: code, Message: "The request was refused: " + strings.Join(reasons, "; ") + "."}
}
